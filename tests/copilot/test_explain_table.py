"""explain_table: rows and figures over columns, findings with their cells, no figure of the model's own."""

from dataclasses import replace
from typing import Any

import pytest
from xlsxwriter.workbook import Workbook

from app.copilot.answer_language import in_askers_language
from app.copilot.asking import Asked, checked_parameters
from app.copilot.catalog import task_types
from app.copilot.explain_table import ExplainTableParameters
from app.copilot.table_view import as_table
from app.documents.inline import CellRange, Value, read_cells
from app.documents.readers import xlsx
from app.documents.reading import read
from app.documents.segments import ExcelAnchor, Segment
from app.tenants.members import NOTHING_KNOWN
from app.vocabulary import StepKind
from tests.copilot.conftest import (
    MemoryJob,
    NobodyAnswered,
    ScriptedProvider,
    claims_json,
    document,
    echo_first,
)
from tests.documents.workbooks import workbook

SALES = CellRange(
    "Sales",
    "B3",
    [["Month", "Revenue"], ["January", 100.5], ["February", 300], ["March", None], ["April", -20]],
)


def cells(table: CellRange = SALES) -> list[Segment]:
    return [*read_cells(table).segments]


def job(*providers: ScriptedProvider, segments: list[Segment] | None = None, **values: Any) -> MemoryJob:
    parameters = ExplainTableParameters.model_validate(values)
    return MemoryJob(segments or cells(), parameters, providers=providers, task_type="explain_table")


def says(text: str, block: str, quote: str) -> ScriptedProvider:
    return ScriptedProvider(lambda _: claims_json((text, block, quote)))


def test_a_range_is_read_as_header_figures_and_rows_each_at_its_place() -> None:
    found = {s.anchor.a1: s.text for s in as_table(cells()) if isinstance(s.anchor, ExcelAnchor)}
    assert found == {
        "B3:C3": "Month | Revenue",
        "B4:B7": "Month: 4 texts, 4 different, most often January (1), February (1), March (1), April (1)",
        "C4:C7": "Revenue: 3 numbers, minimum -20, maximum 300, mean 126.833333333333, sum 380.5; 1 empty",
        "B4:C4": "January | 100.5",
        "B5:C5": "February | 300",
        "B6:C6": "March | ",
        "B7:C7": "April | -20",
    }
    assert [s.index for s in as_table(cells())] == list(range(7))


def test_what_is_no_range_of_cells_stays_as_it_is() -> None:
    text = document("Revenue rose.")
    assert as_table(text) is text


async def test_a_finding_names_its_cells_and_may_use_what_code_worked_out() -> None:
    asked = job(says("The revenue is 380.5 in sum.", "B3", "Revenue: 3 numbers, minimum -20"))
    result = dict((await asked.run()).result or {})
    assert result["findings"] == [
        {
            "text": "The revenue is 380.5 in sum.",
            "anchors": [{"type": "excel", "worksheet": "Sales", "a1": "C4:C7"}],
        }
    ]
    assert (result["coverage"]["ratio"], result["citations"][0]["anchor"]["a1"]) == (1.0, "C4:C7")


@pytest.mark.parametrize("text", ["The revenue is 381 in sum.", "The revenue fell by 280 from the top."])
async def test_a_figure_that_no_cell_has_and_code_did_not_work_out_is_rejected(text: str) -> None:
    with pytest.raises(NobodyAnswered, match="unsupported_figure"):
        await job(says(text, "B3", "Revenue: 3 numbers, minimum -20")).run()


async def test_a_large_range_is_read_in_parts_with_the_question_in_each() -> None:
    rows: list[list[Value]] = [[f"The ship of the harbour number {at}", at] for at in range(900)]
    provider = ScriptedProvider(echo_first)
    asked = job(
        provider,
        segments=cells(CellRange("S", "A1", [["Ship", "Crew"], *rows])),
        question="Which is the largest?",
    )
    result = dict((await asked.run()).result or {})
    assert {StepKind.MAP, StepKind.FINAL} <= {step.kind for step in asked.steps}
    assert all("Which is the largest?" in seen[0].content for seen in provider.seen)
    assert result["coverage"]["ratio"] == 1.0


