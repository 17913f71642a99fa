"""The verbs of an evaluation: find the cases and the members, try them, keep the scores, read them again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.copilot.runtime import Runtime
from app.copilot.sealed_json import open_json, seal_json
from app.copilot.types import TaskType
from app.core.clock import new_id
from app.core.crypto import Place, Sealer
from app.core.database import Database
from app.evaluation.aclsum import aclsum_cases
from app.evaluation.case_files import Case, check_fit, dump_lines, own_cases, read_lines
from app.evaluation.comparison import Comparison, compare
from app.evaluation.errors import BadCase, UnknownDataSet, UnknownRun
from app.evaluation.metrics import score
from app.evaluation.repository import EvaluationRepository
from app.evaluation.tables import EvaluationAnswer, EvaluationRun, EvaluationScore, EvaluationSet
from app.evaluation.trial import Sponsor, TrialResult, try_case
from app.pools.values import PoolMemberFacts

OWN, ACLSUM = "own", "aclsum"
"""Names of data sets that come with the product, or with its extra."""

Watch = Callable[[str, Case, TrialResult], None]
"""(member, case, what came of it)."""


@dataclass(frozen=True)
class DataSet:
    """Cases under a name."""

    name: str
    cases: tuple[Case, ...]

    def first(self, limit: int | None) -> "DataSet":
        """At most so many cases, spread evenly over the languages, in the order of the set."""
        if limit is None or limit >= len(self.cases):
            return self
        by_language: dict[str, list[int]] = {}
        for at, case in enumerate(self.cases):
            by_language.setdefault(case.language, []).append(at)
        turns = sorted((nth, at) for places in by_language.values() for nth, at in enumerate(places))
        return DataSet(self.name, tuple(self.cases[at] for at in sorted(at for _, at in turns[:limit])))


@dataclass(frozen=True)
class RunView:
    """A run as it is shown."""

    id: UUID
    task_type: str
    data_set: str
    cases: int
    members: tuple[dict[str, Any], ...]
    started_at: datetime
    finished_at: datetime | None
    digest: bytes


@dataclass(frozen=True)
class CaseView:
    """One case on one member, without its content."""

    member: str
    case_id: str
    outcome: str
    reason: str | None
    scores: dict[str, float | None]
    currency: str


@dataclass(frozen=True)
class Said:
    """One member's answers to a case before the checks, each with the check that refused it, and the result.

    Both are None where retention has taken them.
    """

    member: str
    answers: list[dict[str, Any]] | None
    result: dict[str, Any] | None


@dataclass(frozen=True)
class Report:
    """A run, its cases and what they say about its members."""

    run: RunView
    cases: tuple[CaseView, ...]
    comparison: Comparison


async def find_data(
    database: Database, sealer: Sealer, *, tenant_id: UUID, task_type: str, name: str
) -> DataSet:
    """A data set by its name: `own`, `aclsum`, or one of the tenant's. Raises: `UnknownDataSet`, `ExtraMissing`."""
    if name == OWN:
        cases = own_cases(task_type)
        if not cases:
            raise UnknownDataSet(f"There are no cases of our own for {task_type}.")
        return DataSet(name, cases)
    if name == ACLSUM:
        if task_type != "summarize":
            raise UnknownDataSet(f"{ACLSUM} holds summaries; it says nothing about {task_type}.")
        return DataSet(name, aclsum_cases())
    async with database.tenant(tenant_id) as session:
        repository = EvaluationRepository(session, tenant_id)
        found, known = await repository.newest_set(name), await repository.set_names()
    if found is None:
        names = ", ".join([OWN, ACLSUM, *known])
        raise UnknownDataSet(f"There is no data set {name!r}, and no such file; there is: {names}.")
    lines = sealer.open(_place(found.id, "evaluation_sets", "sealed_cases"), found.sealed_cases)
    return DataSet(name, read_lines(lines, name))


