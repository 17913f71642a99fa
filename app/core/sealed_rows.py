"""Every sealed column of every table: counted by key version, opened to see whether it opens, sealed anew.

The list is the tables' own: a column of type `Sealed` is found here without being named. The place of a
value is its table, its primary key without the tenant (parts joined by a colon), and its column.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Column, LargeBinary, Row, Table, func, select, tuple_, update

from app.core.crypto import Place, SealBroken, Sealed, Sealer, head, version_of
from app.core.database import Base, Database, SealedBytes

_ROWS_AT_ONCE = 200
_BYTES_AT_ONCE = 16 * 2**20
_HEAD_BYTES = len(head(1))


@dataclass(frozen=True)
class SealedColumn:
    """One column of sealed content."""

    table: Table
    column: Column[Any]

    @property
    def name(self) -> str:
        """For people: `table.column`."""
        return f"{self.table.name}.{self.column.name}"

    @property
    def key(self) -> list[Column[Any]]:
        """The primary key without the tenant."""
        return [column for column in self.table.primary_key.columns if column.name != "tenant_id"]

    def place(self, key: Sequence[Any]) -> Place:
        """Where the value of the row with this key lives."""
        return Place(self.table.name, ":".join(map(str, key)), self.column.name)


@dataclass
class Resealed:
    """What a round of sealing anew did: values changed, values that somebody else changed first, broken ones."""

    sealed: int = 0
    overtaken: int = 0
    unreadable: int = 0


def sealed_columns() -> list[SealedColumn]:
    """Every sealed column, in the order of the tables' names."""
    return [
        SealedColumn(table, column)
        for _, table in sorted(Base.metadata.tables.items())
        for column in table.columns
        if isinstance(column.type, SealedBytes)
    ]


async def count_versions(database: Database, one: SealedColumn, tenant_id: UUID) -> Counter[int | None]:
    """How many values each version of the tenant's data key has sealed; None: no sealed value at all."""
    beginning = func.substr(one.column, 1, _HEAD_BYTES, type_=LargeBinary)
    query = (
        select(beginning, func.count())
        .where(one.table.c.tenant_id == tenant_id, one.column.is_not(None))
        .group_by(beginning)
    )
    counted: Counter[int | None] = Counter()
    async with database.tenant(tenant_id) as session:
        for first_bytes, count in (await session.execute(query)).all():
            counted[version_of(first_bytes)] += count
    return counted


async def count_unreadable(database: Database, one: SealedColumn, sealer: Sealer) -> int:
    """Open every value of the tenant; gives how many do not open."""
    unreadable = 0
    async for rows in _values(database, one, sealer.tenant_id, but=None):
        unreadable += await asyncio.to_thread(_broken, one, sealer, rows)
    return unreadable


async def reseal(database: Database, one: SealedColumn, sealer: Sealer, *, with_version: int) -> Resealed:
    """Seal anew what another version has sealed. May be stopped and begun again at any time.

    Each value is a transaction of its own and is written only over what was read: whoever writes at the
    same time wins, waits for nobody, and meets no lock order but its own.
    """
    done = Resealed()
    async for rows in _values(database, one, sealer.tenant_id, but=with_version):
        for row in rows:
            key, old = row[:-1], row[-1]
            try:
                new = await asyncio.to_thread(_sealed_anew, one.place(key), sealer, old)
            except SealBroken:
                done.unreadable += 1
                continue
            statement = (
                update(one.table)
                .where(*_row(one, sealer.tenant_id, key), one.column == old)
                .values({one.column.name: new})
            )
            async with database.tenant(sealer.tenant_id) as session:
                changed: Any = await session.execute(statement)
            if changed.rowcount:
                done.sealed += 1
            else:
                done.overtaken += 1
    return done


async def _values(
    database: Database, one: SealedColumn, tenant_id: UUID, *, but: int | None
) -> AsyncIterator[Sequence[Row[Any]]]:
    """Rows of key and value, as many at once as memory bears; without those that the version `but` sealed."""
    last: Any = None
    where = [one.table.c.tenant_id == tenant_id, one.column.is_not(None)]
    if but is not None:
        where.append(func.substr(one.column, 1, _HEAD_BYTES, type_=LargeBinary) != head(but))
    while True:
        sizes = select(*one.key, func.octet_length(one.column)).where(*where).order_by(*one.key)
        if last is not None:
            sizes = sizes.where(tuple_(*one.key) > tuple_(*last[:-1]))
        async with database.tenant(tenant_id) as session:
            found = (await session.execute(sizes.limit(_ROWS_AT_ONCE))).all()
            if not found:
                return
            taken: Sequence[Any] = _fitting(found)
            keys: list[Any] = [tuple(row[:-1]) for row in taken]
            values = select(*one.key, one.column).where(*where, tuple_(*one.key).in_(keys))
            rows: Sequence[Any] = (await session.execute(values)).all()
        last = taken[-1]
        yield rows


def _fitting(found: Sequence[Any]) -> Sequence[Any]:
    size = 0
    for position, row in enumerate(found):
        size += row[-1]
        if size > _BYTES_AT_ONCE and position > 0:
            return found[:position]
    return found


def _row(one: SealedColumn, tenant_id: UUID, key: Sequence[Any]) -> list[Any]:
    own = [column == value for column, value in zip(one.key, key, strict=True)]
    return [one.table.c.tenant_id == tenant_id, *own]


def _broken(one: SealedColumn, sealer: Sealer, rows: Sequence[Row[Any]]) -> int:
    broken = 0
    for row in rows:
        try:
            sealer.try_open(one.place(row[:-1]), row[-1])
        except SealBroken:
            broken += 1
    return broken


def _sealed_anew(place: Place, sealer: Sealer, old: Sealed) -> Sealed:
    return sealer.seal(place, sealer.try_open(place, old))
