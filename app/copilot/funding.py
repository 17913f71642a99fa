"""A step that was refused money looks once more before its job waits for it.

Whoever raises a budget lets the jobs go on that wait by then. One that is about to wait is not among them, so the
two take turns at the budget's row: who comes second sees what the first has written.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.endings import Again, Never, Waits
from app.usage.budgets import loosened_since

_SOON_SECONDS = 0.5


async def looked_again(
    session: AsyncSession, tenant_id: UUID, end: Again | Waits | Never
) -> Again | Waits | Never:
    """The same end; or again soon, uncounted, if a budget was raised or deleted since it refused.

    Call it first in the transaction that writes the end. That a call of somebody else left room is no reason: what
    the job has spent would be spent again, and for no raise.
    """
    if isinstance(end, Waits) and end.limits and await loosened_since(session, tenant_id, end.limits):
        return Again(_SOON_SECONDS, counted=False, code="budget_raised")
    return end
