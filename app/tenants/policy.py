"""What a tenant allows, as frozen facts."""

from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.tenants.tables import TenantPolicy


@dataclass(frozen=True)
class Policy:
    """See `tables.TenantPolicy`; a list of None allows everything."""

    weight: int = 1
    max_steps_in_flight: int = 32
    max_jobs_queued: int = 1000
    allowed_regions: tuple[str, ...] | None = None
    allowed_processors: tuple[str, ...] | None = None
    allowed_vendors: tuple[str, ...] | None = None
    allowed_model_classes: tuple[str, ...] | None = None
    require_no_training: bool = False
    require_zero_retention: bool = False
    retention_days: int = 30
    reuse_across_members: bool = False
    version: int = 1


async def load_policy(session: AsyncSession, tenant_id: UUID) -> Policy:
    """The tenant's policy, or the defaults."""
    row = (
        await session.execute(select(TenantPolicy).where(TenantPolicy.tenant_id == tenant_id))
    ).scalar_one_or_none()
    if row is None:
        return Policy()
    values: dict[str, Any] = {field.name: getattr(row, field.name) for field in fields(Policy)}
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
    return Policy(**values)
