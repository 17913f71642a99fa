"""What `switchboard evaluate` does: on the database and Redis of the environment, else on this machine's system."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from pydantic import SecretStr
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

import app.tables  # noqa: F401 - every table, before the first query
from app.copilot.catalog import task_types
from app.copilot.runtime import Runtime
from app.evaluation import service
from app.evaluation.case_files import Case
from app.evaluation.comparison import Comparison, Estimate
from app.evaluation.errors import UnknownMember
from app.evaluation.metrics import METRICS, said
from app.evaluation.report import endings, interval, shown
from app.evaluation.report import page as html_page
from app.evaluation.service import CaseView, Report, RunView
from app.evaluation.trial import Sponsor, TrialResult
from app.local.client import ClientError
from app.local.demo import Progress, system
from app.local.display import clean
from app.local.running import Running
from app.local.signing_in import who
from app.local.state import State
from app.local.this_machine import as_embedded, embedded_database
from app.local.valkey import remembered_url
from app.pools.trials import deployment_names, trial_member
from app.pools.values import PoolMemberFacts
from app.settings import Settings
from app.tenants.directory import TenantDirectory

_T = TypeVar("_T")


@dataclass(frozen=True)
class Where:
    """Whose evaluations, and on which system."""

    tenant: str | None = None
    user: str | None = None
    offline: bool = False


@dataclass(frozen=True)
class Asked:
    """What to try, as the command line says it. A member is `deployment` or `deployment@prompt set`."""

    task_type: str
    data: str
    members: tuple[str, ...]
    limit: int | None = None
    case_seconds: float = 600.0


def run(out: Console, asked: Asked, where: Where, *, page: Path | None, as_json: bool) -> None:
    """Try the cases, keep the scores, show the comparison. Raises: `ClientError`, `AppError`."""
    if asked.task_type not in task_types():
        known = ", ".join(sorted(task_types()))
        raise ClientError(
            "unknown_task_type",
            f"there is no task type {asked.task_type!r}; there is: {known}",
            target="task_type",
        )
    if not asked.members or len(set(asked.members)) != len(asked.members):
        raise ClientError("bad_members", "name each deployment to try once: --members A,B", target="members")

    async def work(runtime: Runtime, sponsor: Sponsor) -> Report:
        members = [(name, await _member(runtime, sponsor, asked.task_type, name)) for name in asked.members]
        data = (await _data(runtime, sponsor, asked)).first(asked.limit)
        total, done = len(data.cases) * len(members), 0

        def watch(name: str, case: Case, trial: TrialResult) -> None:
            nonlocal done
            done += 1
            if not as_json:
                ended = trial.outcome + (f" ({trial.reason})" if trial.reason else "")
                line = f"{done:4} of {total}  {case.id}  {name}  {ended}  {trial.seconds:.1f} s"
                out.print(Text(clean(line), style="dim"), soft_wrap=True)

        run_id = await service.evaluate(
            runtime,
            sponsor,
            task_types()[asked.task_type],
            data,
            members,
            seconds=asked.case_seconds,
            watch=watch,
        )
        return await service.report(runtime.database, tenant_id=sponsor.tenant_id, run_id=run_id)

    _show(out, [_on(where, work, quiet=as_json, out=out)], page=page, as_json=as_json)


def list_runs(out: Console, where: Where, *, task_type: str | None, as_json: bool) -> None:
    """Print earlier evaluations. Raises: `ClientError`, `AppError`."""

    async def work(runtime: Runtime, sponsor: Sponsor) -> list[RunView]:
        return await service.list_runs(runtime.database, tenant_id=sponsor.tenant_id, task_type=task_type)

    runs = _on(where, work, quiet=as_json, out=out)
    if as_json:
        _write(out, {"value": [_run_json(one) for one in runs]})
        return
    for one in runs:
        for line in run_lines(one):
            out.print(line, soft_wrap=True, highlight=False)
    if not runs:
        out.print("no evaluations so far")


def run_lines(run: RunView) -> tuple[Text, Text]:
    """A run in two lines: half an id is of no use, and the rest has no room beside a whole one."""
    unfinished = "" if run.finished_at else " (interrupted)"
    names = ", ".join(str(member["name"]) for member in run.members)
    about = (
        f"  {run.task_type} over {run.data_set}, {run.cases} {'case' if run.cases == 1 else 'cases'}: {names}"
    )
    first = f"{run.id}  {run.started_at:%Y-%m-%d %H:%M}{unfinished}"
    return Text(clean(first), style="bold"), Text(clean(about))


def show(out: Console, run_ids: Sequence[UUID], where: Where, *, page: Path | None, as_json: bool) -> None:
    """Show an evaluation, or compare several. Raises: `ClientError`, `AppError`."""

    async def work(runtime: Runtime, sponsor: Sponsor) -> list[Report]:
        return [
            await service.report(runtime.database, tenant_id=sponsor.tenant_id, run_id=run_id)
            for run_id in run_ids
        ]

    _show(out, _on(where, work, quiet=as_json, out=out), page=page, as_json=as_json)


def show_case(out: Console, run_id: UUID, case_id: str, where: Where, *, as_json: bool) -> None:
    """Show what the members of an evaluation said to one case. Raises: `ClientError`, `AppError`."""

    async def work(runtime: Runtime, sponsor: Sponsor) -> list[service.Said]:
        return await service.said(
            runtime.database, sponsor.sealer, tenant_id=sponsor.tenant_id, run_id=run_id, case_id=case_id
        )

    found = _on(where, work, quiet=as_json, out=out)
    if as_json:
        _write(out, {"value": [asdict(one) for one in found]})
        return
    for one in found:
        out.print(Text(clean(one.member), style="bold"))
        if one.answers is None:
            out.print("retention has taken what was said")
        for answer in one.answers or ():
            out.print(
                Text(clean(f"{answer['step']}: {answer['refusal'] or 'passed the checks'}"), style="dim")
            )
            out.print(Text(clean(str(answer["text"]))), soft_wrap=True)
        if one.result is not None:
            out.print(Text(clean(said(one.result)), style="green"), soft_wrap=True)


def forget(out: Console, name: str, where: Where) -> None:
    """Delete a customer's own data set. Raises: `ClientError`, `AppError`."""

    async def work(runtime: Runtime, sponsor: Sponsor) -> None:
        await service.forget_data(runtime.database, tenant_id=sponsor.tenant_id, name=name)

    _on(where, work, quiet=True, out=out)
    out.print(f"the data set {clean(name)} is deleted", markup=False, highlight=False, soft_wrap=True)


