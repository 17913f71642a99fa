"""Tokens for Graph are nowhere in the clear: not in a table, not in Redis, not in a log."""

from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from structlog.testing import capture_logs

from app.local.entra.sign_ins import SignIns
from tests.entra import ADA
from tests.house import House


async def everything_stored(house: House, redis: Redis) -> dict[str, bytes]:
    """Each table as text and bytes, and what Redis holds, by where it is."""
    found: dict[str, bytes] = {}
    async with house.system.database.owner.system() as session:
        tables = await session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        for table in tables.all():
            rows = (await session.execute(text(f'SELECT * FROM "{table}"'))).all()
            found[f"table {table}"] = b"\n".join(_bytes(value) for row in rows for value in row)
    async for key in redis.scan_iter("*"):
        dumped = await redis.dump(key)
        found[f"redis {key!r}"] = key + (dumped or b"")
    return found


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


def refresh_tokens(sign_ins: SignIns) -> list[bytes]:
    """What Entra has given out to renew tokens with."""
    return [name.encode() for name in sign_ins._refresh]


@pytest.mark.processes
async def test_tokens_are_sealed_at_rest_and_in_no_log(house: House, redis: Redis) -> None:
    house.system.start_all()
    item = house.entra.app.graph.items(ADA)[0]
    named = {"drive_id": item.drive_id, "item_id": item.id}

    with capture_logs() as logs:
        assert (await house.client().post("/documents/drive-items", json=named)).status_code == 201
        session = (await house.client().post("/graph-sessions", json={})).json()["id"]
        body = {"input": {"drive_items": [named], "graph_session": session}, "lane": "background"}
        job = await house.finished((await house.submit(body)).json()["id"])
        house.entra.app.consent("contoso.example", False)
        refused = await house.client().post("/graph-sessions", json={})

    assert (job["state"], refused.status_code) == ("succeeded", 403)
    # All tokens of an Entra begin alike.
    begin = house.entra.token(ADA).encode()[:20]
    secrets = [begin, *refresh_tokens(house.entra.app.sign_ins)]
    assert begin.startswith(b"eyJ")
    assert len(secrets) > 1
    stored = await everything_stored(house, redis)
    assert len(stored["table token_caches"]) > 1000
    held = {where: content for where, content in stored.items() if content}
    held |= {child.log.name: child.log.read_bytes() for child in house.system.children}
    for where, content in {**held, "log": str(logs).encode()}.items():
        for secret in secrets:
            assert secret not in content, where
