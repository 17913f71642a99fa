"""When the issuer's keys are fetched, and what happens while it does not answer."""

import asyncio
from uuid import uuid4

import pytest

from app.identity.errors import InvalidToken, KeysUnavailable
from app.identity.keys import SigningKeys
from app.identity.tokens import AccessTokens
from app.local.entra.keys import SigningKey
from tests.entra import RunningEntra
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
