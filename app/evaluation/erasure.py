"""Which tables of this room hold a tenant's data. None holds a member's."""

from app.core.erasure import Erasable, of_tenant
from app.evaluation.tables import EvaluationRun, EvaluationScore, EvaluationSet

TABLES: tuple[Erasable, ...] = (
    of_tenant(EvaluationSet),
    of_tenant(EvaluationRun),
    of_tenant(EvaluationScore),
)
