"""What is past its time goes, on the tenant's own calendar; what a hold covers stays."""

from tests.lifecycle.conftest import Archive
from tests.tenants.administration import rows

CONTENT = ("jobs", "job_steps", "job_inputs", "idempotency_keys", "documents", "document_parts")


async def counts(archive: Archive, tenant: str = "mine") -> dict[str, int]:
    database = archive.database
    tenant_id = database.tenant_id if tenant == "mine" else database.other_tenant_id
    return {table: await archive.count(table, tenant_id) for table in (*CONTENT, "model_calls")}


async def test_what_is_older_than_the_tenants_days_goes_with_all_that_hangs_on_it(archive: Archive) -> None:
    gone = await archive.fill(days_old=31)
    kept = await archive.fill(days_old=29)
    note = await archive.retention().run()
    assert note == "1 documents, 1 jobs"
    assert await counts(archive) == dict.fromkeys(CONTENT, 1) | {"model_calls": 2}
    async with archive.database.owner.system() as session:
        from sqlalchemy import text

        assert (await session.scalars(text("SELECT id FROM jobs"))).all() == [kept]
    assert await archive.retention().run() is None
    recorded = await rows(
        archive.database,
        "SELECT action, actor_kind, target_id, detail FROM audit_entries WHERE action LIKE '%.delete' ORDER BY at",
    )
    why = {"reason": "retention", "days": 30}
    assert recorded[0] == ("job.delete", "system", str(gone), why)
    assert [(one[0], one[1], one[3]) for one in recorded[1:]] == [("document.delete", "system", why)]


async def test_each_tenant_has_its_own_days(archive: Archive) -> None:
    database = archive.database
    await archive.change(
        "INSERT INTO tenant_policies (tenant_id, weight, max_steps_in_flight, max_jobs_queued,"
        " require_no_training, require_zero_retention, retention_days, reuse_across_members)"
        " VALUES (:id, 1, 32, 1000, false, false, 5, false)",
        id=database.other_tenant_id,
    )
    await archive.fill(days_old=6)
    await archive.fill(database.other_member_id, tenant_id=database.other_tenant_id, days_old=6)
    await archive.retention().run()
    assert (await counts(archive))["jobs"] == 1
    assert (await counts(archive, "other"))["jobs"] == 0


async def test_an_open_job_and_its_old_document_stay(archive: Archive) -> None:
    job_id = await archive.fill(days_old=40)
    await archive.change("UPDATE jobs SET state = 'waiting', finished_at = NULL WHERE id = :id", id=job_id)
    assert await archive.retention().run() is None
    assert (await counts(archive))["documents"] == 1


async def test_what_a_hold_covers_stays_until_it_is_released(archive: Archive) -> None:
    database = archive.database
    await archive.fill(days_old=40)
    await archive.fill(database.colleague_id, days_old=40)
    hold = await archive.hold(database.member_id)
    await archive.retention().run()
    assert await archive.count("jobs", database.tenant_id, database.member_id) == 1
    assert await archive.count("documents", database.tenant_id, database.member_id) == 1
    assert await archive.count("jobs", database.tenant_id, database.colleague_id) == 0
    await archive.release(hold.id)
    whole = await archive.hold(None)
    assert await archive.retention().run() is None
    await archive.release(whole.id)
    await archive.retention().run()
    assert (await counts(archive))["jobs"] == 0


async def test_the_ledger_has_the_operators_days_and_small_batches_get_everything(archive: Archive) -> None:
    for _ in range(5):
        await archive.fill(days_old=400)
    await archive.retention(ledger_days=401, batch=2).run()
    assert await counts(archive) == dict.fromkeys(CONTENT, 0) | {"model_calls": 5}
    await archive.retention(ledger_days=399, batch=2).run()
    assert (await counts(archive))["model_calls"] == 0
    async with archive.database.app.tenant(archive.database.tenant_id) as session:
        from sqlalchemy import text

        assert await session.scalar(text("SELECT removed FROM retention_runs")) == {"model_calls": 5}
