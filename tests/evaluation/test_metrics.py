"""What a trial is measured by."""

import json
from typing import Any

import pytest

from app.core.clock import new_id
from app.evaluation.case_files import Case
from app.evaluation.metrics import METRICS, rouge_l, said, score
from app.evaluation.trial import RawAnswer, TrialOutcome, TrialResult, read_documents
from app.llm.types import Block
from app.vocabulary import SegmentKind, StepKind

SOURCE = "Revenue rose by 12 percent to 3,500 euros in the third quarter, said Maria Keller."
BLOCKS = (Block("B1", SOURCE, SegmentKind.PARAGRAPH),)


def case(**changes: Any) -> Case:
    values: dict[str, Any] = {"id": "one", "language": "en", "documents": (SOURCE,), **changes}
    return Case.model_validate(values)


def raw(text: str, quote: str = "Revenue rose by 12 percent", **changes: Any) -> RawAnswer:
    answer = {"sentences": [{"text": text, "citations": [{"block": "B1", "quote": quote}]}]}
    return RawAnswer(StepKind.FINAL, json.dumps(answer), BLOCKS, **changes)


def answered(of: Case, text: str, *answers: RawAnswer, quote: str = SOURCE) -> TrialResult:
    return TrialResult(
        id=new_id(),
        outcome=TrialOutcome.ANSWERED,
        result={
            "text": text,
            "citations": [{"segment": 0, "quote": quote}],
            "coverage": {"ratio": 1.0, "cited_ratio": 0.5},
        },
        answers=list(answers),
        segments=read_documents(of),
        calls=1,
        seconds=2.0,
        output_tokens=30,
    )


def test_a_delivered_answer_is_measured_by_what_it_says() -> None:
    of = case(contains=("12 percent", "Berlin|Maria Keller", "Munich"), excludes=("fell",), words=(3, 20))
    found = score(
        of, answered(of, "Revenue rose by 12 percent, said Maria Keller. [1]", raw("Revenue rose."))
    )
    assert found["facts"] == pytest.approx(2 / 3)
    wanted = {"answered": 1.0, "refused": 0.0, "quotes": 1.0, "quotes_before": 1.0, "unsupported": 0.0}
    wanted |= {"coverage": 1.0, "cited": 0.5, "length": 1.0, "forbidden": 0.0, "seconds": 2.0}
    assert {name: found[name] for name in wanted} == wanted
    assert (found["rouge_l"], found["cost_micros"]) == (None, 0.0)
    assert set(found) == set(METRICS)


def test_a_marker_of_a_citation_is_no_number() -> None:
    of = case()
    assert score(of, answered(of, "Revenue rose. [7]"))["unsupported"] is None


def test_ids_of_parts_and_tags_of_formatting_are_no_numbers() -> None:
    answer = {"parts": [{"id": "B7", "text": "Revenue <g3>rose</g3> again.<x8/>"}]}
    of = case()
    written = RawAnswer(StepKind.FINAL, json.dumps(answer), BLOCKS)
    assert score(of, answered(of, "Revenue rose again.", written))["unsupported_before"] is None


def test_a_refused_answer_counts_before_the_checks_and_not_after() -> None:
    trial = TrialResult(
        id=new_id(),
        outcome=TrialOutcome.REFUSED,
        answers=[raw("Revenue rose by 12 percent to 99 euros.", refusal="unsupported_figure")],
        calls=1,
    )
    found = score(case(contains=("12 percent",)), trial)
    assert (found["answered"], found["refused"], found["unsupported_before"]) == (0.0, 1.0, 0.5)
    assert [found[name] for name in ("unsupported", "quotes", "facts", "language", "length")] == [None] * 5


def test_a_quote_that_its_block_does_not_say_is_not_verified() -> None:
    of = case()
    invented = raw("Revenue rose.", quote="Revenue doubled within a single year")
    found = score(of, answered(of, "Revenue rose.", raw("Revenue rose."), invented, quote="Revenue doubled"))
    assert (found["quotes_before"], found["quotes"]) == (0.5, 0.0)


def test_a_trial_without_a_request_says_nothing_about_latency_or_cost() -> None:
    found = score(case(), TrialResult(id=new_id(), outcome=TrialOutcome.INELIGIBLE))
    assert {name: value for name, value in found.items() if value is not None} == {
        "answered": 0.0,
        "refused": 0.0,
    }


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("The revenue of the company rose by a tenth during the third quarter of the year.", 1.0),
        ("Der Umsatz des Unternehmens stieg im dritten Quartal des Jahres um ein Zehntel.", 0.0),
        ("Up.", None),
    ],
)
def test_language_is_told_where_there_is_enough_to_tell(text: str, *, right: float | None) -> None:
    of = case()
    assert score(of, answered(of, text))["language"] == right


def test_facts_are_whole_words_however_they_are_spaced() -> None:
    of = case(contains=("3,500 euros", "art"))
    assert score(of, answered(of, "It made 3,500\u00a0euros in part."))["facts"] == 0.5


def test_an_answer_that_is_no_json_is_measured_as_a_text() -> None:
    plain = RawAnswer(StepKind.FINAL, "Revenue rose by 99 percent", BLOCKS, refusal="not_the_schema")
    trial = TrialResult(id=new_id(), outcome=TrialOutcome.REFUSED, answers=[plain], calls=1)
    assert score(case(), trial)["unsupported_before"] == 1.0


def test_what_is_said_leaves_out_quotes_and_places() -> None:
    value = {"issues": [{"find": "teh", "suggestion": "the", "anchor": {"type": "text"}, "kind": "spelling"}]}
    assert said(value) == "the"


def test_rouge_l_is_the_longest_common_subsequence_in_every_language() -> None:
    assert rouge_l("the cat sat on the mat", "the cat lay on the mat", "en") == pytest.approx(5 / 6)
    assert rouge_l("Größe zählt überall", "größe zählt nirgends", "de") == pytest.approx(2 / 3)


def test_rows_are_right_one_by_one() -> None:
    of = case(labels=("late", "broken", "late"))
    trial = answered(of, "")
    trial.result = {"rows": [{"label": "late"}, {"label": "late"}]}
    assert score(of, trial)["facts"] == pytest.approx(1 / 3)


def test_citations_are_found_wherever_a_result_has_them() -> None:
    of = case()
    trial = answered(of, "")
    right, wrong = {"segment": 0, "quote": "Maria Keller"}, {"segment": 9, "quote": "Maria Keller"}
    trial.result = {
        "actions": [{"text": "Call.", "citations": [right]}, {"text": "Go.", "citations": [wrong]}]
    }
    assert score(of, trial)["quotes"] == 0.5
