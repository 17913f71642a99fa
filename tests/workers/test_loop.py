import asyncio
import threading

import pytest

from workers.loop import PersistentLoop


def test_every_coroutine_runs_on_the_same_loop() -> None:
    persistent = PersistentLoop()

    async def where() -> int:
        return id(asyncio.get_running_loop())

    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda: seen.append(persistent.submit(where()).result(5))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {id(persistent.loop)}
    persistent.stop()
    assert persistent.loop.is_closed()


def test_an_exception_reaches_who_submitted() -> None:
    persistent = PersistentLoop()

    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        persistent.submit(fail()).result(5)
    persistent.stop()
