"""What asyncio reports by itself goes through our log without the words of a document."""

import asyncio
import gc
from collections.abc import Callable

from tests.canaries import logged, word


def run(act: Callable[[asyncio.AbstractEventLoop], object]) -> str:
    """What is logged of a loop in which something happens that nobody waits for."""
    loop = asyncio.new_event_loop()
    with logged() as written:
        loop.call_soon(act, loop)
        loop.call_later(0, loop.call_soon, loop.stop)
        loop.run_forever()
        gc.collect()
    loop.close()
    return written.getvalue()


def _dropped(_task: object) -> None:
    """The loop alone keeps it."""


def test_an_exception_that_nobody_took_is_told_without_its_words() -> None:
    secret = word()

    async def fail() -> None:
        raise ValueError(f"cannot read {secret}")

    told = run(lambda loop: _dropped(loop.create_task(fail(), name=f"reading {secret}")))

    assert "Task exception was never retrieved" in told
    assert "ValueError" in told
    assert secret not in told


def test_a_callback_that_fails_is_told_without_its_arguments() -> None:
    secret = word()

    def fail(text: str) -> None:
        raise KeyError(text)

    told = run(lambda loop: loop.call_soon(fail, secret))

    assert "Exception in callback" in told
    assert "KeyError" in told
    assert secret not in told
