"""Notices at the portal: who sees them, in which order, and that somebody says so who has seen one."""

from uuid import UUID, uuid4

from app.notices.watching import Watching
from app.usage.ledger import open_call, settle
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, EDSGER
from tests.notices.ends import told
from tests.portal.browsers import Portal, code
from tests.tenants.administration import rows
from tests.usage.money import ended, intent


async def tenant_of(database: TestDatabase, portal: Portal, login: str) -> UUID:
    person = portal.entra.app.people.find(login)
    assert person is not None
    ((tenant_id,),) = await rows(
        database,
        "SELECT tenant_id FROM members WHERE entra_object_id = CAST(:id AS uuid)",
        id=person.object_id,
    )
    found: UUID = tenant_id
    return found


async def test_an_administrator_pages_through_notices_and_acknowledges_one(
    portal: Portal, database: TestDatabase
) -> None:
    async with portal.browser() as admin:
        await admin.sign_in(ALAN)
        tenant_id = await tenant_of(database, portal, ALAN)
        made = [str(await told(database, tenant_id)) for _ in range(3)]
        first = (await admin.get("/notices", params={"limit": 2})).json()
        assert [one["id"] for one in first["value"]] == [made[2], made[1]]
        second = (await admin.get(first["next_link"].removeprefix("/portal/v1"))).json()
        assert [one["id"] for one in second["value"]] == [made[0]]
        assert "next_link" not in second or second["next_link"] is None
        assert second["value"][0]["kind"] == "contract.end"
        assert second["value"][0]["threshold_days"] == 30

        seen = (await admin.send("POST", f"/notices/{made[1]}/acknowledge")).json()
        again = (await admin.send("POST", f"/notices/{made[1]}/acknowledge")).json()
        assert seen["acknowledged_at"] is not None
        assert again == seen
        for acknowledged, ids in (("true", [made[1]]), ("false", [made[2], made[0]])):
            listed = (await admin.get("/notices", params={"acknowledged": acknowledged})).json()["value"]
            assert [one["id"] for one in listed] == ids
        assert code(await admin.send("POST", f"/notices/{uuid4()}/acknowledge")) == (404, "notice_not_found")


async def test_money_past_its_limit_stands_in_the_same_list(portal: Portal, database: TestDatabase) -> None:
    async with portal.browser() as admin:
        await admin.sign_in(ALAN)
        tenant_id = await tenant_of(database, portal, ALAN)
        call = intent(database, tenant_id=tenant_id)
        async with database.app.tenant(tenant_id) as session:
            await open_call(session, call)
            await settle(session, [ended(call, cost_micros=2_500)])
        await Watching(database.system, database.app).run()
        (notice,) = (await admin.get("/notices")).json()["value"]
    assert (notice["kind"], notice["subject_id"]) == ("cost.overrun", str(call.deployment_id))
    assert notice["money"] == {
        "calls": 1,
        "limit_micros": 900,
        "cost_micros": 2_500,
        "currency": "EUR",
    }


async def test_others_neither_see_nor_acknowledge_it(portal: Portal, database: TestDatabase) -> None:
    async with portal.browser() as theirs, portal.browser() as member:
        await theirs.sign_in(EDSGER)
        await member.sign_in(ADA)
        notice = await told(database, await tenant_of(database, portal, ADA))
        assert (await theirs.get("/notices")).json()["value"] == []
        assert code(await theirs.send("POST", f"/notices/{notice}/acknowledge"))[0] == 404
        assert code(await member.get("/notices")) == (403, "role_missing")
        assert code(await member.send("POST", f"/notices/{notice}/acknowledge")) == (403, "role_missing")
