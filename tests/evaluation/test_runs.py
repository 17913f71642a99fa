"""Evaluations on a real database and Redis, with a vendor over loopback: tried, kept, compared, shown."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.copilot.catalog import task_types
from app.copilot.runtime import Runtime
from app.core.clock import new_id
from app.core.crypto import Sealer
from app.core.keyring import LocalKeyring
from app.evaluation import service
from app.evaluation.case_files import Case, dump_lines
from app.evaluation.errors import BadCase, UnknownDataSet, UnknownRun
from app.evaluation.report import page
from app.evaluation.trial import Sponsor, TrialOutcome, TrialResult
from app.lifecycle.retention import Retention
from app.pools.trials import deployment_names, trial_member
from app.settings import Settings
from tests.conftest import TestDatabase
from tests.processes import system
from tests.scripted_vendor import ScriptedVendor, quote_document
from tests.wire_formats import Asked, Behaviour

SECRET = (
    "The dismissal of Anna Quux is planned for March 2027.\n\nThe plant in Halle closes; 40 people leave it."
)
MEMO = (
    "Revenue of Contoso rose by 12 percent to 3.5 million euros in the third quarter of 2026.\n\n"
    "The growth came from the Munich office, which Maria Keller has led since May 2024."
)
CASES = (
    Case(id="memo", language="en", documents=(MEMO,), contains=("12 percent",)),
    Case(id="secret", language="en", documents=(SECRET,), contains=("Quux",)),
)


def quote_as_many(asked: Asked) -> str:
    """As many faithful sentences as are asked for; the prompts for small models show an example first, which is nothing to quote."""
    answer = json.loads(quote_document(replace(asked, messages=asked.messages[-1:])))
    most = (asked.schema or {})["properties"]["sentences"]["maxItems"]
    return json.dumps({"sentences": answer["sentences"][:most]})


@dataclass
class Laboratory:
    """A runtime as a worker has it, and who tries."""

    runtime: Runtime
    sponsor: Sponsor
    database: TestDatabase
    vendor: ScriptedVendor
    seen: list[tuple[str, str, TrialResult]] = field(default_factory=list)

    async def evaluate(self, *names: str, cases: tuple[Case, ...] = CASES) -> service.Report:
        members = []
        for name in names:
            deployment, _, prompts = name.partition("@")
            async with self.runtime.database.tenant(self.sponsor.tenant_id) as session:
                found = await trial_member(
                    session,
                    tenant_id=self.sponsor.tenant_id,
                    task_type="summarize",
                    deployment=deployment,
                    prompt_set=prompts or None,
                )
            assert found is not None
            members.append((name, found))
        run_id = await service.evaluate(
            self.runtime,
            self.sponsor,
            task_types()["summarize"],
            service.DataSet("mine", cases),
            members,
            seconds=30.0,
            watch=lambda name, case, trial: self.seen.append((name, case.id, trial)),
        )
        return await service.report(self.runtime.database, tenant_id=self.sponsor.tenant_id, run_id=run_id)

    async def said(self, run_id: UUID, case_id: str) -> list[service.Said]:
        return await service.said(
            self.runtime.database,
            self.sponsor.sealer,
            tenant_id=self.sponsor.tenant_id,
            run_id=run_id,
            case_id=case_id,
        )

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.database.owner.system() as session:
            return [dict(row) for row in (await session.execute(text(statement), values)).mappings()]


@pytest.fixture
async def laboratory(
    database: TestDatabase, redis_url: str, tmp_path: Path, keyring: LocalKeyring, vendor: ScriptedVendor
) -> AsyncIterator[Laboratory]:
    vendor.respond = quote_as_many
    with system(database, redis_url, tmp_path, keyring) as running:
        await running.configure(base_url=vendor.base_url)
    settings = Settings.model_validate(
        {
            "env": "development",
            "DATABASE_URL": database.app_url,
            "REDIS_URL": redis_url,
            "keyring": tmp_path / "keyring.json",
            "extraction_processes_ahead": 0,
        }
    )
    runtime = Runtime.open(settings)
    # A key that is always the same: the marks in prompts follow from it, and how the vendor quotes from them.
    sealer = Sealer(database.tenant_id, {1: b"k" * 32})
    yield Laboratory(runtime, Sponsor(database.tenant_id, database.member_id, sealer), database, vendor)
    await runtime.close()


async def test_members_are_tried_case_by_case_and_compared(laboratory: Laboratory) -> None:
    report = await laboratory.evaluate("smollm2-135m", "extractive")
    assert [(name, case) for name, case, _ in laboratory.seen] == [
        ("smollm2-135m", "memo"),
        ("extractive", "memo"),
        ("smollm2-135m", "secret"),
        ("extractive", "secret"),
    ]
    assert {(case.outcome, case.reason) for case in report.cases} == {(TrialOutcome.ANSWERED, None)}
    assert report.run.finished_at is not None
    facts = report.comparison.estimates["facts"]
    assert (facts["smollm2-135m"].value, facts["smollm2-135m"].cases) == (1.0, 2)
    assert {one.metric for one in report.comparison.differences} >= {"answered", "facts", "seconds"}
    (member, _) = report.run.members
    assert (member["prompt_set"], member["request_model"]) == ("small", "smollm2-135m")


async def test_the_ledger_has_every_call_of_a_trial_under_its_score(laboratory: Laboratory) -> None:
    await laboratory.evaluate("smollm2-135m")
    calls = await laboratory.rows(
        "SELECT c.outcome, c.pool_name, c.member_id, c.input_tokens, s.case_id FROM model_calls c"
        " JOIN evaluation_scores s ON s.tenant_id = c.tenant_id AND s.id = c.job_id ORDER BY s.case_id"
    )
    assert [(call["case_id"], call["outcome"], call["pool_name"]) for call in calls] == [
        ("memo", "succeeded", "evaluation"),
        ("secret", "succeeded", "evaluation"),
    ]
    assert {call["member_id"] for call in calls} == {laboratory.sponsor.member_id}
    assert calls[0]["input_tokens"] == 100


async def test_a_refused_answer_is_kept_as_a_fact_about_its_member_and_nobody_takes_over(
    laboratory: Laboratory,
) -> None:
    answer = {
        "sentences": [{"citations": [{"block": "B1", "quote": "Revenue of Contoso"}], "text": "Up 99 %."}]
    }
    laboratory.vendor.always("smollm2-135m", Behaviour(answer=json.dumps(answer)))
    report = await laboratory.evaluate("smollm2-135m", cases=CASES[:1])
    (case,) = report.cases
    assert (case.outcome, case.reason) == (TrialOutcome.REFUSED, "unsupported_figure")
    assert (case.scores["unsupported_before"], case.scores["unsupported"]) == (1.0, None)
    assert laboratory.vendor.hits("smollm2-135m") == 1
    (row,) = await laboratory.rows("SELECT sealed_answer FROM evaluation_answers")
    assert b"99 %" not in row["sealed_answer"]
    (said,) = await laboratory.said(report.run.id, "memo")
    assert said.answers is not None
    assert (said.answers[0]["text"], said.answers[0]["refusal"], said.result) == (
        json.dumps(answer),
        "unsupported_figure",
        None,
    )


async def test_retention_takes_what_was_said_and_leaves_the_scores(laboratory: Laboratory) -> None:
    report = await laboratory.evaluate("extractive", cases=CASES[:1])
    database, sponsor = laboratory.database, laboratory.sponsor
    retention = Retention(database.system, database.eraser, ledger_days=3650)
    assert not await retention.retain(sponsor.tenant_id, days=1)
    assert dict(await retention.retain(sponsor.tenant_id, days=0)) == {"evaluation_answers": 1}
    (said,) = await laboratory.said(report.run.id, "memo")
    assert (said.answers, said.result) == (None, None)
    again = await service.report(
        laboratory.runtime.database, tenant_id=sponsor.tenant_id, run_id=report.run.id
    )
    assert again.cases == report.cases


async def test_what_a_member_may_not_do_and_what_goes_wrong_ends_as_an_outcome(
    laboratory: Laboratory,
) -> None:
    german = Case(
        id="german",
        language="de",
        documents=("Der Umsatz stieg im dritten Quartal um zwölf Prozent auf drei Millionen Euro.",),
    )
    laboratory.vendor.always("smollm2-135m", Behaviour(status=400))
    report = await laboratory.evaluate("smollm2-135m", cases=(german, CASES[0]))
    assert [(case.outcome, case.reason) for case in report.cases] == [
        (TrialOutcome.INELIGIBLE, "language"),
        (TrialOutcome.FAILED, "bad_request"),
    ]


async def test_a_long_document_goes_through_all_its_steps(laboratory: Laboratory) -> None:
    paragraphs = (f"Report {at} says that plant {at} made {at + 3} machines in Halle." for at in range(260))
    long = Case(id="long", language="en", documents=("\n\n".join(paragraphs),))
    report = await laboratory.evaluate("smollm2-135m@default", cases=(long,))
    ((_, _, trial),) = laboratory.seen
    assert trial.outcome is TrialOutcome.ANSWERED
    assert [answer.refusal for answer in trial.answers if answer.refusal] == []
    assert trial.calls == len(trial.answers) > 2
    assert report.cases[0].scores["coverage"] == 1.0


async def test_a_tenants_set_is_sealed_and_found_again_by_its_name(laboratory: Laboratory) -> None:
    database, sealer, tenant_id = (
        laboratory.runtime.database,
        laboratory.sponsor.sealer,
        laboratory.sponsor.tenant_id,
    )
    for _ in range(2):
        await service.keep_data(database, sealer, tenant_id=tenant_id, name="mine", content=dump_lines(CASES))
    (row,) = await laboratory.rows("SELECT sealed_cases FROM evaluation_sets")
    assert b"Quux" not in row["sealed_cases"]
    found = await service.find_data(database, sealer, tenant_id=tenant_id, task_type="summarize", name="mine")
    assert found.cases == CASES
    with pytest.raises(UnknownDataSet, match="own, aclsum, mine"):
        await service.find_data(database, sealer, tenant_id=tenant_id, task_type="summarize", name="yours")
    other = laboratory.database.other_tenant_id
    with pytest.raises(UnknownDataSet):
        await service.forget_data(database, tenant_id=other, name="mine")
    with pytest.raises(UnknownDataSet):
        await service.find_data(database, sealer, tenant_id=other, task_type="summarize", name="mine")
    await service.forget_data(database, tenant_id=tenant_id, name="mine")
    assert await laboratory.rows("SELECT id FROM evaluation_sets") == []


async def test_runs_are_compared_over_time_and_nobody_else_sees_them(laboratory: Laboratory) -> None:
    database, tenant_id = laboratory.runtime.database, laboratory.sponsor.tenant_id
    first = await laboratory.evaluate("extractive")
    second = await laboratory.evaluate("extractive")
    runs = await service.list_runs(database, tenant_id=tenant_id, task_type="summarize")
    assert [run.id for run in runs] == [second.run.id, first.run.id]
    comparison = service.compare_reports([first, second])
    (facts,) = [one for one in comparison.differences if one.metric == "facts"]
    assert (facts.by.value, facts.by.cases) == (0.0, 2)
    other = await laboratory.evaluate("extractive", cases=CASES[:1])
    with pytest.raises(BadCase, match="other cases"):
        service.compare_reports([first, other])
    stranger = laboratory.database.other_tenant_id
    assert await service.list_runs(database, tenant_id=stranger) == []
    with pytest.raises(UnknownRun):
        await service.report(database, tenant_id=stranger, run_id=first.run.id)
    with pytest.raises(UnknownRun):
        await service.report(database, tenant_id=tenant_id, run_id=new_id())


async def test_the_page_needs_no_script_and_no_network(laboratory: Laboratory) -> None:
    report = await laboratory.evaluate("smollm2-135m", "extractive", cases=CASES)
    written = page("summarize <b>& more", {"run": "<script>"}, report.comparison, report.cases)
    assert written.count("<svg") == 3
    assert "<script" not in written
    assert "summarize &lt;b&gt;&amp; more" in written
    assert "Quux" not in written
    addresses = {part.split('"')[0] for part in written.split('"http')[1:]}
    assert addresses <= {"://www.w3.org/2000/svg", "://www.w3.org/1999/xlink"}
    assert page("summarize <b>& more", {"run": "<script>"}, report.comparison, report.cases) == written


async def test_any_deployment_can_be_tried_with_any_prompt_set(laboratory: Laboratory) -> None:
    tenant_id: UUID = laboratory.sponsor.tenant_id

    async def find(deployment: str, prompt_set: str | None) -> str | None:
        async with laboratory.runtime.database.tenant(tenant_id) as session:
            found = await trial_member(
                session,
                tenant_id=tenant_id,
                task_type="summarize",
                deployment=deployment,
                prompt_set=prompt_set,
            )
        return found.prompt_name if found is not None else None

    assert await find("smollm2-135m", None) == "small"
    assert await find("smollm2-135m", "default") == "default"
    assert await find("smollm2-135m", "no such prompts") is None
    assert await find("nobody", None) is None
    async with laboratory.runtime.database.tenant(tenant_id) as session:
        assert await deployment_names(session, tenant_id=tenant_id) == ["extractive", "smollm2-135m"]
