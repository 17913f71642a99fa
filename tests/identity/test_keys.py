"""When the issuer's keys are fetched, and what happens while it does not answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

import app.identity.keys as keys_module
from app.identity.errors import InvalidToken, KeysUnavailable
from app.identity.keys import SigningKeys
from app.identity.tokens import AccessTokens
from app.local.entra.keys import SigningKey
from tests.entra import KEYS_PATH, RunningEntra
from tests.identity.conftest import Clock


async def test_two_hundred_unknown_keys_cost_one_fetch(entra: RunningEntra, keys: SigningKeys) -> None:
    answers = await asyncio.gather(*(keys.get(str(uuid4())) for _ in range(200)), return_exceptions=True)

    assert all(isinstance(answer, InvalidToken) for answer in answers)
    assert entra.key_fetches == 1


async def test_an_unknown_key_is_looked_for_again_after_five_minutes(
    entra: RunningEntra, keys: SigningKeys, clock: Clock
) -> None:
    for _ in range(3):
        with pytest.raises(InvalidToken):
            await keys.get("unknown")
    assert entra.key_fetches == 1

    clock.now += 301
    with pytest.raises(InvalidToken):
        await keys.get("unknown")

    assert entra.key_fetches == 2


async def test_a_new_key_works_once_the_five_minutes_are_over(
    entra: RunningEntra, keys: SigningKeys, tokens: AccessTokens, clock: Clock
) -> None:
    old = entra.token()
    await tokens.verify(old)
    entra.app.rotate_keys()
    with pytest.raises(InvalidToken):
        await tokens.verify(entra.token())

    clock.now += 301

    await tokens.verify(entra.token())
    await tokens.verify(old)


async def test_a_withdrawn_key_is_not_believed_after_the_next_fetch(
    entra: RunningEntra, tokens: AccessTokens, clock: Clock
) -> None:
    old = entra.token()
    await tokens.verify(old)
    entra.app.rotate_keys(drop_old=True)
    clock.now += 301
    await tokens.verify(entra.token())

    with pytest.raises(InvalidToken):
        await tokens.verify(old)


async def test_while_the_issuer_is_down_it_is_we_who_cannot_answer(
    entra: RunningEntra, tokens: AccessTokens, clock: Clock
) -> None:
    token = entra.token()
    entra.app.failing = True

    waits = []
    for _ in range(2):
        with pytest.raises(KeysUnavailable) as refused:
            await tokens.verify(token)
        waits.append(refused.value.retry_after_seconds)

    assert waits == [1.0, 1.0]
    assert entra.app.requests.total() == 1
    entra.app.failing = False
    clock.now += 1.1
    await tokens.verify(token)


async def test_waits_grow_to_thirty_seconds_and_stay_there(
    entra: RunningEntra, keys: SigningKeys, clock: Clock
) -> None:
    entra.app.failing = True
    waits = []
    for _ in range(8):
        with pytest.raises(KeysUnavailable) as refused:
            await keys.get("any")
        assert refused.value.retry_after_seconds is not None
        waits.append(refused.value.retry_after_seconds)
        clock.now += refused.value.retry_after_seconds

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


async def test_an_outage_of_days_ends_like_a_short_one(
    entra: RunningEntra, keys: SigningKeys, clock: Clock
) -> None:
    keys._failures = 100_000
    entra.app.failing = True
    with pytest.raises(KeysUnavailable):
        await keys.get("any")

    entra.app.failing = False
    clock.now += 31

    await keys.get(entra.app.keys.current.kid)


async def test_known_keys_work_while_the_issuer_is_down(
    entra: RunningEntra, tokens: AccessTokens, clock: Clock
) -> None:
    token = entra.token()
    await tokens.verify(token)
    entra.app.failing = True
    clock.now += 3600

    await tokens.verify(token)
    with pytest.raises(KeysUnavailable):
        await tokens.verify(entra.token(key=SigningKey.new()))
    await tokens.verify(token)


async def test_keys_of_yesterday_are_not_believed_unchecked(
    entra: RunningEntra, tokens: AccessTokens, clock: Clock
) -> None:
    await tokens.verify(entra.token())
    entra.app.failing = True
    clock.now += 86_401

    with pytest.raises(KeysUnavailable):
        await tokens.verify(entra.token())


async def test_keys_are_not_fetched_from_another_address(entra: RunningEntra, keys: SigningKeys) -> None:
    # The same server, with a certificate that we trust, under a name that is not the authority's.
    entra.app.authority = entra.url.replace("127.0.0.1", "localhost")

    with pytest.raises(KeysUnavailable):
        await keys.get(entra.app.keys.current.kid)

    assert entra.key_fetches == 0


async def test_an_issuer_that_publishes_nothing_is_an_outage(entra: RunningEntra, keys: SigningKeys) -> None:
    kid = entra.app.keys.current.kid
    entra.app.keys.keys = []

    with pytest.raises(KeysUnavailable):
        await keys.get(kid)


async def test_an_issuer_that_we_cannot_trust_is_an_outage(
    entra: RunningEntra, other_authority: RunningEntra
) -> None:
    keys = SigningKeys(entra.url, ca=other_authority.ca)
    with pytest.raises(KeysUnavailable):
        await keys.get(entra.app.keys.current.kid)
    await keys.close()


async def test_started_it_fetches_by_itself_and_stops_when_closed(entra: RunningEntra) -> None:
    keys = SigningKeys(f"{entra.url}/", ca=entra.ca)
    keys.start()

    await keys.get(entra.app.keys.current.kid)
    await keys.close()

    assert keys._task is not None
    assert keys._task.done()


async def test_a_whole_day_of_the_issuers_silence_is_bridged_by_the_last_good_keys(
    entra: RunningEntra, tokens: AccessTokens, clock: Clock
) -> None:
    token = entra.token()
    await tokens.verify(token)
    entra.app.failing = True
    clock.now += 86_000

    for _ in range(2):
        await tokens.verify(token)
        with pytest.raises(KeysUnavailable):
            await tokens.verify(entra.token(key=SigningKey.new()))


async def test_the_keys_are_fetched_again_and_again_in_the_background(
    entra: RunningEntra, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys_module._REFRESH_SECONDS == 3600.0
    loop, third = asyncio.get_running_loop(), asyncio.Event()

    def answer(_: Request) -> Response:
        if entra.key_fetches == 3:
            loop.call_soon_threadsafe(third.set)
        return JSONResponse({"keys": [entra.app.keys.current.public(f"{entra.url}/{{tenantid}}/v2.0")]})

    _instead(entra, monkeypatch, KEYS_PATH, answer)
    monkeypatch.setattr(keys_module, "_REFRESH_SECONDS", 0.0)
    keys = SigningKeys(entra.url, ca=entra.ca)
    keys.start()
    async with asyncio.timeout(60):
        await third.wait()
    await keys.close()


Answer = Callable[[Request], Response]


def _instead(entra: RunningEntra, monkeypatch: pytest.MonkeyPatch, path: str, answer: Answer) -> None:
    """Let the issuer answer otherwise at one address."""
    usual: ASGIApp = entra.app._routes

    async def routes(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == path:
            await answer(Request(scope, receive))(scope, receive, send)
        else:
            await usual(scope, receive, send)

    monkeypatch.setattr(entra.app, "_routes", routes)


async def test_a_redirect_of_the_issuer_is_not_followed(
    entra: RunningEntra, keys: SigningKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    _instead(entra, monkeypatch, KEYS_PATH, lambda _: RedirectResponse(f"{entra.url}/elsewhere"))

    with pytest.raises(KeysUnavailable):
        await keys.get(entra.app.keys.current.kid)

    assert entra.key_fetches == 1
    assert entra.app.requests["/elsewhere"] == 0


async def test_an_answer_of_megabytes_is_not_read_to_its_end(
    entra: RunningEntra, keys: SigningKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def long() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65_536
        yield json.dumps({"keys": [entra.app.keys.current.public("")]}).encode()

    _instead(entra, monkeypatch, KEYS_PATH, lambda _: StreamingResponse(long()))

    with pytest.raises(KeysUnavailable):
        await keys.get(entra.app.keys.current.kid)


async def test_one_key_that_cannot_be_used_does_not_take_away_the_others(
    entra: RunningEntra, keys: SigningKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = entra.app.keys.current.public(f"{entra.url}/{{tenantid}}/v2.0")
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what must be refused
    short = SigningKey.of(small).public("")
    private = {**SigningKey.new().public(""), "d": "AQAB"}
    bad: list[Any] = [
        "a text",
        None,
        {**good, "kid": "broken", "n": "!"},
        {**good, "kid": "unnumbered", "n": 7},
        {**good, "kid": "for encryption", "use": "enc"},
        {"kty": "EC", "kid": "curve", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        {**good, "kid": ["listed"]},
        short,
        private,
    ]
    _instead(entra, monkeypatch, KEYS_PATH, lambda _: JSONResponse({"keys": [*bad, good]}))

    await keys.get(good["kid"])
    for kid in ("broken", "unnumbered", "for encryption", "curve", "shared", short["kid"], private["kid"]):
        with pytest.raises(InvalidToken):
            await keys.get(kid)
    assert entra.key_fetches == 1


@pytest.mark.parametrize("said", [[], {"keys": 7}, {"keys": {}}, "keys", None, {"keys": [[]]}])
async def test_an_answer_that_makes_no_sense_is_an_outage(
    said: Any, entra: RunningEntra, keys: SigningKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    _instead(entra, monkeypatch, KEYS_PATH, lambda _: JSONResponse(said))

    for _ in range(2):
        with pytest.raises(KeysUnavailable):
            await keys.get(entra.app.keys.current.kid)
