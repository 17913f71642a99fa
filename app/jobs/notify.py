"""NOTIFY channels: told at commit, never before, so a listener always finds the rows."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

STEPS = "switchboard_steps"
"""Steps became ready; the dispatcher wakes."""
CANCELLED = "switchboard_cancelled"
"""The payload is the id of a job whose running steps must stop."""
CONFIGURATION = "switchboard_configuration"
"""Raised by a trigger on the configuration tables."""
PEOPLE = "switchboard_people"
"""Raised by a trigger when somebody's role or state, or a program's registration, has changed."""


async def notify_steps(session: AsyncSession) -> None:
    """Wake the dispatcher when this transaction commits."""
    await session.execute(text(f"SELECT pg_notify('{STEPS}', '')"))


async def notify_cancelled(session: AsyncSession, job_id: UUID) -> None:
    """Tell every worker to stop the job's running steps when this transaction commits."""
    await session.execute(text(f"SELECT pg_notify('{CANCELLED}', :job)"), {"job": str(job_id)})
