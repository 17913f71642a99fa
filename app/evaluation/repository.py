"""Every query of the evaluation room, for one tenant."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.evaluation.tables import EvaluationAnswer, EvaluationRun, EvaluationScore, EvaluationSet


class EvaluationRepository:
    """Runs, scores and data sets of one tenant."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add_set(self, new: EvaluationSet) -> None:
        """Keep a data set; the same cases under the same name are kept once."""
        values = {
            "tenant_id": self._tenant_id,
            "id": new.id,
            "name": new.name,
            "digest": new.digest,
            "cases": new.cases,
            "sealed_cases": new.sealed_cases,
        }
        await self._session.execute(insert(EvaluationSet).values(values).on_conflict_do_nothing())

    async def newest_set(self, name: str) -> EvaluationSet | None:
        """The data set that was kept last under this name."""
        return await self._session.scalar(
            select(EvaluationSet)
            .where(EvaluationSet.tenant_id == self._tenant_id, EvaluationSet.name == name)
            .order_by(EvaluationSet.created_at.desc(), EvaluationSet.id.desc())
            .limit(1)
        )

    async def set_names(self) -> Sequence[str]:
        """Names of the tenant's own data sets."""
        names = await self._session.scalars(
            select(EvaluationSet.name).where(EvaluationSet.tenant_id == self._tenant_id).distinct()
        )
        return sorted(names)

    async def forget_set(self, name: str) -> bool:
        """Delete every content that was kept under this name; gives whether there was any."""
        gone = await self._session.scalars(
            delete(EvaluationSet)
            .where(EvaluationSet.tenant_id == self._tenant_id, EvaluationSet.name == name)
            .returning(EvaluationSet.id)
        )
        return bool(gone.all())

    def add(self, *rows: EvaluationRun | EvaluationScore | EvaluationAnswer) -> None:
        """Write a run, or a score and what was said, with this transaction."""
        self._session.add_all(rows)

    async def finish(self, run_id: UUID) -> None:
        """Note that every case was tried."""
        await self._session.execute(
            update(EvaluationRun)
            .where(EvaluationRun.tenant_id == self._tenant_id, EvaluationRun.id == run_id)
            .values(finished_at=func.clock_timestamp())
        )

    async def runs(self, *, task_type: str | None, limit: int) -> Sequence[EvaluationRun]:
        """Runs, newest first."""
        query = select(EvaluationRun).where(EvaluationRun.tenant_id == self._tenant_id)
        if task_type is not None:
            query = query.where(EvaluationRun.task_type == task_type)
        return (await self._session.scalars(query.order_by(EvaluationRun.id.desc()).limit(limit))).all()

    async def run(self, run_id: UUID) -> EvaluationRun | None:
        """One run."""
        return await self._session.get(EvaluationRun, (self._tenant_id, run_id))

    async def scores(self, run_id: UUID) -> Sequence[EvaluationScore]:
        """The scores of a run, in the order in which they were made."""
        rows = await self._session.scalars(
            select(EvaluationScore)
            .where(EvaluationScore.tenant_id == self._tenant_id, EvaluationScore.run_id == run_id)
            .order_by(EvaluationScore.id)
        )
        return rows.all()

    async def said(
        self, run_id: UUID, case_id: str
    ) -> Sequence[tuple[EvaluationScore, EvaluationAnswer | None]]:
        """The scores of one case with what was said; None where retention has taken it."""
        rows = await self._session.execute(
            select(EvaluationScore, EvaluationAnswer)
            .outerjoin(
                EvaluationAnswer,
                and_(
                    EvaluationAnswer.tenant_id == EvaluationScore.tenant_id,
                    EvaluationAnswer.id == EvaluationScore.id,
                ),
            )
            .where(
                EvaluationScore.tenant_id == self._tenant_id,
                EvaluationScore.run_id == run_id,
                EvaluationScore.case_id == case_id,
            )
            .order_by(EvaluationScore.id)
        )
        return [(score, answer) for score, answer in rows]