async def _member(runtime: Runtime, sponsor: Sponsor, task_type: str, name: str) -> PoolMemberFacts:
    deployment, _, prompts = name.partition("@")
    async with runtime.database.tenant(sponsor.tenant_id) as session:
        found = await trial_member(
            session,
            tenant_id=sponsor.tenant_id,
            task_type=task_type,
            deployment=deployment,
            prompt_set=prompts or None,
        )
        known = await deployment_names(session, tenant_id=sponsor.tenant_id) if found is None else []
    if found is None:
        raise UnknownMember(
            f"There is no deployment {deployment!r} with the prompt set {prompts or 'default'!r} for {task_type};"
            f" deployments are: {', '.join(known) or 'none'}."
        )
    return found


async def _data(runtime: Runtime, sponsor: Sponsor, asked: Asked) -> service.DataSet:
    file = Path(asked.data)
    sealer, tenant_id = sponsor.sealer, sponsor.tenant_id
    if file.suffix == ".jsonl" or await asyncio.to_thread(file.is_file):
        content = await asyncio.to_thread(file.read_bytes)
        return await service.keep_data(
            runtime.database, sealer, tenant_id=tenant_id, name=file.stem, content=content
        )
    return await service.find_data(
        runtime.database, sealer, tenant_id=tenant_id, task_type=asked.task_type, name=asked.data
    )


def _on(where: Where, work: Callable[[Runtime, Sponsor], Awaitable[_T]], *, quiet: bool, out: Console) -> _T:
    with _settings(where, quiet=quiet, out=out) as (settings, running):
        return asyncio.run(_main(settings, running, where, work))


async def _main(
    settings: Settings,
    running: Running | None,
    where: Where,
    work: Callable[[Runtime, Sponsor], Awaitable[_T]],
) -> _T:
    runtime = Runtime.open(settings)
    try:
        tenant_id, member_id = await _payer(runtime, running, where)
        return await work(runtime, Sponsor(tenant_id, member_id, await runtime.keys.sealer(tenant_id)))
    finally:
        await runtime.close()


async def _payer(runtime: Runtime, running: Running | None, where: Where) -> tuple[UUID, UUID]:
    """The tenant and its member that pay: of the development Entra by name, else by their ids."""
    if running is not None and running.ca is not None:
        person = who(Path(running.seed), where.tenant, where.user, development=True)
        if person is not None:
            directory = TenantDirectory(runtime.database)
            tenant = await directory.by_entra_id(UUID(person.tenant_id))
            if tenant is not None:
                member = await directory.member(tenant.id, UUID(person.object_id), person.name)
                return tenant.id, member.id
    try:
        return UUID(where.tenant or ""), UUID(where.user or "")
    except ValueError:
        raise ClientError(
            "who_pays",
            "name the customer and the member who pays by their ids: --tenant ID --user ID",
            target="tenant",
        ) from None