async def keep_data(
    database: Database, sealer: Sealer, *, tenant_id: UUID, name: str, content: bytes
) -> DataSet:
    """Keep a tenant's own cases, sealed, under a name. Raises: `BadCase`."""
    if name in {OWN, ACLSUM}:
        raise BadCase(
            f"{name!r} is the name of a data set that comes with the product; call the file otherwise."
        )
    cases = read_lines(content, name)
    lines, set_id = dump_lines(cases), new_id()
    async with database.tenant(tenant_id) as session:
        await EvaluationRepository(session, tenant_id).add_set(
            EvaluationSet(
                id=set_id,
                name=name,
                digest=_digest(sealer, cases),
                cases=len(cases),
                sealed_cases=sealer.seal(_place(set_id, "evaluation_sets", "sealed_cases"), lines),
            )
        )
    return DataSet(name, cases)


async def forget_data(database: Database, *, tenant_id: UUID, name: str) -> None:
    """Delete a tenant's own data set. Scores that were made with it stay. Raises: `UnknownDataSet`."""
    async with database.tenant(tenant_id) as session:
        if not await EvaluationRepository(session, tenant_id).forget_set(name):
            raise UnknownDataSet(f"There is no data set {name!r} of this customer's own.")


async def evaluate(
    runtime: Runtime,
    sponsor: Sponsor,
    task_type: TaskType,
    data: DataSet,
    members: Sequence[tuple[str, PoolMemberFacts]],
    *,
    seconds: float,
    watch: Watch,
) -> UUID:
    """Try every case on every member, `seconds` at most each; each score is a commit of its own. Gives the run.

    Members take turns case by case, so that what slows the machine slows them alike. Raises: `BadCase` before
    anything is asked, `MoneyRefused`.
    """
    for case in data.cases:
        check_fit(case, task_type)
    run_id = new_id()
    run = EvaluationRun(
        tenant_id=sponsor.tenant_id,
        id=run_id,
        task_type=task_type.name,
        data_set=data.name,
        digest=_digest(sponsor.sealer, data.cases),
        cases=len(data.cases),
        members=[_told(name, member) for name, member in members],
    )
    async with runtime.database.tenant(sponsor.tenant_id) as session:
        EvaluationRepository(session, sponsor.tenant_id).add(run)
    # The first case would be measured with the loading of a vendor's library, which takes seconds.
    await runtime.clients.warm(tuple(member for _, member in members))
    for case in data.cases:
        for name, member in members:
            trial = await try_case(runtime, sponsor, task_type, member, case, seconds=seconds)
            await _keep(runtime.database, sponsor, run_id, name, case, trial)
            watch(name, case, trial)
    async with runtime.database.tenant(sponsor.tenant_id) as session:
        await EvaluationRepository(session, sponsor.tenant_id).finish(run_id)
    return run_id


async def list_runs(
    database: Database, *, tenant_id: UUID, task_type: str | None = None, limit: int = 50
) -> list[RunView]:
    """The tenant's runs, newest first."""
    async with database.tenant(tenant_id) as session:
        rows = await EvaluationRepository(session, tenant_id).runs(task_type=task_type, limit=limit)
    return [_view(row) for row in rows]


async def report(database: Database, *, tenant_id: UUID, run_id: UUID) -> Report:
    """One run with its comparison. Raises: `UnknownRun`, `ExtraMissing`."""
    async with database.tenant(tenant_id) as session:
        repository = EvaluationRepository(session, tenant_id)
        run, rows = await repository.run(run_id), await repository.scores(run_id)
    if run is None:
        raise UnknownRun(
            f"There is no evaluation {run_id}; `switchboard evaluate list` shows those there are."
        )
    cases = tuple(_case_view(row) for row in rows)
    names = [str(member["name"]) for member in run.members]
    by_member = {name: {case.case_id: case.scores for case in cases if case.member == name} for name in names}
    return Report(_view(run), cases, compare(by_member))


