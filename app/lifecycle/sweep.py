"""The proof of an erasure: ask the catalogue for every table with a tenant, and count what is left.

The list of tables is Postgres's own, not ours, so a table that a room forgot to name is found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.erasure import Erasable, count_left
from app.lifecycle.erasable import erasable

_TABLES = text(
    """
    SELECT c.relname, quote_ident(c.relname) AS quoted,
           EXISTS (SELECT 1 FROM pg_attribute m
                   WHERE m.attrelid = c.oid AND m.attname = 'member_id' AND NOT m.attisdropped) AS of_members
    FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id'
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT t.attisdropped
    ORDER BY c.relname
    """
)


@dataclass(frozen=True)
class Sweep:
    """What a sweep found. `kept` names what stays on purpose: rows and reason, by table."""

    tables: int
    rows_left: Mapping[str, int]
    kept: Mapping[str, Any]


async def sweep(session: AsyncSession, *, tenant_id: UUID, member_id: UUID | None) -> Sweep:
    """Count the rows left of a tenant, or of one of its members. Eraser role.

    A table that no room has named counts with all its rows, so the erasure does not finish.
    """
    known = {one.table.name: one for one in erasable()}
    left: dict[str, int] = {}
    kept: dict[str, Any] = {}
    tables = (await session.execute(_TABLES)).all()
    for row in tables:
        one = known.get(row.relname)
        if one is None:
            count = await _count_unnamed(session, row, tenant_id, member_id)
        else:
            count = await count_left(session, one, tenant_id=tenant_id, member_id=member_id)
            if member_id is None and one.kept:
                kept[one.table.name] = {"rows": await _count_all(session, one, tenant_id), "why": one.kept}
        if count:
            left[row.relname] = count
    return Sweep(len(tables), left, kept)


async def _count_all(session: AsyncSession, one: Erasable, tenant_id: UUID) -> int:
    query = select(func.count()).select_from(one.table).where(one.table.c.tenant_id == tenant_id)
    return await session.scalar(query) or 0


async def _count_unnamed(session: AsyncSession, row: Any, tenant_id: UUID, member_id: UUID | None) -> int:
    if member_id is not None and not row.of_members:
        return 0
    # The name comes quoted from the catalogue.
    statement = f"SELECT count(*) FROM {row.quoted} WHERE tenant_id = :tenant"  # noqa: S608
    values = {"tenant": tenant_id}
    if member_id is not None:
        statement += " AND member_id = :member"
        values["member"] = member_id
    return await session.scalar(text(statement), values) or 0
