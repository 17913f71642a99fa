"""Sessions live in Redis only: while it is away, nobody is let in and nobody is told a lie."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.local.valkey import EmbeddedValkey
from tests.portal.browsers import Browser, code


@pytest.fixture
def own_valkey(service_folder: Path, tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """One that this test may stop."""
    with EmbeddedValkey(service_folder / tmp_path.name) as server:
        yield server


@pytest.fixture
def changes(own_valkey: EmbeddedValkey) -> dict[str, Any]:
    """The portal's Redis is the test's own."""
    return {"redis_url": own_valkey.url}


async def test_without_redis_nobody_is_let_in(browser: Browser, own_valkey: EmbeddedValkey) -> None:
    await browser.sign_in()
    assert (await browser.get("/me")).status_code == 200
    waiting = browser.at_entra(await browser.begin())
    own_valkey.stop()

    for answer in (
        await browser.get("/me"),
        await browser.http.get("/portal/v1/sign-in"),
        await browser.come_back(waiting),
        await browser.send("POST", "/sign-out"),
    ):
        assert code(answer) == (503, "temporarily_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
