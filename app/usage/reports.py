"""What was used: sums over the ledger by day, member, task type, pool and vendor.

One query over the index on tenant and time; a range has an end, and an answer has so many rows at most. Days are in
UTC, the day on which a call began. Requests that never left are no use.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Select, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.usage.errors import RangeTooLong, TooManyRows
from app.usage.tables import ModelCall
from app.vocabulary import CallOutcome

MOST_DAYS = 366
MOST_ROWS = 20_000
"""Of an export: a year by day and task type of fifty."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Dimension(StrEnum):
    """What usage can be told apart by."""

    DAY = "day"
    MEMBER = "member"
    TASK_TYPE = "task_type"
    POOL = "pool"
    VENDOR = "vendor"


@dataclass(frozen=True)
class Wanted:
    """Which calls, of the whole tenant or of a member, and how to tell them apart; `until` is the day after the last."""

    since: date
    until: date
    by: Sequence[Dimension] = ()
    member_id: UUID | None = None


@dataclass(frozen=True)
class UsageRow:
    """Sums of one group; None for what it is not grouped by. Money is in micros of the currency."""

    day: date | None
    member: UUID | None
    task_type: str | None
    pool: str | None
    vendor: str | None
    currency: str
    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_micros: int
    """Of calls that have ended."""
    reserved_micros: int
    """The most that calls under way can cost."""


_BY: Mapping[Dimension, Any] = {
    Dimension.DAY: cast(func.timezone("UTC", ModelCall.started_at), Date),
    Dimension.MEMBER: ModelCall.member_id,
    Dimension.TASK_TYPE: ModelCall.task_type,
    Dimension.POOL: ModelCall.pool_name,
    Dimension.VENDOR: ModelCall.vendor,
}


async def usage(
    session: AsyncSession, *, tenant_id: UUID, wanted: Wanted, skip: int = 0, limit: int = 100
) -> list[UsageRow]:
    """A page of groups, ordered by what they are grouped by. Raises: `RangeTooLong`."""
    query = statement(tenant_id, wanted).offset(skip).limit(limit)
    by = [one.value for one in Dimension if one in wanted.by]
    found = []
    for row in await session.execute(query):
        groups: dict[str, Any] = dict.fromkeys(Dimension) | dict(zip(by, row, strict=False))
        currency, *sums = row[len(by) :]
        counted: dict[str, Any] = {name: int(value) for name, value in zip(_SUMS, sums, strict=True)}
        found.append(UsageRow(**groups, currency=currency, **counted))
    return found


async def everything(session: AsyncSession, *, tenant_id: UUID, wanted: Wanted) -> list[UsageRow]:
    """All groups, for an export. Raises: `RangeTooLong`, `TooManyRows`."""
    found = await usage(session, tenant_id=tenant_id, wanted=wanted, limit=MOST_ROWS + 1)
    if len(found) > MOST_ROWS:
        raise TooManyRows(MOST_ROWS)
    return found


_SUMS = (
    "calls",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_micros",
    "reserved_micros",
)


def statement(tenant_id: UUID, wanted: Wanted) -> Select[Any]:
    """The query without its page. Raises: `RangeTooLong`."""
    if not timedelta(0) < wanted.until - wanted.since <= timedelta(days=MOST_DAYS):
        raise RangeTooLong(MOST_DAYS)
    groups = [_BY[one] for one in Dimension if one in wanted.by] + [ModelCall.currency]
    pending = ModelCall.outcome == CallOutcome.PENDING
    query = (
        select(
            *groups,
            func.count(),
            func.sum(ModelCall.input_tokens),
            func.sum(ModelCall.cached_input_tokens),
            func.sum(ModelCall.output_tokens),
            func.sum(ModelCall.reasoning_tokens),
            func.coalesce(func.sum(ModelCall.cost_micros).filter(~pending), 0),
            func.coalesce(func.sum(ModelCall.reserved_micros).filter(pending), 0),
        )
        .where(
            ModelCall.tenant_id == tenant_id,
            ModelCall.started_at >= datetime.combine(wanted.since, time(), UTC),
            ModelCall.started_at < datetime.combine(wanted.until, time(), UTC),
            ModelCall.outcome != CallOutcome.UNSENT,
        )
        .group_by(*groups)
        .order_by(*groups)
    )
    return query if wanted.member_id is None else query.where(ModelCall.member_id == wanted.member_id)


def as_csv(rows: Iterable[UsageRow], by: Sequence[Dimension]) -> str:
    """Rows as CSV (RFC 4180) under a line of names; no cell is taken for a formula.

    Source: OWASP, "CSV Injection": a leading apostrophe makes a text of it.
    """
    columns = [one.value for one in Dimension if one in by] + ["currency", *_SUMS]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_harmless(getattr(row, name)) for name in columns])
    return out.getvalue()


def _harmless(value: object) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
