"""What can go wrong with money, in words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from app.core.clock import now
from app.core.errors import AppError, Conflict, ErrorDetail, NotFound, Throttled, Unprocessable
from app.vocabulary import BudgetScope, Period


def in_words(period: Period) -> str:
    """For people: what a budget of that period is called."""
    return {Period.DAY: "daily", Period.MONTH: "monthly"}[period]


class MoneyRefused(AppError):
    """A budget keeps a call from being made. Work under way waits, whatever the reason.

    `whose` says for people whose budget it is, `scope` and `period` for programs which one. `limits` are the hard limits
    that were looked at, in micros by the budget's id. `resets_at` is when the budget's next period begins; None where
    that does not help.
    """

    resets_at: datetime | None = None
    limits: Mapping[UUID, int]


class BudgetExhausted(MoneyRefused, Throttled):
    """A budget leaves nothing for this."""

    code = "budget_exhausted"
    title = "The budget is used up"

    def __init__(
        self,
        whose: str,
        resets_at: datetime,
        limits: Mapping[UUID, int] | None = None,
        *,
        scope: BudgetScope = BudgetScope.TENANT,
        period: Period = Period.MONTH,
    ) -> None:
        super().__init__(
            f"The {in_words(period)} budget of {whose} is used up until {resets_at:%Y-%m-%d %H:%M} UTC: its hard"
            " limit leaves too little for this. Wait until then, or ask your administrator to raise it.",
            details=[
                ErrorDetail("resets_at", resets_at.isoformat()),
                ErrorDetail("scope", scope),
                ErrorDetail("period", period),
                ErrorDetail("limit", "hard"),
            ],
            retry_after_seconds=max(1.0, (resets_at - now()).total_seconds()),
        )
        self.resets_at: datetime = resets_at
        self.limits = dict(limits or {})


class BudgetInAnotherCurrency(MoneyRefused, Unprocessable):
    """A budget cannot count what a call costs, because its price is in another currency: somebody must change one."""

    code = "budget_currency"
    title = "The budget is in another currency"

    def __init__(
        self,
        whose: str,
        currency: str,
        priced_in: str,
        limits: Mapping[UUID, int] | None = None,
        *,
        scope: BudgetScope = BudgetScope.TENANT,
        period: Period = Period.MONTH,
        details: Sequence[ErrorDetail] = (),
    ) -> None:
        super().__init__(
            f"The {in_words(period)} budget of {whose} is in {currency} and the model is priced in {priced_in}, so that"
            " nothing can be reserved. Waiting does not help: ask your administrator for prices and budgets in one"
            " currency.",
            details=[
                ErrorDetail("scope", scope),
                ErrorDetail("period", period),
                ErrorDetail("limit", "hard"),
                *details,
            ],
        )
        self.limits = dict(limits or {})


class BudgetNotFound(NotFound):
    """No such budget, or another tenant's."""

    code = "budget_not_found"
    title = "No such budget"

    def __init__(self, budget_id: UUID) -> None:
        super().__init__(f"There is no budget {budget_id}.", target="budget_id")


class BudgetExists(Conflict):
    """The tenant has one of that scope, subject and period."""

    code = "budget_exists"
    title = "There is such a budget"

    def __init__(self) -> None:
        super().__init__(
            "There is a budget of that scope, subject and period already; change that one.", target="scope"
        )


class CurrencyDiffers(Conflict):
    """All budgets of a tenant are in one currency."""

    code = "currency_differs"
    title = "Another currency"

    def __init__(self, known: str) -> None:
        super().__init__(
            f"Your other budgets are in {known}; a tenant's budgets have one currency, that of its prices. Use"
            f" {known}, or delete the others first.",
            target="currency",
        )


class LimitsCross(Conflict):
    """The soft limit is above the hard one, or neither is left."""

    code = "limits_cross"
    title = "Limits that cannot be"

    def __init__(self) -> None:
        super().__init__(
            "A budget has a soft limit, a hard limit or both, the soft one no higher than the hard one.",
            target="soft_micros",
        )


class RangeTooLong(Unprocessable):
    """The range of days has no day, or too many."""

    code = "bad_range"
    title = "Not a range"

    def __init__(self, most_days: int) -> None:
        super().__init__(
            f"`to` is the day after the last one: later than `from`, by at most {most_days} days.",
            target="to",
        )


class TooManyRows(Unprocessable):
    """More groups than one export holds."""

    code = "too_many_rows"
    title = "Too many rows"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"These are more than {most} rows: ask for fewer days, or tell them apart by less.",
            target="group_by",
        )
