"""What can go wrong with money, in words."""

from datetime import datetime

from app.core.clock import now
from app.core.errors import Throttled


class BudgetExhausted(Throttled):
    """A budget leaves nothing for this. `resets_at` is when its next period begins."""

    code = "budget_exhausted"
    title = "The budget is used up"

    def __init__(self, whose: str, resets_at: datetime) -> None:
        super().__init__(
            f"The budget of {whose} is used up until {resets_at:%Y-%m-%d %H:%M} UTC. Wait until then, or ask"
            " your administrator to raise it.",
            retry_after_seconds=max(1.0, (resets_at - now()).total_seconds()),
        )
        self.resets_at = resets_at
