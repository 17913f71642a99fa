import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console, Group

from app.copilot.catalog import task_types
from app.local.display import finished_job
from app.local.results import answer
from app.local.showing import title_of

_PLACE = {"document": 0, "segment": 4, "anchor": {"type": "text", "line": 5}, "quote": "q"}
_LATER = {"document": 1, "segment": 7, "anchor": {"type": "excel", "worksheet": "Costs", "a1": "B7"}}


def _shown(result: dict[str, Any], documents: Sequence[str] = ()) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(Group(*answer(result, documents)))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def _sample(schema: dict[str, Any], name: str) -> Any:
    """A value of the schema with its own name in every text."""
    if "enum" in schema:
        return schema["enum"][-1]
    kinds = schema.get("type", "string")
    match kinds if isinstance(kinds, str) else kinds[0]:
        case "object":
            return {key: _sample(of, key) for key, of in schema.get("properties", {}).items()}
        case "array":
            return [_sample(schema["items"], name)] if schema.get("items") else []
        case "integer" | "number":
            return 0
        case "boolean":
            return True
        case _:
            return f"a {name}"


@pytest.mark.parametrize("name", sorted(task_types()))
def test_every_result_of_the_catalogue_is_drawn_for_people(name: str) -> None:
    result = _sample(dict(task_types()[name].result), "result")
    shown = _shown(result)
    assert "{" not in shown
    assert any(word in shown for word in ("a text", "a suggestion", "a label", "a title", "a formula"))


def test_slides_are_a_list_with_bullets_notes_and_places() -> None:
    line = {"text": "Costs fell.", "sources": [_PLACE, _PLACE]}
    said = {"text": "Say [red]this[/red].", "sources": []}
    shown = _shown({"slides": [{"title": "One", "bullets": [line], "notes": [said]}] * 2})
    slide = ["   • Costs fell. (line 5)", "   Notes: Say [red]this[/red]."]
    assert shown.splitlines() == ["1. One", *slide, "", "2. One", *slide]


def test_actions_are_a_table_and_decisions_a_list() -> None:
    action = {"text": "Order paint", "owner": "Ada", "due": None, "citations": [_PLACE]}
    decision = {"text": "No more paint.", "citations": [_PLACE]}
    lines = _shown({"actions": [action], "decisions": [decision]}, ["a.md", "b.md"]).splitlines()
    assert lines[0].split() == ["Action", "Owner", "Due", "Place"]
    assert [cell.strip() for cell in lines[1].split("  ") if cell] == [
        "Order paint",
        "Ada",
        "–",
        "a.md, line 5",
    ]
    assert lines[2:] == ["", "Decisions", "   • No more paint. (a.md, line 5)"]


def test_corrections_are_shown_as_before_and_after_with_what_they_may_break() -> None:
    issue = {**_PLACE, "find": "teh", "suggestion": "the", "kind": "spelling", "changes": None}
    name = {**issue, "find": "Smiht", "suggestion": "Smith", "changes": "name"}
    shown = _shown({"issues": [issue, name], "file": None})
    assert "line 5  teh → the" in shown
    assert "Smiht → Smith   spelling, changes a name" in shown


def test_rows_have_their_label_or_why_there_is_none() -> None:
    row = {**_PLACE, "client_ref": None, "label": "late", "error": None}
    shown = _shown({"rows": [row, {**row, "client_ref": "r2", "label": None, "error": "not_read"}]})
    assert [line.split() for line in shown.splitlines()[1:]] == [["line", "5", "late"], ["r2", "not", "read"]]


def test_changes_name_their_place_and_a_citation_the_change_it_is_of() -> None:
    changed = {
        "kind": "changed",
        "before": {**_PLACE, "text": "12 %"},
        "after": {**_LATER, "text": "15 %"},
        "figures": {},
    }
    removed = {"kind": "removed", "before": {**_PLACE, "text": "gone"}, "after": None, "figures": {}}
    citation = {"change": 0, "quote": "15 %", "sentence": 0}
    result = {"text": "Costs rose. [1]", "citations": [citation], "changes": [changed, removed]}
    shown = _shown(result, ["old.xlsx", "new.xlsx"])
    assert "changed  new.xlsx, Costs!B7  12 % → 15 %" in shown
    assert "removed  old.xlsx, line 5    gone →" in shown
    console = Console(file=io.StringIO(), width=120)
    job = {"id": "7", "state": "succeeded", "result": result}
    console.print(finished_job(job, seconds=1, name="x", documents=["old.xlsx", "new.xlsx"]))
    assert isinstance(console.file, io.StringIO)
    assert "change 1: new.xlsx, Costs!B7" in console.file.getvalue()


def test_a_formula_stands_with_its_explanation_and_as_it_is_typed() -> None:
    formula = {
        "formula": "=SUM(A1,B1)",
        "localized": "=SUMME(A1;B1)",
        "explanation": "Adds.",
        "locale": "de-DE",
    }
    shown = _shown(formula)
    assert shown.splitlines() == ["=SUM(A1,B1)", "=SUMME(A1;B1)   (as it is typed in de-DE)", "", "Adds."]
    assert _shown({**formula, "localized": "=SUM(A1,B1)"}).count("=SUM") == 1


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"actions": [], "decisions": []}, "No actions and no decisions are in there."),
        ({"issues": []}, "Nothing to correct was found."),
        ({"text": "", "changes": [], "citations": []}, "Nothing has changed."),
    ],
)
def test_nothing_found_is_said(result: dict[str, Any], words: str) -> None:
    assert _shown(result) == words


def test_what_this_version_does_not_know_is_shown_as_json_instead_of_an_empty_box() -> None:
    assert '"terms": [' in _shown({"terms": ["a"], "coverage": {"segments": 1}})
    assert _shown({"coverage": {"segments": 1}, "notes": {}}) == ""


def test_a_task_type_is_called_as_in_the_catalogue() -> None:
    assert [title_of(name) for name in ("outline_slides", "extract_actions", "gone")] == [
        "Outline slides",
        "Find actions",
        "gone",
    ]
