"""formula: an Excel formula for what the member describes, checked by a parser before it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.copilot.checks import check_language, check_plain
from app.copilot.datamark import mark_for
from app.copilot.formulas import Area, CheckedFormula, check_formula, in_german
from app.copilot.json_asking import JsonQuestion, Shown, ask_json, text_of
from app.copilot.result_schemas import METHODS, list_of
from app.copilot.types import Inputs, Outcome, StepContext, TaskType
from app.copilot.work import Work, WorkFacts, one_pass
from app.documents.inline import place_of
from app.documents.segments import ExcelAnchor, Segment
from app.documents.tokens import estimate_tokens
from app.llm.errors import InvalidOutput
from app.vocabulary import StepKind

_MOST_ROWS, _MOST_CELLS, _MOST_CHARACTERS = 8, 400, 80
_SAMPLE_TOKENS = 4_000
_EXPLANATION_CHARACTERS = 1_200


class FormulaParameters(BaseModel):
    """What the formula is to work out, and the locale of the Excel in which it will be typed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    instruction: str = Field(min_length=1, max_length=2_000)
    locale: str = Field("en-US", pattern=r"^[a-z]{2}(-[A-Z]{2})?$")


async def _run(context: StepContext) -> Outcome:
    parameters = FormulaParameters.model_validate(context.parameters.model_dump())
    cells = [
        (place_of(one.anchor.a1), one) for one in context.segments if isinstance(one.anchor, ExcelAnchor)
    ]
    language = parameters.locale[:2]
    sample = _sample(cells)
    area = _area(cells)

    def take(answer: Mapping[str, Any]) -> tuple[CheckedFormula, str]:
        formula = check_formula(text_of(answer["formula"]), area)
        explanation = " ".join(text_of(answer["explanation"]).split())
        if not explanation or len(explanation) > _EXPLANATION_CHARACTERS:
            raise InvalidOutput(f"wrong_length: the explanation has {len(explanation)} characters")
        check_plain(explanation, parameters.instruction, "the explanation")
        check_language(explanation, language)
        return formula, explanation

    question = JsonQuestion(
        task_type="formula",
        prompts=("system", "instruction", "rules"),
        properties={"formula": {"type": "string"}, "explanation": {"type": "string"}},
        language=language,
        values={"instruction": parameters.instruction, "worksheet": "" if area is None else area.worksheet},
        output_tokens=1_500,
        shown=sample,
        mark=mark_for(context.mark_key, "\n".join(one.text for one in sample)),
        tokens=sum(estimate_tokens(one.text) for one in sample),
    )
    (formula, explanation), method = await ask_json(context, question, take)
    localized = in_german(formula.text) if language == "de" else formula.text if language == "en" else None
    result = {
        "formula": formula.text,
        "localized": localized,
        "explanation": explanation,
        "functions": list(formula.functions),
        "references": list(formula.references),
        "locale": parameters.locale,
        "method": method,
    }
    return Outcome(output={}, result=result)


def _sample(cells: Sequence[tuple[tuple[int, int], Segment]]) -> tuple[Shown, ...]:
    """The header and the first rows, cell by cell."""
    if not cells:
        return ()
    top = min(row for (row, _), _ in cells)
    chosen = [one for (row, _), one in cells if row < top + _MOST_ROWS][:_MOST_CELLS]
    return tuple(
        Shown(one.anchor.a1, one.text[:_MOST_CHARACTERS])
        for one in chosen
        if isinstance(one.anchor, ExcelAnchor)
    )


def _area(cells: Sequence[tuple[tuple[int, int], Segment]]) -> Area | None:
    if not cells:
        return None
    rows, columns = [row for (row, _), _ in cells], [column for (_, column), _ in cells]
    anchor = cells[0][1].anchor
    worksheet = anchor.worksheet if isinstance(anchor, ExcelAnchor) else ""
    return Area(worksheet, min(rows), min(columns), max(columns))


def _first_step(estimated_tokens: int, context_tokens: int) -> StepKind:
    del estimated_tokens, context_tokens
    return StepKind.FINAL


def _reads(estimated_tokens: int, _context_tokens: int) -> int:
    return min(estimated_tokens, _SAMPLE_TOKENS)


def _work(facts: WorkFacts) -> Work:
    sample = _reads(facts.tokens, facts.context_tokens)
    return one_pass(replace(facts, tokens=sample, segments=min(facts.segments, _MOST_CELLS)))


_RESULT: Mapping[str, Any] = {
    "formula": {"type": "string", "description": "as Range.formulas takes it: English names, commas"},
    "localized": {
        "type": ["string", "null"],
        "description": "as it is typed in the locale; null where the names are not known",
    },
    "explanation": {"type": "string"},
    "functions": list_of({"type": "string"}),
    "references": list_of({"type": "string"}),
    "locale": {"type": "string"},
    "method": {"enum": list(METHODS)},
}
TASK_TYPE = TaskType(
    name="formula",
    title={"en": "Formula", "de": "Formel"},
    description={
        "en": "An Excel formula for what you describe, checked by a parser, with an explanation.",
        "de": "Eine Excel-Formel für das, was Sie beschreiben, von einem Parser geprüft, mit einer Erklärung.",
    },
    parameters=FormulaParameters,
    inputs=Inputs(least=0, text=False, cells=True, documents=False),
    result={"type": "object", "required": list(_RESULT), "properties": _RESULT},
    first_step=_first_step,
    run=_run,
    reads=_reads,
    work=_work,
)
