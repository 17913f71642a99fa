"""What a batch over documents that are here will need: the sum of what each would as a job of its own."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.copilot.estimating import Estimate, Span
from app.copilot.submit import Placement, place
from app.copilot.types import TaskType
from app.core.errors import AppError
from app.documents.service import DocumentView
from app.pools.configuration import Configuration
from app.tenants.members import NOTHING_KNOWN, MemberAttributes
from app.usage.budgets import Standing
from app.usage.errors import MoneyRefused
from app.vocabulary import Lane, OfficeHost

_AT_ONCE = 100
"""So many are reckoned before others have their turn."""


@dataclass(frozen=True)
class BatchEstimate:
    """The sums; route, pool and first member are those of the document that needs most."""

    largest: Estimate
    steps: Span
    input_tokens: Span
    output_tokens: Span
    cost: Span
    worst_micros: int
    refused: Mapping[UUID, AppError] = field(default_factory=dict)
    """The documents that could not be done now, and why; they are in no sum."""

    def as_json(self) -> dict[str, Any]:
        """As that of a job."""
        told = self.largest.as_json()
        for name in ("steps", "input_tokens", "output_tokens"):
            span: Span = getattr(self, name)
            told[name] = {"low": span.low, "high": span.high}
        sums = {"low_micros": self.cost.low, "high_micros": self.cost.high, "worst_micros": self.worst_micros}
        return {**told, "cost": {**told["cost"], **sums}}


async def estimate_batch(
    configuration: Configuration,
    task_type: TaskType,
    parameters: Mapping[str, Any],
    *,
    tenant_id: UUID,
    host: OfficeHost,
    documents: Sequence[DocumentView],
    stand: Sequence[Standing] = (),
    member: MemberAttributes = NOTHING_KNOWN,
) -> BatchEstimate:
    """Reckon it; documents of the same size and language are reckoned once.

    Raises: `MoneyRefused`, and what refuses the first document if it refuses, or something else does, all of them.
    """
    known: dict[tuple[str, int, int], Placement | AppError] = {}
    placed: list[Placement] = []
    refused: dict[UUID, AppError] = {}
    for number, document in enumerate(documents):
        alike = (document.language, document.estimated_tokens, document.segments)
        if alike not in known:
            try:
                known[alike] = await place(
                    configuration,
                    task_type,
                    parameters,
                    tenant_id=tenant_id,
                    lane=Lane.BACKGROUND,
                    host=host,
                    documents=[document],
                    stand=stand,
                    member=member,
                )
            except MoneyRefused:
                raise
            except AppError as error:
                known[alike] = error
        found = known[alike]
        if isinstance(found, AppError):
            refused[document.id] = found
        else:
            placed.append(found)
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
    if not placed:
        raise next(iter(refused.values()))
    return _sum([one.estimate for one in placed], refused)


def _sum(estimates: Sequence[Estimate], refused: Mapping[UUID, AppError]) -> BatchEstimate:
    def span(name: str) -> Span:
        spans: list[Span] = [getattr(one, name) for one in estimates]
        return Span(sum(one.low for one in spans), sum(one.high for one in spans))

    return BatchEstimate(
        largest=max(estimates, key=lambda one: one.input_tokens.high),
        steps=span("steps"),
        input_tokens=span("input_tokens"),
        output_tokens=span("output_tokens"),
        cost=span("cost"),
        worst_micros=sum(one.worst_micros for one in estimates),
        refused=refused,
    )
