"""Budgets at the portal, in JSON. Money is in millionths (micros) of the currency."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from app.portal.schemas import Closed
from app.vocabulary import BudgetScope, Period

Micros = Annotated[int, Field(ge=0, le=10**15, strict=True, description="Millionths of the currency.")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class NewBudget(Closed):
    """Whose spending to bound, for how long, and where. Past `soft_micros` people are warned and served by a cheaper
    tier first; past `hard_micros` they are refused until the period ends (UTC).
    """

    scope: BudgetScope
    subject: Annotated[str, Field(max_length=64)] = ""
    """A member's id, a group's id in Entra, a task type's name; nothing for the whole tenant."""
    period: Period = Period.MONTH
    currency: Currency
    soft_micros: Micros | None = None
    hard_micros: Micros | None = None

    @model_validator(mode="after")
    def _subject_fits(self) -> Self:
        match self.scope:
            case BudgetScope.TENANT:
                if self.subject:
                    raise ValueError("a budget of the whole tenant has no subject")
            case BudgetScope.GROUP | BudgetScope.MEMBER:
                # As groups and members are compared: an id in its one form.
                self.subject = str(UUID(self.subject))
            case BudgetScope.TASK_TYPE:
                if not self.subject:
                    raise ValueError("name the task type as subject")
        return self


class ChangeBudget(Closed):
    """The limits as they shall be: what is left out stays, null takes a limit away."""

    soft_micros: Micros | None = None
    hard_micros: Micros | None = None


class BudgetResource(BaseModel):
    """A budget and where it stands in its current period; `etag` goes into `If-Match` of a change."""

    id: UUID
    etag: str
    scope: BudgetScope
    subject: str
    period: Period
    currency: str
    soft_micros: int | None
    hard_micros: int | None
    created_at: datetime
    starts_at: datetime
    resets_at: datetime
    spent_micros: int
    reserved_micros: int
    """The most that calls under way can cost."""
    left_micros: int | None
    """Null without a hard limit."""
    past_soft: bool
