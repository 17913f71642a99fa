"""proofread: issues that are there, kinds that were asked for, corrections in their formatting."""

from typing import Any

import pytest

from app.copilot.proofread import ProofreadParameters
from app.documents.inline import InlineSegment, read_inline_segments
from app.documents.segments import Run, RunKind, Segment
from app.vocabulary import StepKind
from tests.copilot.conftest import MemoryJob, NobodyAnswered, ScriptedProvider, document
from tests.copilot.scripted import answers

TEXT = "We recieve the 12 goods and than we recieve the bill, which the office pays on the next day."


def issue(find: str, suggestion: str, occurrence: int = 1, kind: str = "spelling") -> dict[str, Any]:
    return {"find": find, "occurrence": occurrence, "suggestion": suggestion, "kind": kind}


def finds(*issues: dict[str, Any]) -> ScriptedProvider:
    return answers(lambda _: {"issues": list(issues)})


def job(*providers: ScriptedProvider, segments: list[Segment] | None = None, **values: Any) -> MemoryJob:
    parameters = ProofreadParameters.model_validate(values)
    return MemoryJob(segments or document(TEXT), parameters, providers=providers, task_type="proofread")


async def test_each_issue_names_its_words_and_which_of_them_it_is() -> None:
    asked = job(finds(issue("recieve", "receive", 2), issue("than", "then", kind="wording")))
    result = dict((await asked.run()).result or {})
    assert [(one["find"], one["occurrence"], one["suggestion"]) for one in result["issues"]] == [
        ("than", 1, "then"),
        ("recieve", 2, "receive"),
    ]
    assert (result["coverage"]["ratio"], result["operations"], result["notes"]) == (1.0, [], {})


