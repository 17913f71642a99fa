"""Limits between real processes: never exceeded by one, and nothing stays behind one that was killed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from app.core.clock import new_id
from app.pools.limits import Grant, Limits, Refusal
from tests.pools.hammer import INSIDE, place
from tests.processes import until

pytestmark = pytest.mark.processes
ROOT = Path(__file__).resolve().parents[2]
MARKED = pytest.mark.skipif(
    os.environ.get("SWITCHBOARD_TEST_MARKED") != "1", reason="eight processes: set SWITCHBOARD_TEST_MARKED=1"
)
SIZES = [(2, 80), pytest.param(8, 800, marks=MARKED)]


def hammer(redis_url: str, processes: int, **told: Any) -> list[dict[str, Any]]:
    """What each of so many processes was granted, all begun together."""
    command = [sys.executable, "-m", "tests.pools.hammer", redis_url, json.dumps({"seconds": 30.0, **told})]
    children = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        outputs = _all(children)
        return [json.loads(output) for output in outputs]
    finally:
        for child in children:
            child.kill()
            child.wait()


def _all(children: "list[subprocess.Popen[str]]") -> list[str]:
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return [child.communicate(timeout=100)[0] for child in children]


@pytest.mark.parametrize(("processes", "asks"), SIZES)
async def test_processes_together_never_hold_one_place_too_many(
    redis: Redis, redis_url: str, processes: int, asks: int
) -> None:
    told = {"id": str(new_id()), "concurrency": 3}
    answers = hammer(redis_url, processes, asks=asks, tokens=10, **told)
    assert all(answer["granted"] for answer in answers)
    assert max(answer["most"] for answer in answers) <= 3
    assert int(await redis.get(INSIDE) or 0) == 0
    assert await redis.zcard(f"leases:{told['id']}") == 0


@pytest.mark.parametrize(("processes", "asks"), SIZES)
async def test_processes_together_never_send_one_request_or_token_too_many(
    redis: Redis, redis_url: str, processes: int, asks: int
) -> None:
    by_requests = {"id": str(new_id()), "requests_per_minute": 37}
    by_tokens = {"id": str(new_id()), "tokens_per_minute": 1000}
    counted = hammer(redis_url, processes, asks=asks, tokens=70, **by_requests)
    spent = hammer(redis_url, processes, asks=asks, tokens=70, **by_tokens)
    assert sum(answer["granted"] for answer in counted) == 37
    assert sum(answer["granted"] for answer in spent) == 1000 // 70
    assert 0 < await redis.ttl(f"minute:{by_tokens['id']}") <= 62


async def test_what_a_killed_process_held_is_free_when_its_leases_end(redis: Redis, redis_url: str) -> None:
    told = {"id": str(new_id()), "concurrency": 3}
    (answer,) = hammer(redis_url, 1, asks=8, tokens=10, die=True, **{**told, "seconds": 0.5})
    assert answer["granted"] == 3
    leases = f"leases:{told['id']}"
    held: Any = await redis.zrange(leases, 0, -1, withscores=True)
    ends = [end / 1000 for _, end in held]
    limits, answers = Limits(redis), list[Grant | Refusal]()

    async def free() -> bool:
        answers.append(await limits.reserve([place(told)], tokens=10, holder="next"))
        return isinstance(answers[-1], Grant)

    await until(free)
    seconds, micros = await redis.time()
    # On Redis's clock, and not before: nobody can know whether the killed one's requests are over.
    assert not ends or seconds + micros / 1e6 >= min(ends)
    assert isinstance(answers[-1], Grant)
    await limits.release(answers[-1], used_tokens=10)
    assert await redis.zcard(leases) == 0 or await redis.pttl(leases) > 0
