"""What the add-in gets when it asks what there is: task types, and the caller itself."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from app.vocabulary import BudgetScope, Period, TenantState


class TaskTypeResource(BaseModel):
    """A kind of work: what it takes, what it gives, and whether it can be done now."""

    name: str
    title: str
    description: str
    parameters: dict[str, Any]
    inputs: dict[str, Any]
    result: dict[str, Any]
    available: bool
    reason: str | None = None


class TaskTypePage(BaseModel):
    """All task types."""

    value: list[TaskTypeResource]


class ErrorCodeResource(BaseModel):
    """An error code in the caller's language. An answer's own `message` says more of the case at hand."""

    code: str
    statuses: list[int]
    """Of answers that bear it; none where only a job's `error` does."""
    title: str
    what_to_do: str


class ErrorCodePage(BaseModel):
    """All error codes, in the order of the alphabet."""

    value: list[ErrorCodeResource]


class BudgetLeft(BaseModel):
    """What is left of a budget that binds the caller, in micros of the currency."""

    scope: BudgetScope
    subject: str
    """The task type's name or the group's id, where the budget is for one."""
    period: Period
    currency: str
    soft_micros: int | None
    left_micros: int | None
    """Null where the budget only warns."""
    past_soft: bool
    """From here on a cheaper model is asked first."""
    resets_at: datetime


class TenantStanding(BaseModel):
    """The caller's organisation; `consented_at` is when an administrator's consent was proven, null for a seeded one."""

    name: str
    state: TenantState
    consented_at: datetime | None


class MeResource(BaseModel):
    """The caller, as we know them."""

    tenant_id: UUID
    tenant: TenantStanding
    member_id: UUID
    roles: list[str]
    limits: dict[str, int]
    task_types: list[str]
    budgets: list[BudgetLeft]
