"""A customer's life: invited, onboarded, suspended, resumed; and what it decides about itself.

pending ── activate ──► active ◄── resume ── suspended
   ▲                      └───── suspend ──────▲
   └── invite again ── erased            (erasure is in app/tenants/erasure.py)

A change is made in a session of the tenant it changes: the database's functions know no other
(migrations, revision 0003), and the tenant's own audit record gets it in the same transaction.
"""

from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.errors import ChangedMeanwhile
from app.tenants.errors import TenantExists, TenantNotFound, WrongTenantState
from app.tenants.repository import SystemTenantRepository, TenantFacts, TenantRepository, TenantSettings
from app.vocabulary import TenantState

__all__ = [
    "TenantFacts",
    "TenantSettings",
    "activate",
    "by_entra_id",
    "change_settings",
    "facts",
    "invite",
    "page",
    "resume",
    "settings",
    "suspend",
]


async def page(
    session: AsyncSession,
    *,
    search: str = "",
    state: TenantState | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[TenantFacts]:
    """Customers, metadata only, the oldest first, after the one with that id. For the operator."""
    return await SystemTenantRepository(session).page(search=search, state=state, after=after, limit=limit)


async def by_entra_id(session: AsyncSession, *, entra_tenant_id: UUID) -> TenantFacts | None:
    """The customer with this directory, whatever its state."""
    return await SystemTenantRepository(session).by_entra_id(entra_tenant_id)


async def facts(session: AsyncSession, *, tenant_id: UUID) -> TenantFacts:
    """A customer. Raises: `TenantNotFound`."""
    found = await TenantRepository(session, tenant_id).facts()
    if found is None:
        raise TenantNotFound(tenant_id)
    return found


async def invite(
    session: AsyncSession, *, tenant_id: UUID, entra_tenant_id: UUID, name: str, actor: Actor
) -> TenantFacts:
    """Let a directory onboard itself: a pending customer, or an erased one that may start anew.

    `session` is that of `tenant_id`: a new id, or the erased customer's. Raises: `TenantExists`.
    """
    if not await TenantRepository(session, tenant_id).invite(entra_tenant_id, name):
        known = await by_entra_id(session, entra_tenant_id=entra_tenant_id)
        raise TenantExists(TenantState.PENDING if known is None else known.state)
    await _record(session, tenant_id, actor, AuditAction.TENANT_INVITE)
    return await facts(session, tenant_id=tenant_id)


async def activate(session: AsyncSession, *, tenant_id: UUID, actor: Actor) -> TenantFacts:
    """Make a pending customer active: its administrator and its consent are proven. Raises: `WrongTenantState`."""
    await _move(session, tenant_id, TenantState.PENDING, TenantState.ACTIVE)
    await _record(session, tenant_id, actor, AuditAction.TENANT_ONBOARD)
    return await facts(session, tenant_id=tenant_id)


async def suspend(session: AsyncSession, *, tenant_id: UUID, reason: str, actor: Actor) -> TenantFacts:
    """Let nobody of the customer in, start none of its steps. Raises: `TenantNotFound`, `WrongTenantState`."""
    await _move(session, tenant_id, TenantState.ACTIVE, TenantState.SUSPENDED, reason)
    await _record(session, tenant_id, actor, AuditAction.TENANT_SUSPEND, reason=reason)
    return await facts(session, tenant_id=tenant_id)


async def resume(session: AsyncSession, *, tenant_id: UUID, actor: Actor) -> TenantFacts:
    """Let a suspended customer in again; its queued steps go on. Raises: `TenantNotFound`, `WrongTenantState`."""
    await _move(session, tenant_id, TenantState.SUSPENDED, TenantState.ACTIVE)
    await _record(session, tenant_id, actor, AuditAction.TENANT_RESUME)
    return await facts(session, tenant_id=tenant_id)


async def settings(session: AsyncSession, *, tenant_id: UUID) -> TenantSettings:
    """What the tenant decided. Raises: `TenantNotFound`."""
    found = await TenantRepository(session, tenant_id).settings()
    if found is None:
        raise TenantNotFound(tenant_id)
    return found


async def change_settings(
    session: AsyncSession, *, tenant_id: UUID, wanted: TenantSettings, actor: Actor
) -> TenantSettings:
    """Write settings over those of `wanted.version`; the same again changes and records nothing.

    Raises: `ChangedMeanwhile` if that version is past.
    """
    before = await settings(session, tenant_id=tenant_id)
    if before.version != wanted.version:
        raise ChangedMeanwhile("settings")
    if before == wanted:
        return before
    if not await TenantRepository(session, tenant_id).change_settings(wanted):
        raise ChangedMeanwhile("settings")
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=AuditAction.TENANT_SETTINGS,
        target_type="tenant",
        target_id=str(tenant_id),
        detail={
            "allow_guests": wanted.allow_guests,
            "read_profiles": wanted.read_profiles,
            "retention_days": wanted.retention_days,
            "renamed": wanted.name != before.name,
        },
    )
    return replace(wanted, version=wanted.version + 1)


async def _move(
    session: AsyncSession, tenant_id: UUID, expected: TenantState, wanted: TenantState, reason: str = ""
) -> None:
    if not await TenantRepository(session, tenant_id).change_state(expected, wanted, reason):
        found = await facts(session, tenant_id=tenant_id)
        raise WrongTenantState(found.state.value, wanted.value)


async def _record(
    session: AsyncSession, tenant_id: UUID, actor: Actor, action: AuditAction, **detail: str
) -> None:
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=action,
        target_type="tenant",
        target_id=str(tenant_id),
        detail=detail,
    )
