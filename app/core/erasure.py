"""Deleting a tenant's or a member's rows, table by table, a bounded number at a time.

Each room names its tables once, in its `erasure.py`; the order follows from the foreign keys. It runs
in the eraser role, which sees one tenant and no content.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import ColumnElement, Table, delete, func, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Base

NOBODY = UUID(int=0)
"""Stands where a member stood, in rows that outlive their people."""

OfMember = Callable[[UUID, UUID], ColumnElement[bool]]
"""From tenant and member to the condition on a member's rows."""


@dataclass(frozen=True)
class Erasable:
    """A table of a tenant, and which of its rows are a member's own.

    `kept` says why rows stay when the tenant goes: then only `anonymous` columns are emptied. A member's
    erasure leaves a table alone unless `of_member` is given; `kept_of_member` says why, where the table
    names members. Rows of a table with `emptied` columns stay in both cases and lose these.
    """

    table: Table
    of_member: OfMember | None = None
    kept: str = ""
    anonymous: str = ""
    kept_of_member: str = ""
    emptied: tuple[str, ...] = ()


def table_of(entity: type[Base]) -> Table:
    """The table behind a class."""
    return cast("Table", entity.__table__)


def by_member(entity: type[Base], column: str = "member_id") -> Erasable:
    """A table whose rows name the member they belong to."""
    table = table_of(entity)
    return Erasable(table, lambda _tenant, member: table.c[column] == member)


def by_parent(entity: type[Base], column: str, parent: type[Base]) -> Erasable:
    """A table whose rows belong to a row that belongs to a member."""
    table, owner = table_of(entity), table_of(parent)
    return Erasable(
        table,
        lambda tenant, member: table.c[column].in_(
            select(owner.c.id).where(owner.c.tenant_id == tenant, owner.c.member_id == member)
        ),
    )


def of_tenant(entity: type[Base], *, kept_of_member: str = "") -> Erasable:
    """A table without rows of a member's own."""
    return Erasable(table_of(entity), kept_of_member=kept_of_member)


async def delete_some(session: AsyncSession, table: Table, *where: ColumnElement[bool], limit: int) -> int:
    """Delete at most `limit` rows, oldest key first; gives how many."""
    keys = list(table.primary_key.columns)
    chosen = select(*keys).where(*where).order_by(*keys).limit(limit)
    gone = await session.execute(
        delete(table).where(tuple_(*keys).in_(chosen)).execution_options(synchronize_session=False)
    )
    return _count(gone)


async def delete_found(
    session: AsyncSession, table: Table, *where: ColumnElement[bool], limit: int
) -> Sequence[UUID]:
    """As `delete_some`, of a table of rows with an id; gives the ids that went."""
    keys = list(table.primary_key.columns)
    chosen = select(*keys).where(*where).order_by(*keys).limit(limit)
    gone = await session.scalars(
        delete(table)
        .where(tuple_(*keys).in_(chosen))
        .returning(table.c.id)
        .execution_options(synchronize_session=False)
    )
    return gone.all()


def older_than(table: Table, column: str, days: float) -> ColumnElement[bool]:
    """The condition on rows whose time in `column` is more than `days` ago, on the database's clock."""
    outdated: ColumnElement[bool] = table.c[column] < func.clock_timestamp() - text(
        f"interval '{days:.6f} days'"
    )
    return outdated


async def erase_some(
    session: AsyncSession, one: Erasable, *, tenant_id: UUID, member_id: UUID | None, limit: int
) -> int:
    """Remove at most `limit` rows of the tenant, or of one of its members; gives how many."""
    mine = remains(one, tenant_id, member_id)
    if mine is None:
        return 0
    if one.emptied:
        return await _change(session, one, mine, limit, dict.fromkeys(one.emptied))
    if member_id is None and one.anonymous:
        return await _change(session, one, mine, limit, {one.anonymous: NOBODY})
    return await delete_some(session, one.table, *mine, limit=limit)


async def count_left(session: AsyncSession, one: Erasable, *, tenant_id: UUID, member_id: UUID | None) -> int:
    """How many rows an erasure still has to remove."""
    mine = remains(one, tenant_id, member_id)
    if mine is None:
        return 0
    return await session.scalar(select(func.count()).select_from(one.table).where(*mine)) or 0


def remains(one: Erasable, tenant_id: UUID, member_id: UUID | None) -> list[ColumnElement[bool]] | None:
    """The condition on what must go; None if nothing of this table does."""
    mine: list[ColumnElement[bool]] = [one.table.c.tenant_id == tenant_id]
    if one.emptied:
        mine.append(or_(*(one.table.c[column].is_not(None) for column in one.emptied)))
    if member_id is not None:
        return None if one.of_member is None else [*mine, one.of_member(tenant_id, member_id)]
    if one.anonymous:
        return [*mine, one.table.c[one.anonymous] != NOBODY]
    return None if one.kept and not one.emptied else mine


async def _change(
    session: AsyncSession,
    one: Erasable,
    mine: list[ColumnElement[bool]],
    limit: int,
    values: Mapping[str, UUID | None],
) -> int:
    keys = list(one.table.primary_key.columns)
    chosen = select(*keys).where(*mine).order_by(*keys).limit(limit)
    changed = await session.execute(
        update(one.table)
        .where(tuple_(*keys).in_(chosen))
        .values(dict(values))
        .execution_options(synchronize_session=False)
    )
    return _count(changed)


def _count(result: Any) -> int:
    count: int = result.rowcount
    return count


async def erase_keys(redis: Redis, fragment: str) -> int:
    """Delete every key of Redis whose name holds `fragment`; gives how many."""
    gone = 0
    async for batch in _key_batches(redis, fragment):
        gone += await redis.unlink(*batch)
    return gone


async def count_keys(redis: Redis, fragment: str) -> int:
    """How many keys of Redis hold `fragment` in their name."""
    found: set[bytes] = set()
    async for batch in _key_batches(redis, fragment):
        found.update(batch)
    return len(found)


async def _key_batches(redis: Redis, fragment: str) -> Any:
    """SCAN sees every key that is there from beginning to end; small steps let others in between."""
    cursor = 0
    while True:
        cursor, keys = await redis.scan(cursor, match=f"*{fragment}*", count=1000)
        if keys:
            yield keys
        if cursor == 0:
            return
