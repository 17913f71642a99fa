"""How often somebody may ask, what they are told about it, and what happens while Redis is away."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import structlog
from redis.asyncio import Redis

from app.core.clock import new_id
from app.core.redis import connect
from app.http.rate_limits import STANDINGS, RateLimits, Standing, TooManyRequests
from app.identity.principal import Principal
from app.local.valkey import EmbeddedValkey
from app.settings import Settings
from tests.entra import ADA, ALAN, GRACE
from tests.house import House, serve
from tests.trust import PLAIN

_TENANT, _OTHER = new_id(), new_id()


@dataclass
class _Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def limits(redis: Redis, redis_url: str, clock: _Clock) -> RateLimits:
    return _limits(redis, redis_url, clock)


def _limits(redis: Redis, url: str, clock: _Clock, **settings: Any) -> RateLimits:
    values = {"env": "development", "redis_url": url, "rate_limit_member": 3, "rate_limit_tenant": 5}
    return RateLimits(redis, Settings.model_validate({**values, **settings}), clock=clock)


def _principal(tenant_id: UUID = _TENANT) -> Principal:
    return Principal(
        tenant_id=tenant_id,
        member_id=new_id(),
        entra_tenant_id=new_id(),
        entra_object_id=new_id(),
        roles=frozenset(),
        client_id="",
        scopes=frozenset(),
    )


async def _ask(limits: RateLimits, principal: Principal) -> list[Standing]:
    scope: dict[str, Any] = {"type": "http"}
    await limits.admit(scope, principal)
    standings: list[Standing] = scope[STANDINGS]
    return standings


async def test_a_member_has_its_quota_and_not_one_more(limits: RateLimits) -> None:
    ada = _principal()
    left = [[one.remaining for one in await _ask(limits, ada)] for _ in range(3)]

    assert left == [[2, 4], [1, 3], [0, 2]]
    with pytest.raises(TooManyRequests) as refused:
        await _ask(limits, ada)
    assert refused.value.target == "member"
    assert refused.value.retry_after_seconds is not None
    assert refused.value.retry_after_seconds == 61


async def test_a_member_that_floods_takes_nothing_from_its_colleagues(limits: RateLimits) -> None:
    ada, alan = _principal(), _principal()
    for _ in range(50):
        try:
            await _ask(limits, ada)
        except TooManyRequests:
            continue

    assert [one.remaining for one in await _ask(limits, alan)] == [2, 1]


async def test_a_tenant_has_a_quota_of_its_own_and_others_are_unharmed(limits: RateLimits) -> None:
    for member in (_principal(), _principal()):
        for _ in range(2):
            await _ask(limits, member)
    await _ask(limits, _principal())

    with pytest.raises(TooManyRequests) as refused:
        await _ask(limits, _principal())
    assert refused.value.target == "tenant"
    await _ask(limits, _principal(_OTHER))


async def test_what_was_used_comes_back_when_it_was_said_to_and_no_earlier(
    limits: RateLimits, clock: _Clock
) -> None:
    ada = _principal()
    await _ask(limits, ada)
    clock.now += 30
    await _ask(limits, ada)
    standing = (await _ask(limits, ada))[0]
    assert (standing.remaining, standing.reset_seconds) == (0, 31)
    clock.now += 29.5
    with pytest.raises(TooManyRequests) as refused:
        await _ask(limits, ada)
    assert refused.value.retry_after_seconds == 2
    clock.now += 1.5

    standing = (await _ask(limits, ada))[0]
    # The other two are of half a minute ago.
    assert (standing.remaining, standing.reset_seconds) == (0, 30)


async def test_a_boundary_lets_no_more_than_the_quota_through(limits: RateLimits, clock: _Clock) -> None:
    ada = _principal()
    admitted = []
    for _ in range(240):
        clock.now += 0.5
        try:
            await _ask(limits, ada)
        except TooManyRequests:
            continue
        admitted.append(clock.now)

    assert len(admitted) == 6
    assert all(later - former > 60 for former, later in zip(admitted, admitted[3:], strict=False))


async def test_two_processes_count_together(redis: Redis, redis_url: str, clock: _Clock) -> None:
    ada = _principal()
    one, other = _limits(redis, redis_url, clock), _limits(redis, redis_url, clock)
    await _ask(one, ada)

    assert (await _ask(other, ada))[0].used == 2


async def test_a_request_counts_once_however_often_its_route_asks(limits: RateLimits) -> None:
    scope: dict[str, Any] = {"type": "http"}
    ada = _principal()
    for _ in range(9):
        await limits.admit(scope, ada)

    assert (await _ask(limits, ada))[0].used == 2


async def test_a_request_costs_one_command_and_keys_that_end(limits: RateLimits, redis: Redis) -> None:
    ada = _principal()
    await _ask(limits, ada)
    await redis.config_resetstat()
    await _ask(limits, ada)
    stats = await redis.info("commandstats")

    # What the script does inside of Redis is counted as well; what comes over the wire is EVALSHA.
    assert stats["cmdstat_evalsha"]["calls"] == 1
    inside = {"cmdstat_hgetall", "cmdstat_hincrby", "cmdstat_pexpire"}
    assert set(stats) <= {"cmdstat_evalsha", "cmdstat_config|resetstat", "cmdstat_ping", *inside}
    keys = [key async for key in redis.scan_iter("rate*")]
    assert len(keys) == 2
    for key in keys:
        assert 0 < await redis.ttl(key) <= 61


async def test_a_flood_that_was_refused_does_not_reach_redis(limits: RateLimits, redis: Redis) -> None:
    ada = _principal()
    for _ in range(3):
        await _ask(limits, ada)
    with pytest.raises(TooManyRequests):
        await _ask(limits, ada)
    await redis.config_resetstat()
    for _ in range(100):
        with pytest.raises(TooManyRequests):
            await _ask(limits, ada)

    assert "cmdstat_evalsha" not in await redis.info("commandstats")


@pytest.fixture
async def lonely(service_folder: Path, tmp_path: Path) -> AsyncIterator[tuple[EmbeddedValkey, Redis]]:
    """A Valkey of this test alone, to be killed."""
    with EmbeddedValkey(service_folder / tmp_path.name) as valkey:
        client = connect(valkey.url)
        yield valkey, client
        await client.aclose()


async def test_while_redis_is_away_requests_pass_and_a_flood_is_still_bounded(
    lonely: tuple[EmbeddedValkey, Redis], clock: _Clock
) -> None:
    valkey, client = lonely
    limits = _limits(client, valkey.url, clock)
    ada = _principal()
    await _ask(limits, ada)
    valkey.kill()

    with structlog.testing.capture_logs() as lines:
        used = [(await _ask(limits, ada))[0].used for _ in range(3)]
        with pytest.raises(TooManyRequests):
            await _ask(limits, ada)

    assert used == [1, 2, 3]
    # One attempt, not one per request.
    assert len([line for line in lines if "rate limits" in line["event"]]) == 1


async def test_a_redis_that_hangs_holds_nobody_up(redis_url: str, clock: _Clock) -> None:
    release = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    client = connect(url)
    limits = _limits(client, url, clock)
    ada = _principal()
    async with asyncio.timeout(3):
        assert (await _ask(limits, ada))[0].used == 1
        assert (await _ask(limits, ada))[0].used == 2
    release.set()
    await client.aclose()
    server.close()
    await server.wait_closed()


async def _get(house: House, api: str, login: str) -> httpx.Response:
    token = house.entra.token(login)
    async with httpx.AsyncClient(
        trust_env=False, verify=PLAIN, headers={"Authorization": f"Bearer {token}"}
    ) as client:
        return await client.get(f"{api}/addin/v1/me")


async def test_every_answer_says_what_is_left_and_a_refusal_when_to_come_back(house: House) -> None:
    async with serve(house.system, house.entra, rate_limit_member=2, rate_limit_tenant=3) as api:
        first = await _get(house, api, ADA)
        assert first.status_code == 200
        assert first.headers["ratelimit-policy"] == '"member";q=2;w=60, "tenant";q=3;w=60'
        member, _, tenant = first.headers["ratelimit"].partition(", ")
        assert member.startswith('"member";r=1;t=')
        assert tenant.startswith('"tenant";r=2;t=')
        assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("2", "1")
        await _get(house, api, ADA)
        refused = await _get(house, api, ADA)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
        assert refused.json()["error"]["target"] == "member"
        assert refused.headers["ratelimit"].startswith('"member";r=0;t=')
        assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]
        assert (await _get(house, api, ALAN)).status_code == 200
        refused = await _get(house, api, ALAN)
        assert refused.json()["error"]["target"] == "tenant"
        assert (await _get(house, api, GRACE)).status_code == 200


async def test_the_api_answers_while_redis_is_away(
    house: House, lonely: tuple[EmbeddedValkey, Redis]
) -> None:
    valkey, _ = lonely
    async with serve(house.system, house.entra, redis_url=valkey.url, rate_limit_member=2) as api:
        valkey.kill()
        answers = [(await _get(house, api, ADA)).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
