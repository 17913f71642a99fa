"""What the add-in tells of money: what is left of the budgets that bind the caller, and warnings about them."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from app.addin.catalog_schemas import BudgetLeft
from app.addin.schemas import WarningResource
from app.core.clock import now
from app.jobs.service import JobView
from app.jobs.states import FINAL_JOB_STATES
from app.pools.configuration import Configuration
from app.usage.budgets import Payer, Standing, soft_warnings, stand_of
from app.vocabulary import BudgetScope

_WAS_FRUGAL = "A budget ran low when this was written, so a cheaper model was asked first where there is one."


async def budgets_left(session: AsyncSession, configuration: Configuration, payer: Payer) -> list[BudgetLeft]:
    """The payer's budgets as they stand; no SQL for a tenant without budgets."""
    return [_left(one) for one in await stand_of(session, configuration, payer, now())]


async def warned(session: AsyncSession, configuration: Configuration, payer: Payer) -> tuple[Standing, ...]:
    """The payer's budgets past their soft limit."""
    stand = await stand_of(session, configuration, payer, now())
    return tuple(one for one in stand if one.past_soft)


def job_warnings(job: JobView, low: Iterable[Standing]) -> list[WarningResource]:
    """What the member should know of a job: that budgets run low, or did when it was answered."""
    if job.state in FINAL_JOB_STATES:
        frugal = (job.decision or {}).get("frugal")
        return [WarningResource(code="budget_soft_limit", message=_WAS_FRUGAL)] if frugal else []
    concerned = [
        one
        for one in low
        if one.budget.scope is not BudgetScope.TASK_TYPE or one.budget.subject == job.task_type
    ]
    return [WarningResource.model_validate(one) for one in soft_warnings(concerned)]


def _left(stands: Standing) -> BudgetLeft:
    budget = stands.budget
    return BudgetLeft(
        scope=budget.scope,
        # One's own id says nothing new.
        subject="" if budget.scope is BudgetScope.MEMBER else budget.subject,
        period=budget.period,
        currency=budget.currency,
        soft_micros=budget.soft_micros,
        left_micros=None if stands.left_micros is None else max(0, stands.left_micros),
        past_soft=stands.past_soft,
        resets_at=stands.ends_at,
    )
