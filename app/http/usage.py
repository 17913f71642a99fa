"""Usage over HTTP, the same at every door: the range, what to group by, rows and CSV."""

from dataclasses import asdict
from datetime import date, timedelta
from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from app.core.clock import now
from app.http.paging import next_link
from app.usage.reports import Dimension, UsageRow, Wanted

_ONE = "|".join(Dimension)
_GROUPS = f"^({_ONE})(,({_ONE}))*$"


class UsageRowResource(BaseModel):
    """Sums of one group; what it is not grouped by is null. Money is in millionths (micros) of the currency."""

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
    reserved_micros: int
    """The most that calls under way can cost; what they cost counts when they have ended."""

    @classmethod
    def of(cls, row: UsageRow) -> Self:
        """The same in JSON."""
        return cls.model_validate(asdict(row))


class UsagePage(BaseModel):
    """Rows in the order of what they are grouped by; without `next_link` these are the last."""

    value: list[UsageRowResource]
    next_link: str | None = None


async def _asked(
    since: Annotated[
        date | None, Query(alias="from", description="The first day (UTC); default: 30 days before `to`.")
    ] = None,
    until: Annotated[
        date | None, Query(alias="to", description="The day after the last one; default: tomorrow.")
    ] = None,
    group_by: Annotated[
        str,
        Query(max_length=60, pattern=_GROUPS, description=f"Some of {', '.join(Dimension)}, with commas."),
    ] = "day",
) -> Wanted:
    last = until or now().date() + timedelta(days=1)
    first = since or last - timedelta(days=min(30, (last - date.min).days))
    return Wanted(first, last, [Dimension(one) for one in group_by.split(",")])


Asked = Annotated[Wanted, Depends(_asked)]
Skip = Annotated[int, Query(ge=0, le=1_000_000, description="How many rows the pages before had.")]


def usage_page(request: Request, wanted: Wanted, rows: list[UsageRow], *, skip: int, limit: int) -> UsagePage:
    """A page of `rows`, which are one more than `limit` where there is another page."""
    more = None
    if len(rows) > limit:
        given = {
            "from": wanted.since,
            "to": wanted.until,
            "group_by": ",".join(wanted.by),
            "skip": skip + limit,
            "limit": limit,
        }
        more = next_link(request.url.path, **given)
    return UsagePage(value=[UsageRowResource.of(row) for row in rows[:limit]], next_link=more)


class CsvResponse(PlainTextResponse):
    """A file for spreadsheets."""

    media_type = "text/csv"


def wants_csv(request: Request) -> bool:
    """Whether the caller asks for CSV and not for JSON."""
    accepted = request.headers.get("accept", "")
    return "text/csv" in accepted and "application/json" not in accepted