@contextmanager
def _settings(where: Where, *, quiet: bool, out: Console) -> Iterator[tuple[Settings, Running | None]]:
    """The environment's settings where it names a database, else those of the system on this machine."""
    if os.environ.get("DATABASE_URL"):
        yield Settings(), None
        return
    progress = Progress(
        phase=(lambda _sentence: None) if quiet else lambda line: out.print(Text(line, style="dim"))
    )
    with system(progress, offline=where.offline) as running:
        yield _of_this_machine(State.default()), running


def _of_this_machine(state: State) -> Settings:
    urls = embedded_database(state)
    redis = os.environ.get("REDIS_URL") or remembered_url(state.path / "valkey")
    if urls is None or redis is None:
        raise ClientError(
            "not_embedded",
            "the system that runs here has a database or Redis of its own: set DATABASE_URL and REDIS_URL",
        )
    return as_embedded(Settings(), state, urls).model_copy(update={"redis_url": SecretStr(redis)})


def _show(
    out: Console, found: Sequence[Report] | Sequence[list[Report]], *, page: Path | None, as_json: bool
) -> None:
    reports = [one for each in found for one in (each if isinstance(each, list) else [each])]
    comparison = reports[0].comparison if len(reports) == 1 else service.compare_reports(reports)
    if as_json:
        _write(out, _report_json(reports, comparison))
    else:
        out.print(_tables(reports, comparison))
    if page is not None:
        title = f"{reports[0].run.task_type} over {reports[0].run.data_set}"
        page.write_text(html_page(title, _facts(reports), comparison, _cases(reports)), encoding="utf-8")
        if not as_json:
            out.print(f"the page is {page}", markup=False, highlight=False, soft_wrap=True)


def _cases(reports: Sequence[Report]) -> list[CaseView]:
    return [case for each in reports for case in each.cases]


def _facts(reports: Sequence[Report]) -> dict[str, str]:
    facts = {}
    for each in reports:
        members = "; ".join(
            f"{one['name']}: {one['request_model']} of {one['provider_name']}, prompt set {one['prompt_set']}"
            f" revision {one['prompt_revision']}"
            for one in each.run.members
        )
        ended = "" if each.run.finished_at else ", interrupted"
        facts[f"run {each.run.id}"] = (
            f"{each.run.started_at:%Y-%m-%d %H:%M} UTC, {each.run.cases} cases{ended}; {members}"
        )
    return facts


def _tables(reports: Sequence[Report], comparison: Comparison) -> RenderableType:
    members = list(dict.fromkeys(name for of in comparison.estimates.values() for name in of))
    means = Table("metric", *(escape(clean(name)) for name in members), box=None)
    for metric, of in comparison.estimates.items():
        means.add_row(METRICS[metric].title, *(_estimate(metric, of.get(name)) for name in members))
    parts: list[RenderableType] = [means]
    if comparison.differences:
        gaps = Table("difference", "second minus first", "better", "cases", box=None)
        for one in comparison.differences:
            pair = f"{METRICS[one.metric].title}: {one.first}, {one.second}"
            better = Text(clean(one.better or "open"), style="bold" if one.better else "dim")
            gaps.add_row(Text(clean(pair)), _estimate(one.metric, one.by), better, str(one.by.cases))
        parts += [Text(), gaps]
    for name in dict.fromkeys(case.member for case in _cases(reports)):
        told = ", ".join(f"{count} {ending}" for ending, count in endings(_cases(reports), name))
        parts.append(Text(clean(f"{name}: {told}")))
    parts += [Text(clean(f"{name}: {fact}"), style="dim") for name, fact in _facts(reports).items()]
    return Group(*parts)


def _estimate(metric: str, estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    bounds = interval(metric, estimate)
    return shown(metric, estimate.value) + (f" ({bounds})" if bounds else "")


def _report_json(reports: Sequence[Report], comparison: Comparison) -> dict[str, Any]:
    return {
        "runs": [_run_json(one.run) for one in reports],
        "estimates": {
            metric: {name: asdict(one) for name, one in of.items()}
            for metric, of in comparison.estimates.items()
        },
        "differences": [asdict(one) | {"better": one.better} for one in comparison.differences],
        "cases": [asdict(case) for case in _cases(reports)],
    }


def _run_json(run: RunView) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "task_type": run.task_type,
        "data_set": run.data_set,
        "cases": run.cases,
        "members": list(run.members),
        "started_at": run.started_at.isoformat(),
        "finished_at": None if run.finished_at is None else run.finished_at.isoformat(),
    }


def _write(out: Console, value: dict[str, Any]) -> None:
    from app.local.commands import json_line

    out.file.write(json_line(value))