async def said(
    database: Database, sealer: Sealer, *, tenant_id: UUID, run_id: UUID, case_id: str
) -> list[Said]:
    """What the members of a run said to one case. Raises: `UnknownRun`."""
    async with database.tenant(tenant_id) as session:
        rows = await EvaluationRepository(session, tenant_id).said(run_id, case_id)
    if not rows:
        raise UnknownRun(f"There is no case {case_id!r} in an evaluation {run_id}.")
    return [_said(sealer, row, answer) for row, answer in rows]


def compare_reports(reports: Sequence[Report]) -> Comparison:
    """Members of several runs over the cases that they share, each named with its run.

    Raises: `BadCase` where the runs are of different cases.
    """
    first = reports[0].run
    for other in reports[1:]:
        if (other.run.task_type, other.run.digest) != (first.task_type, first.digest):
            raise BadCase(
                f"{other.run.id} tried {other.run.task_type} over other cases than {first.id}:"
                " only runs of the same task type and the same cases can be compared."
            )
    scores: dict[str, dict[str, dict[str, float | None]]] = {}
    for each in reports:
        for case in each.cases:
            name = f"{case.member} {each.run.started_at:%Y-%m-%d %H:%M} {each.run.id.hex[-6:]}"
            scores.setdefault(name, {})[case.case_id] = case.scores
    return compare(scores)


async def _keep(
    database: Database, sponsor: Sponsor, run_id: UUID, name: str, case: Case, trial: TrialResult
) -> None:
    said = {
        "answers": [
            {"step": answer.kind, "text": answer.text, "refusal": answer.refusal} for answer in trial.answers
        ],
        "result": None if trial.result is None else dict(trial.result),
    }
    place = _place(trial.id, "evaluation_answers", "sealed_answer")
    row = EvaluationScore(
        tenant_id=sponsor.tenant_id,
        id=trial.id,
        run_id=run_id,
        member=name,
        case_id=case.id,
        outcome=trial.outcome,
        reason=trial.reason,
        scores=score(case, trial),
        currency=trial.currency,
    )
    answer = EvaluationAnswer(
        tenant_id=sponsor.tenant_id, id=trial.id, sealed_answer=seal_json(sponsor.sealer, place, said)
    )
    async with database.tenant(sponsor.tenant_id) as session:
        repository = EvaluationRepository(session, sponsor.tenant_id)
        repository.add(row)
        await session.flush()
        repository.add(answer)


def _said(sealer: Sealer, row: EvaluationScore, answer: EvaluationAnswer | None) -> Said:
    if answer is None:
        return Said(row.member, None, None)
    opened = open_json(sealer, _place(row.id, "evaluation_answers", "sealed_answer"), answer.sealed_answer)
    return Said(row.member, opened["answers"], opened["result"])


def _digest(sealer: Sealer, cases: Sequence[Case]) -> bytes:
    return sealer.digest("evaluation cases", dump_lines(cases))


def _place(row_id: UUID, table: str, column: str) -> Place:
    return Place(table, row_id, column)


def _told(name: str, member: PoolMemberFacts) -> dict[str, Any]:
    deployment = member.deployment
    return {
        "name": name,
        "deployment": deployment.name,
        "provider_name": deployment.provider.name,
        "request_model": deployment.model_name,
        "prompt_set": member.prompt_name,
        "prompt_revision": member.prompt_revision,
        "price_revision_id": None if deployment.price is None else str(deployment.price.id),
    }


def _view(row: EvaluationRun) -> RunView:
    return RunView(
        id=row.id,
        task_type=row.task_type,
        data_set=row.data_set,
        cases=row.cases,
        members=tuple(row.members),
        started_at=row.started_at,
        finished_at=row.finished_at,
        digest=row.digest,
    )


def _case_view(row: EvaluationScore) -> CaseView:
    return CaseView(row.member, row.case_id, row.outcome, row.reason, dict(row.scores), row.currency)
