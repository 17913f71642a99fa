"""A tenant's people: list, block, give roles, and remember what a sign-in says of a person.

What is changed here counts at the next request: identity reads the rows anew within half a second. Doors
also end the person's sessions. Nothing here knows what a person has sent or received.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.crypto import Sealer
from app.tenants.errors import LastAdministrator, MemberErased, MemberNotFound
from app.tenants.repository import MemberFacts, MemberRepository
from app.tenants.tombstones import tombstone
from app.vocabulary import MemberState, Role

__all__ = [
    "MOST_GROUPS",
    "NOTHING_KNOWN",
    "MemberAttributes",
    "MemberFacts",
    "SignIn",
    "attributes_of",
    "bounded",
    "change",
    "find",
    "groups_of",
    "make_administrator",
    "page",
    "prepare_to_forget",
    "same_department",
    "signed_in",
    "tidy",
]

MOST_GROUPS = 1000
"""Five times what Entra puts into a token (above, it sends a link instead: "group overage"), a page of Graph's."""
_LONGEST = 200


@dataclass(frozen=True)
class MemberAttributes:
    """What policies may ask of a person: Entra's ids of groups, and the name of the department."""

    groups: frozenset[str] = frozenset()
    department: str = ""


NOTHING_KNOWN = MemberAttributes()
"""Of somebody whom we do not know, or where nobody asks."""


def tidy(name: str) -> str:
    """A department's name without blanks before and after it, and with one wherever there are several."""
    return " ".join(name.split())


def same_department(one: str, other: str) -> bool:
    """Whether two names are the same, whatever their case and blanks."""
    return tidy(one).casefold() == tidy(other).casefold()


@dataclass(frozen=True)
class SignIn:
    """What a verified ID token, or Microsoft Graph, says of a person. None leaves what we know."""

    display_name: str
    is_guest: bool = False
    groups: Collection[UUID] | None = None
    groups_incomplete: bool = False
    department: str | None = None


async def attributes_of(session: AsyncSession, *, tenant_id: UUID, member_id: UUID) -> MemberAttributes:
    """What policies may ask of a person, as we know it; nothing for somebody whom we do not know."""
    groups, department = await MemberRepository(session, tenant_id).attributes(member_id)
    return MemberAttributes(groups, department)


async def groups_of(session: AsyncSession, *, tenant_id: UUID, member_id: UUID) -> frozenset[str]:
    """Entra's ids of a person's groups as we know them; none for somebody whom we do not know."""
    return await MemberRepository(session, tenant_id).groups(member_id)