async def test_what_does_not_occur_is_removed_and_counted_and_overlaps_are_one_issue() -> None:
    asked = job(
        finds(
            issue("recieve", "receive"), issue("recieve the", "receive the"), issue("recieve", "receive", 2),
            issue("recieve", "receive", 3), issue("than", "than"),
        )
    )  # fmt: skip
    result = dict((await asked.run()).result or {})
    assert [one["occurrence"] for one in result["issues"]] == [1, 2]
    assert result["notes"] == {"removed_issues": 3}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (issue("gods", "goods"), "not_found"),
        (issue("x" * 300, "y"), "not_found"),
        (issue("12 goods", "goods"), "missing_figure"),
        (issue("12 goods", "12 of 15 goods"), "unsupported_figure"),
        (issue("than", "then <b>"), "markup"),
        (issue("than", "then " + "really " * 20), "too_long"),
        (issue("than", "then", kind="style"), "wrong_kind"),
        ({"find": "than"}, "not_the_schema"),
    ],
)
async def test_what_must_not_pass_is_rejected(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(NobodyAnswered, match=code):
        await job(finds(wrong)).run()


MAIL = (
    "We met Maria Keller of Contoso on Wensday, and she said that the Fahrkorb were late by 12.5 days in all."
)


@pytest.mark.parametrize(
    ("wrong", "terms", "changes"),
    [
        (issue("Keller", "Kellner"), [], "name"),
        (issue("Maria Keller of Contoso", "Maria Keller of Consoto"), [], "name"),
        (issue("she said", "Mr Smith said"), [], "name"),
        (issue("Keller of Contoso", "Keller, of Contoso"), [], None),
        (issue("Contoso", "Contoso's"), [], None),
        (issue("Wensday", "Wednesday"), [], None),
        (issue("were", "was", kind="grammar"), ["Fahrkorb"], None),
        (issue("Fahrkorb were", "lift was", kind="grammar"), ["Fahrkorb"], "term"),
    ],
)
async def test_a_correction_that_may_make_another_name_or_term_says_so_and_is_applied_by_nobody(
    wrong: dict[str, Any], terms: list[str], changes: str | None
) -> None:
    asked = job(finds(wrong), segments=document(MAIL), terms=terms, output="operations")
    result = dict((await asked.run()).result or {})
    assert [one["changes"] for one in result["issues"]] == [changes]
    assert len(result["operations"]) == (changes is None)
    assert result["notes"] == ({"unapplied_issues": 1} if changes else {})


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (issue(".", "", 1), "missing_figure"),
        (issue("days", "12.5 days"), "unsupported_figure"),
    ],
)
async def test_a_correction_beside_a_number_makes_no_other_of_it(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(NobodyAnswered, match=code):
        await job(finds(wrong), segments=document(MAIL)).run()


async def test_strict_asks_for_more_kinds() -> None:
    asked = job(finds(issue("than", "then", kind="style")), strictness="strict")
    assert dict((await asked.run()).result or {})["issues"][0]["kind"] == "style"


async def test_operations_write_suggestions_into_the_runs_and_leave_what_is_opaque() -> None:
    runs = (
        Run("We "),
        Run("recieve", 1),
        Run(" the goods"),
        Run("\t", 2, RunKind.TAB),
        Run("than the bill."),
    )
    segments = [*read_inline_segments([InlineSegment("p1", "".join(r.text for r in runs), runs)]).segments]
    asked = job(
        finds(issue("recieve the", "receive the"), issue("goods than", "goods, then")),
        segments=segments,
        output="operations",
    )
    (operation,) = dict((await asked.run()).result or {})["operations"]
    assert operation["runs"] == [
        ["We "],
        ["receive", 1],
        [" the goods,"],
        ["\t", 2, "tab"],
        ["then the bill."],
    ]
    assert operation["client_ref"] == "p1"


_TERMS = (
    Run("The "),
    Run("harbor", 1),
    Run(" mastre", 2),
    Run(" sees dock "),
    Run("Nord", 3, RunKind.FIELD),
    Run(" tomorow.  Then"),
    Run("", 4, RunKind.NOTE),
    Run(" he goes"),
)


@pytest.mark.parametrize(
    ("issues", "written", "kept", "unapplied"),
    [
        ([issue("harbor mastre", "harbour master")], ["The ", "harbour", " master", ...], "ok", 0),
        ([issue("harbor mastre", "skipper")], ["The ", "skipper", ...], "degraded", 0),
        ([issue("harbor mastre", "")], ["The  sees dock ", ...], "ok", 0),
        (
            [issue("dock Nord tomorow", "dock Nord tomorrow")],
            [..., "Nord", " tomorrow.  Then", "", " he goes"],
            "ok",
            0,
        ),
        ([issue("dock Nord", "dock North"), issue("harbor", "harbour")], ["The ", "harbour", ...], "ok", 1),
        ([issue("dock Nord", "dock North")], None, "ok", 1),
        (
            [issue("tomorow.  Then he", "tomorrow. Then, he")],
            [..., " tomorrow. Then,", "", " he goes"],
            "ok",
            0,
        ),
        ([issue("The harbor", "Then the harbor")], ["Then the ", "harbor", ...], "ok", 0),
        ([issue("goes", "goes.")], [..., " he goes."], "ok", 0),
    ],
)
async def test_a_file_says_truly_what_was_corrected_and_which_formatting_is_kept(
    issues: list[dict[str, Any]], written: list[Any] | None, kept: str, unapplied: int
) -> None:
    text = "".join(run.text for run in _TERMS)
    segments = [*read_inline_segments([InlineSegment("p1", text, _TERMS)]).segments]
    asked = job(finds(*issues), segments=segments, output="file")
    outcome = await asked.run()
    assert outcome.file is not None
    assert dict(outcome.result or {})["notes"].get("unapplied_issues", 0) == unapplied
    if written is None:
        assert not outcome.file.operations
        return
    (operation,) = outcome.file.operations
    texts = [run.text for run in operation.runs]
    old = [run.text for run in _TERMS]
    if written[0] is ...:
        assert texts[-len(written) + 1 :] == written[1:]
        assert texts[0] == old[0]
    else:
        assert texts[: len(written) - 1] == written[:-1]
        assert texts[-1] == old[-1]
    assert operation.kept == kept
    assert [run for run in operation.runs if run.kind != "text"] == [
        run for run in _TERMS if run.kind != "text"
    ]


async def test_a_dead_part_makes_the_result_partial_and_names_its_segments() -> None:
    segments = document(
        *(f"Ship {at} lies in the harbour, the crew recieve their pay on friday." for at in range(100)),
        "2027",
    )
    asked = MemoryJob(
        segments, ProofreadParameters(), providers=[finds(issue("recieve", "receives"))], task_type="proofread",
        dies=lambda kind, at: kind is StepKind.MAP and at == 0,
    )  # fmt: skip
    outcome = await asked.run()
    result = dict(outcome.result or {})
    dead = {piece[0] for piece in asked.steps[0].input["pieces"]}
    assert outcome.partial
    assert set(result["missing"]) == dead
    shares = result["coverage"]
    assert (shares["segments"], shares["not_asked"], shares["processed"]) == (101, 1, 100 - len(dead))
    assert shares["ratio"] == pytest.approx((100 - len(dead)) / 100, abs=0.001)
    assert {one["segment"] for one in result["issues"]} == set(range(100)) - dead
