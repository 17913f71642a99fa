"""From a token to a principal, over the rows of two customers."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import structlog
from sqlalchemy import text

from app.identity.authenticate import Authenticator
from app.identity.errors import GuestRefused, InvalidToken, MemberBlocked, ScopeMissing, TenantNotOnboarded
from app.identity.tokens import AccessTokens
from app.local.entra.keys import SigningKey
from app.local.entra.registrations import ADDIN_CLIENT_ID, SCOPE_NAME
from app.tenants.directory import TenantDirectory
from app.tenants.members import groups_of
from app.vocabulary import Role
from tests.conftest import TestDatabase
from tests.entra import ADA, ALAN, GRACE, RunningEntra, seed_tenants

_STRANGER = SigningKey.new()
_CONTOSO, _FABRIKAM = (UUID(one["entra_tenant_id"]) for one in seed_tenants())
_NOBODY = "0e0e0e0e-0e0e-4e0e-8e0e-0e0e0e0e0e0e"


@pytest.fixture
def authenticator(customers: TestDatabase, tokens: AccessTokens) -> Authenticator:
    """The door's authenticator in the application's own role."""
    return Authenticator(tokens, TenantDirectory(customers.app))


async def _change(database: TestDatabase, statement: str, **values: Any) -> None:
    async with database.owner.system() as session:
        await session.execute(text(statement), values)


async def _members(database: TestDatabase, object_id: str) -> int:
    async with database.owner.system() as session:
        count = await session.scalar(
            text("SELECT count(*) FROM members WHERE entra_object_id = :id"), {"id": object_id}
        )
    return int(count or 0)


async def test_a_person_becomes_a_principal_of_their_tenant(
    entra: RunningEntra, authenticator: Authenticator
) -> None:
    ada = await authenticator.principal(entra.token(ADA), scope=SCOPE_NAME)
    grace = await authenticator.principal(entra.token(GRACE), scope=SCOPE_NAME)

    assert ada.entra_tenant_id == _CONTOSO
    assert grace.entra_tenant_id == _FABRIKAM
    assert ada.tenant_id != grace.tenant_id
    assert ada.roles == {Role.MEMBER}
    assert ada.client_id == ADDIN_CLIENT_ID
    assert ada.scopes == {SCOPE_NAME}
    assert ada == await authenticator.principal(entra.token(ADA), scope=SCOPE_NAME)


async def test_groups_are_those_of_the_last_token_unless_they_had_no_room_in_it(
    entra: RunningEntra, tokens: AccessTokens, customers: TestDatabase
) -> None:
    async def known_after(**claims: Any) -> int:
        door = Authenticator(tokens, TenantDirectory(customers.app))
        ada = await door.principal(entra.token(ADA, **claims), scope=SCOPE_NAME)
        async with customers.app.tenant(ada.tenant_id) as session:
            return len(await groups_of(session, tenant_id=ada.tenant_id, member_id=ada.member_id))

    assert await known_after() == len(entra.app.person(ADA).groups) > 0
    for too_many in ({"_claim_names": {"groups": "src1"}}, {"hasgroups": True}):
        assert await known_after(groups=None, **too_many) > 0
    # Of somebody who is in no group any more Entra leaves the claim out.
    assert await known_after(groups=None) == 0


async def test_the_same_object_id_in_another_tenant_is_another_member(
    entra: RunningEntra, authenticator: Authenticator
) -> None:
    ada = await authenticator.principal(entra.token(ADA), scope=SCOPE_NAME)
    namesake = await authenticator.principal(
        entra.token(GRACE, oid=str(ada.entra_object_id)), scope=SCOPE_NAME
    )

    assert namesake.member_id != ada.member_id
    assert namesake.tenant_id != ada.tenant_id


@pytest.mark.parametrize(
    ("login", "claimed", "granted"),
    [
        (ALAN, ["TenantAdmin"], {Role.MEMBER, Role.TENANT_ADMIN}),
        (ALAN, None, {Role.MEMBER}),
        (ALAN, ["Auditor"], {Role.MEMBER}),
        (ADA, ["TenantAdmin", "Auditor"], {Role.MEMBER}),
        (ADA, ["PlatformOperator"], {Role.MEMBER}),
        (ADA, [{"TenantAdmin": 1}, 7, None], {Role.MEMBER}),
    ],
)
async def test_a_role_counts_only_where_token_and_row_agree(
    login: str,
    claimed: list[Any] | None,
    granted: set[Role],
    entra: RunningEntra,
    authenticator: Authenticator,
) -> None:
    principal = await authenticator.principal(entra.token(login, roles=claimed), scope=SCOPE_NAME)

    assert principal.roles == granted


async def test_a_person_seen_for_the_first_time_gets_one_row(
    entra: RunningEntra, authenticator: Authenticator, customers: TestDatabase
) -> None:
    token = entra.token(oid=_NOBODY, roles=["TenantAdmin"])

    principals = await asyncio.gather(
        *(authenticator.principal(token, scope=SCOPE_NAME) for _ in range(8)),
        *(
            Authenticator(authenticator._tokens, TenantDirectory(customers.app)).principal(
                token, scope=SCOPE_NAME
            )
            for _ in range(4)
        ),
    )

    assert len({one.member_id for one in principals}) == 1
    assert principals[0].roles == {Role.MEMBER}
    assert await _members(customers, _NOBODY) == 1


@pytest.mark.parametrize(
    ("state", "advice"), [("suspended", "whoever operates it"), ("pending", "at /portal/")]
)
async def test_a_tenant_that_is_not_active_is_refused(
    state: str, advice: str, entra: RunningEntra, authenticator: Authenticator, customers: TestDatabase
) -> None:
    await _change(
        customers, "UPDATE tenants SET state = :state WHERE entra_tenant_id = :id", state=state, id=_CONTOSO
    )

    with pytest.raises(TenantNotOnboarded, match=advice):
        await authenticator.principal(entra.token(oid=_NOBODY), scope=SCOPE_NAME)

    assert await _members(customers, _NOBODY) == 0
    await authenticator.principal(entra.token(GRACE), scope=SCOPE_NAME)


async def test_a_tenant_we_do_not_know_is_told_only_with_a_real_token(
    entra: RunningEntra, authenticator: Authenticator
) -> None:
    foreign: dict[str, Any] = {"tid": _NOBODY, "iss": f"{entra.url}/{_NOBODY}/v2.0"}
    with pytest.raises(TenantNotOnboarded):
        await authenticator.principal(entra.token(**foreign), scope=SCOPE_NAME)

    answers = []
    no_change: dict[str, Any] = {}
    for claims in (no_change, foreign):
        forged = entra.token(key=_STRANGER, headers={"kid": entra.app.keys.current.kid}, **claims)
        with pytest.raises(InvalidToken) as refused:
            await authenticator.principal(forged, scope=SCOPE_NAME)
        answers.append((refused.value.status, refused.value.code, refused.value.message))

    assert answers[0] == answers[1]


async def test_a_blocked_member_is_refused_and_a_colleague_is_not(
    entra: RunningEntra, authenticator: Authenticator, customers: TestDatabase
) -> None:
    await _change(customers, "UPDATE members SET state = 'blocked' WHERE display_name = 'Ada Lovelace'")

    with pytest.raises(MemberBlocked):
        await authenticator.principal(entra.token(ADA), scope=SCOPE_NAME)
    await authenticator.principal(entra.token(ALAN), scope=SCOPE_NAME)


async def test_guests_come_in_only_where_the_tenant_lets_them(
    entra: RunningEntra, authenticator: Authenticator, customers: TestDatabase
) -> None:
    await _change(
        customers, "UPDATE tenants SET allow_guests = true WHERE entra_tenant_id = :id", id=_FABRIKAM
    )

    with pytest.raises(GuestRefused):
        await authenticator.principal(entra.token(oid=_NOBODY, acct=1), scope=SCOPE_NAME)
    assert await _members(customers, _NOBODY) == 0
    await authenticator.principal(entra.token(GRACE, acct=1), scope=SCOPE_NAME)


async def test_a_token_without_the_scope_of_the_door_is_refused(
    entra: RunningEntra, authenticator: Authenticator
) -> None:
    with pytest.raises(ScopeMissing) as refused:
        await authenticator.principal(entra.token(scp="Tasks.Read profile"), scope=SCOPE_NAME)
    assert SCOPE_NAME in refused.value.message

    await authenticator.principal(entra.token(scp=f"profile {SCOPE_NAME}"), scope=SCOPE_NAME)


async def test_during_a_long_answer_a_suspended_tenant_and_a_blocked_member_are_noticed(
    entra: RunningEntra, authenticator: Authenticator, tokens: AccessTokens, customers: TestDatabase
) -> None:
    ada = await authenticator.principal(entra.token(ADA), scope=SCOPE_NAME)
    grace = await authenticator.principal(entra.token(GRACE), scope=SCOPE_NAME)
    assert await authenticator.still_allowed(ada)
    await _change(customers, "UPDATE members SET state = 'blocked' WHERE id = :id", id=ada.member_id)
    await _change(customers, "UPDATE tenants SET state = 'suspended' WHERE id = :id", id=grace.tenant_id)

    later = Authenticator(tokens, TenantDirectory(customers.app))

    assert not await later.still_allowed(ada)
    assert not await later.still_allowed(grace)


async def test_a_refusal_is_logged_by_its_rule_without_the_token(
    entra: RunningEntra, authenticator: Authenticator
) -> None:
    token = entra.token(ver="1.0")

    with structlog.testing.capture_logs() as lines, pytest.raises(InvalidToken):
        await authenticator.principal(token, scope=SCOPE_NAME)

    assert [line["reason"] for line in lines if "reason" in line] == ["version"]
    assert not any(piece in str(lines) for piece in token.split("."))