async def page(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    search: str = "",
    erased: UUID | None = None,
    role: Role | None = None,
    state: MemberState | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[MemberFacts]:
    """The tenant's people in the order we first saw them, after the one with that id.

    `erased` is the tombstone of the object id in `search`: by it an erased person is found.
    """
    return await MemberRepository(session, tenant_id).page(
        search=search, tombstone=erased, role=role, state=state, after=after, limit=limit
    )


async def find(session: AsyncSession, *, tenant_id: UUID, member_id: UUID) -> MemberFacts:
    """A person of the tenant. Raises: `MemberNotFound`."""
    found = await MemberRepository(session, tenant_id).find(member_id)
    if found is None:
        raise MemberNotFound(member_id)
    return found


async def change(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    member_id: UUID,
    actor: Actor,
    role: Role | None = None,
    state: MemberState | None = None,
) -> MemberFacts:
    """Give another role, block or unblock; what is None or so already stays and leaves no record.

    To unblock somebody who was erased lets the person in again, as somebody new; the row stays as it is.

    Raises: `MemberNotFound`, `LastAdministrator`, `MemberErased`.
    """
    people = MemberRepository(session, tenant_id)
    # Locked before we look, so that two administrators cannot remove each other at the same time.
    administrators = await people.lock_administrators()
    before = await find(session, tenant_id=tenant_id, member_id=member_id)
    if before.state is MemberState.ERASED:
        await _readmit(session, before, tenant_id=tenant_id, actor=actor, role=role, state=state)
        return before
    new_role, new_state = role or before.role, state or before.state
    stays = new_role is Role.TENANT_ADMIN and new_state is MemberState.ACTIVE
    if not stays and list(administrators) == [member_id]:
        raise LastAdministrator
    if new_role is not before.role:
        await people.change(member_id, role=new_role)
        await record(
            session,
            tenant_id=tenant_id,
            actor=actor,
            action=AuditAction.MEMBER_ROLE,
            target_type="member",
            target_id=str(member_id),
            detail={"from": before.role.value, "to": new_role.value},
        )
    if new_state is not before.state:
        await people.change(member_id, state=new_state)
        blocked = new_state is MemberState.BLOCKED
        await record(
            session,
            tenant_id=tenant_id,
            actor=actor,
            action=AuditAction.MEMBER_BLOCK if blocked else AuditAction.MEMBER_UNBLOCK,
            target_type="member",
            target_id=str(member_id),
        )
    return await find(session, tenant_id=tenant_id, member_id=member_id)


async def _readmit(
    session: AsyncSession,
    before: MemberFacts,
    *,
    tenant_id: UUID,
    actor: Actor,
    role: Role | None,
    state: MemberState | None,
) -> None:
    if role not in {None, before.role} or state is MemberState.BLOCKED:
        raise MemberErased
    if state is MemberState.ACTIVE and await MemberRepository(session, tenant_id).readmit(before.id):
        await record(
            session,
            tenant_id=tenant_id,
            actor=actor,
            action=AuditAction.MEMBER_UNBLOCK,
            target_type="member",
            target_id=str(before.id),
            detail={"erased": True},
        )


async def prepare_to_forget(
    session: AsyncSession, sealer: Sealer, *, tenant_id: UUID, member_id: UUID, going: Collection[UUID]
) -> None:
    """Write the tombstone that will keep a member out once they are erased; `going` are others to be erased.

    Raises: `MemberNotFound`, `LastAdministrator` if no active TenantAdmin would be left.
    """
    people = MemberRepository(session, tenant_id)
    administrators = set(await people.lock_administrators())
    found = await find(session, tenant_id=tenant_id, member_id=member_id)
    if member_id in administrators and not administrators - {member_id, *going}:
        raise LastAdministrator
    if found.state is not MemberState.ERASED:
        await people.bury(member_id, tombstone(sealer, found.entra_object_id))


async def signed_in(
    session: AsyncSession, *, tenant_id: UUID, entra_object_id: UUID, sign_in: SignIn
) -> UUID | None:
    """Remember what a sign-in says of a person whom we know; gives the member's id.

    None if we know nobody, or no longer: between letting a person in and this they may have been erased, and a
    sign-in must not bring them back. Roles and states are not a sign-in's to give.
    """
    values: dict[str, object] = {
        "display_name": sign_in.display_name[:_LONGEST],
        "is_guest": sign_in.is_guest,
        "last_seen_at": func.now(),
    }
    if sign_in.groups is not None:
        values["groups"], values["groups_incomplete"] = bounded(
            sign_in.groups, incomplete=sign_in.groups_incomplete
        )
    elif sign_in.groups_incomplete:
        values["groups_incomplete"] = True
    if sign_in.department is not None:
        values["department"] = sign_in.department[:_LONGEST]
    return await MemberRepository(session, tenant_id).change_known(entra_object_id, **values)


def bounded(groups: Collection[UUID], *, incomplete: bool) -> tuple[list[str], bool]:
    """The ids that we keep, sorted, and whether there are more."""
    ids = sorted({str(one) for one in groups})
    return ids[:MOST_GROUPS], incomplete or len(ids) > MOST_GROUPS


async def make_administrator(
    session: AsyncSession, *, tenant_id: UUID, entra_object_id: UUID, display_name: str
) -> UUID:
    """Make the person who brought the tenant in its TenantAdmin; gives the member's id."""
    return await MemberRepository(session, tenant_id).write(
        entra_object_id,
        display_name=display_name[:_LONGEST],
        role=Role.TENANT_ADMIN,
        state=MemberState.ACTIVE,
        last_seen_at=func.now(),
    )