def book(*rows: list[Any]) -> list[Segment]:
    def fill(made: Workbook) -> None:
        sheet = made.add_worksheet("Sales")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)

    return [*xlsx.read(workbook(fill)).segments]


async def test_a_table_of_an_uploaded_workbook_has_figures_over_its_columns_too() -> None:
    segments = book(
        ["Month", "Revenue", "Note"], ["January", 100.5, ""], ["February", 300, "high"], ["", 3, ""]
    )
    found = {s.anchor.a1: s.text for s in as_table(segments) if isinstance(s.anchor, ExcelAnchor)}
    assert found["B2:B4"] == "Revenue: 3 numbers, minimum 3, maximum 300, mean 134.5, sum 403.5"
    assert found["C2:C4"] == "Note: 1 texts, 1 different, most often high (1); 2 empty"
    assert [s.text for s in segments] == [
        s.text for s in as_table(segments) if s.text in {t.text for t in segments}
    ]
    asked = job(
        says("The revenue is 403.5 in sum.", "B4", "Revenue: 3 numbers, minimum 3"), segments=segments
    )
    result = dict((await asked.run()).result or {})
    assert result["findings"][0]["anchors"] == [{"type": "excel", "worksheet": "Sales", "a1": "B2:B4"}]
    assert result["coverage"]["ratio"] == 1.0


def test_a_table_with_an_empty_corner_has_figures_too() -> None:
    segments = book(["", "Series 1", "Series 2"], ["Category 1", 4.3, 1], ["Category 2", 2.5, 2])
    found = {s.anchor.a1: s.text for s in as_table(segments) if isinstance(s.anchor, ExcelAnchor)}
    assert found["B2:B3"] == "Series 1: 2 numbers, minimum 2.5, maximum 4.3, mean 3.4, sum 6.8"


async def test_rows_that_only_lines_of_a_file_have_are_worked_out_too() -> None:
    segments = [*read("ships.csv", b"Ship,Crew\nAurora,12\nBoreas,30\n").segments]
    asked = job(says("The crew is 42 in sum.", "B3", "Crew: 2 numbers, minimum 12"), segments=segments)
    result = dict((await asked.run()).result or {})
    assert result["findings"][0]["anchors"] == [{"type": "text", "offset": 0, "length": 9, "line": 1}]
    assert (result["coverage"]["ratio"], result["coverage"]["segments"]) == (1.0, 5)


@pytest.mark.parametrize(
    "rows",
    [
        [["Month", "Revenue"], ["January", 1]],
        [["Month", "Revenue"], ["January | February", 1], ["March", 2]],
        [["Ship", "Crew"], *(["Aurora", at] for at in range(1_200))],
    ],
    ids=["one row", "a border within a cell", "many rows, whose figures the reader gives"],
)
def test_no_figures_are_added_where_they_would_say_nothing_be_wrong_or_twice(rows: list[list[Any]]) -> None:
    segments = book(*rows)
    assert as_table(segments) is segments


@pytest.mark.parametrize(
    ("given", "liked", "language"),
    [
        ({}, None, "und"),
        ({}, "de", "de"),
        ({"question": "Which month was better?"}, "de", "en"),
        ({"question": "Welcher Monat war besser?"}, None, "de"),
        ({"question": "Welcher Monat war besser?", "language": "en"}, "fr", "en"),
    ],
)
async def test_a_table_too_small_to_tell_is_explained_in_the_questions_language_or_the_askers(
    given: dict[str, str], liked: str | None, language: str
) -> None:
    task_type = task_types()["explain_table"]
    parameters = checked_parameters(task_type, given)
    asked = Asked(task_type, parameters, parameters, NOTHING_KNOWN)
    values = in_askers_language(asked, "und", liked)
    echo = job(says("100.5", "B4", "January | 100.5"), **values)
    assert echo.language == "und"
    assert dict((await echo.run()).result or {})["language"] == language


def test_a_text_that_tells_its_language_is_answered_in_it() -> None:
    task_type = task_types()["explain_table"]
    parameters = checked_parameters(task_type, {})
    asked = Asked(task_type, parameters, parameters, NOTHING_KNOWN)
    assert in_askers_language(asked, "fr", "de") == parameters
    summary = replace(asked, task_type=task_types()["summarize"], worded={})
    assert in_askers_language(summary, "und", "de") == {}
