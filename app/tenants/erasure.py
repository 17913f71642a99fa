"""Which tables of this room hold a tenant's or a member's data, and how a tenant is shut and a member forgotten."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.erasure import Erasable, of_tenant
from app.tenants.policy import Policy
from app.tenants.tables import Member, TaskPermission, Tenant, TenantKey, TenantPolicy
from app.vocabulary import PLATFORM, TenantState

KEYS = TenantKey.__tablename__
TABLES: tuple[Erasable, ...] = (
    of_tenant(
        Member, kept_of_member="emptied instead of deleted: ledger and audit refer to it and must add up"
    ),
    of_tenant(TenantPolicy),
    of_tenant(TaskPermission),
    of_tenant(TenantKey),
)


async def kept_days(session: AsyncSession) -> dict[UUID, int]:
    """How many days each customer keeps its jobs and documents. System role."""
    rows = await session.execute(
        select(Tenant.id, func.coalesce(TenantPolicy.retention_days, Policy.retention_days).label("days"))
        .outerjoin(TenantPolicy, TenantPolicy.tenant_id == Tenant.id)
        .where(Tenant.state.in_((TenantState.ACTIVE, TenantState.SUSPENDED)), Tenant.id != PLATFORM)
        .order_by(Tenant.id)
    )
    return {row.id: row.days for row in rows}


async def shut_tenant(session: AsyncSession) -> TenantState | None:
    """Let nobody in any more, and wait for whoever is just writing. Eraser role, in the tenant's session."""
    return await _change(session, TenantState.ERASING)


async def finish_tenant(session: AsyncSession) -> TenantState | None:
    """Leave of the tenant only its id and Entra's, so that it does not come back by itself. Eraser role."""
    return await _change(session, TenantState.ERASED)


async def forget_member(session: AsyncSession, *, member_id: UUID) -> bool | None:
    """Empty the member's row: no object id, name, role or group is left in it. Eraser role.

    False if there is no such member; None, and nothing is done, for the last active TenantAdmin.
    """
    found: bool | None = await session.scalar(select(func.forget_member(member_id)))
    return found


async def _change(session: AsyncSession, wanted: TenantState) -> TenantState | None:
    found = await session.scalar(select(func.change_tenant_erasure(wanted.value)))
    return None if found is None else TenantState(found)
