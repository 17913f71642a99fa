"""What administering any row of the pools room has in common: whose it is, and which version is changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, DetailValue, record
from app.core.errors import ChangedMeanwhile, NotFound
from app.pools.errors import Archived, NameTaken, PlatformOwned
from app.pools.tables import Deployment, Provider
from app.vocabulary import PLATFORM

_Row = TypeVar("_Row", Provider, Deployment)


async def visible(
    session: AsyncSession, table: type[_Row], row_id: UUID, *, tenant_id: UUID, missing: type[NotFound]
) -> _Row:
    """A row of this tenant, or of the platform. Raises: `missing`."""
    row = await session.scalar(
        select(table).where(table.tenant_id.in_((tenant_id, PLATFORM)), table.id == row_id)
    )
    if row is None:
        raise missing()  # type: ignore[call-arg]  # those of this room know what to say
    return row


async def changeable(
    session: AsyncSession,
    table: type[_Row],
    row_id: UUID,
    *,
    tenant_id: UUID,
    missing: type[NotFound],
    what: str,
    version: int | None = None,
) -> _Row:
    """A row of this tenant's own to change, locked until the transaction ends; at `version` if one is given.

    Raises: `missing`, `PlatformOwned`, `Archived`, `ChangedMeanwhile`.
    """
    row = await session.scalar(
        select(table).where(table.tenant_id == tenant_id, table.id == row_id).with_for_update()
    )
    if row is None:
        await visible(session, table, row_id, tenant_id=tenant_id, missing=missing)
        raise PlatformOwned(what)
    if row.archived_at is not None:
        raise Archived(what)
    if version is not None and row.version != version:
        raise ChangedMeanwhile(what)
    return row


def differing(row: Provider | Deployment, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that the row does not have yet."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


async def write(session: AsyncSession, row: Provider | Deployment, *, what: str) -> None:
    """Send a row to the database. Raises: `NameTaken`."""
    session.add(row)
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError as error:
        if "tenant_id_name" in str(error.orig):
            raise NameTaken(what) from error
        raise


async def note(
    session: AsyncSession,
    row: Provider | Deployment,
    action: AuditAction,
    actor: Actor,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Record what was done to a row, with the new values."""
    await record(
        session,
        tenant_id=row.tenant_id,
        actor=actor,
        action=action,
        target_type=action.value.partition(".")[0],
        target_id=str(row.id),
        detail={"name": row.name} | {name: shown(value) for name, value in (changes or {}).items()},
    )


def shown(value: Any) -> DetailValue:
    """A row's value as the record keeps it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple | frozenset):
        return ", ".join(map(str, value))
    if value is None or isinstance(value, int):
        return value
    return str(value)
