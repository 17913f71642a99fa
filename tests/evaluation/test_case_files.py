"""Our cases fit their task types, and a tenant's file is read or refused in words."""

import json
from collections import Counter

import pytest

from app.copilot.catalog import task_types
from app.core.clock import new_id
from app.evaluation.aclsum import aclsum_cases
from app.evaluation.case_files import check_fit, digest, dump_lines, own_cases, own_task_types, read_lines
from app.evaluation.errors import BadCase
from app.evaluation.metrics import score
from app.evaluation.service import DataSet
from app.evaluation.trial import TrialOutcome, TrialResult


@pytest.mark.parametrize("task_type", own_task_types())
def test_every_task_type_has_twenty_cases_in_three_languages(task_type: str) -> None:
    cases = own_cases(task_type)
    languages = Counter(case.language for case in cases)
    assert len(cases) >= 20
    assert min(languages[code] for code in ("en", "de", "fr")) >= 5
    assert len({case.id for case in cases}) == len(cases)


@pytest.mark.parametrize("task_type", own_task_types())
def test_every_case_can_be_scored_without_a_reference(task_type: str) -> None:
    for case in own_cases(task_type):
        assert case.contains or case.excludes, case.id
        empty = TrialResult(new_id(), TrialOutcome.ANSWERED, result={"text": ""})
        facts = score(case, empty)["facts"]
        assert facts in {0.0, None}, case.id


@pytest.mark.parametrize("task_type", sorted(task_types()))
def test_our_cases_fit_the_schema_of_their_task_type(task_type: str) -> None:
    cases = own_cases(task_type)
    assert cases, f"write cases/{task_type}.yaml"
    for case in cases:
        check_fit(case, task_types()[task_type])


def test_a_summary_that_is_in_the_text_can_hold_every_fact_of_its_case() -> None:
    for case in own_cases("summarize"):
        whole = TrialResult(new_id(), TrialOutcome.ANSWERED, result={"text": "\n".join(case.documents)})
        found = score(case, whole)
        assert (found["facts"], found["forbidden"] or 0.0) == (1.0, 0.0), case.id


def test_a_file_of_lines_is_read_as_it_was_written() -> None:
    cases = own_cases("summarize")
    again = read_lines(dump_lines(cases), "mine")
    assert again == cases
    assert digest(again) == digest(cases)
    assert digest(again[1:]) != digest(cases)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no case"),
        (b"{", "mine, line 1: not a JSON object"),
        (b'\n{"id": "a", "language": "english"}', "mine, line 2: language"),
        (b'{"id": "a", "language": "en", "expected": 1}', "expected: Extra inputs"),
        (b'{"id": "a", "language": "en"}\n' * 2, "names cases twice: a"),
    ],
)
def test_a_wrong_file_is_refused_in_words(content: bytes, said: str) -> None:
    with pytest.raises(BadCase) as refused:
        read_lines(content, "mine")
    assert said in refused.value.message


def test_a_case_that_does_not_fit_is_refused_before_anything_is_asked() -> None:
    line = {"id": "a", "language": "en", "documents": ["Text."], "parameters": {"length": "endless"}}
    (case,) = read_lines(json.dumps(line).encode(), "mine")
    with pytest.raises(BadCase, match="Case a: length"):
        check_fit(case, task_types()["summarize"])


def test_few_cases_are_taken_from_every_language() -> None:
    few = DataSet("own", own_cases("summarize")).first(6)
    assert Counter(case.language for case in few.cases) == {"en": 2, "de": 2, "fr": 2}


def test_aclsum_has_papers_with_references() -> None:
    papers = aclsum_cases()
    assert len(papers) >= 100
    assert all(paper.reference and len(paper.documents[0]) > 1000 for paper in papers)
