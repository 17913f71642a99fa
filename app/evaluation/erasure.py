"""Which tables of this room hold a tenant's data, and what retention deletes. None holds a member's."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.erasure import Erasable, delete_some, of_tenant, older_than, table_of
from app.evaluation.tables import EvaluationAnswer, EvaluationRun, EvaluationScore, EvaluationSet

TABLES: tuple[Erasable, ...] = (
    of_tenant(EvaluationSet),
    of_tenant(EvaluationRun),
    of_tenant(EvaluationScore),
    of_tenant(EvaluationAnswer),
)


async def delete_outdated_answers(session: AsyncSession, *, tenant_id: UUID, days: float, limit: int) -> int:
    """Delete what was said in trials more than `days` ago; their scores stay. Gives how many. Eraser role."""
    table = table_of(EvaluationAnswer)
    return await delete_some(
        session, table, table.c.tenant_id == tenant_id, older_than(table, "created_at", days), limit=limit
    )
