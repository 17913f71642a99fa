"""The reaper's own process finds an end, writes the notice and sends it to a receiver that checks its signature."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.core.clock import now
from app.core.keyring import LocalKeyring
from app.notices import webhooks
from app.tenants.keys import TenantKeys
from app.vocabulary import NoticeKind
from tests.conftest import TestDatabase
from tests.notices.ends import add_provider
from tests.notices.receiver import receiving
from tests.processes import system, until
from tests.tenants.administration import administrator


@pytest.mark.processes
async def test_the_reaper_sends_a_warning_that_the_receiver_verifies(
    database: TestDatabase, redis_url: str, tmp_path: Path, keyring: LocalKeyring
) -> None:
    tenant_id, actor = database.tenant_id, administrator(database.member_id)
    sealer = await TenantKeys(database.app, keyring).sealer(tenant_id)
    await add_provider(database, tenant_id, "Acme", until=now() + timedelta(days=20))
    async with receiving(tmp_path) as receiver:
        async with database.app.tenant(tenant_id) as session:
            made, receiver.secret = await webhooks.create(
                session,
                tenant_id=tenant_id,
                url=receiver.url,
                events=list(NoticeKind),
                sealer=sealer,
                actor=actor,
            )
            _, fresh = await webhooks.rotate(
                session,
                tenant_id=tenant_id,
                webhook_id=made.id,
                keep_previous_seconds=3600,
                sealer=sealer,
                actor=actor,
            )
        with system(database, redis_url, tmp_path, keyring) as running:
            running.start("reaper", SWITCHBOARD_WEBHOOK_CA=str(receiver.ca))

            async def delivered() -> bool:
                found = await running.rows("SELECT state FROM webhook_deliveries")
                return [row["state"] for row in found] == ["delivered"]

            await until(delivered, running.autopsy)
        (got,) = receiver.received
        told = got.body["data"]
        assert (got.body["type"], told["subject_name"], told["threshold_days"]) == (
            "contract.end",
            "Acme",
            30,
        )
        assert got.verified
        receiver.secret = fresh
        assert receiver.verifies(got.headers, got.raw)
