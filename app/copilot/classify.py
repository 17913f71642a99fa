"""classify: a label for each row, in order; a row that cannot be labelled says so by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.copilot.json_asking import text_of
from app.copilot.parts import Part, PartsQuestion, ask_parts
from app.copilot.result_schemas import COVERAGE, METHODS, MISSING_AT, list_of
from app.copilot.stepwise import Answered, Joined, StepwiseTask, described, place_json
from app.copilot.types import Inputs, Outcome, StepContext, TaskType
from app.documents.segments import ExcelAnchor, Segment
from app.llm.errors import InvalidOutput
from app.vocabulary import SegmentKind

_TOKENS_PER_ROW = 40
_NOT_A_LABEL, _NOT_READ = "not_a_label", "not_read"


class ClassifyParameters(BaseModel):
    """The labels to choose from, and what they mean where their names do not say it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    labels: list[Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\n\r]*$")]] = Field(
        min_length=2, max_length=100
    )
    instruction: str | None = Field(None, min_length=1, max_length=1_000)

    @model_validator(mode="after")
    def _each_once(self) -> "ClassifyParameters":
        if len({label.casefold() for label in self.labels}) != len(self.labels):
            raise ValueError("the same label is named twice")
        return self


async def _answer(context: StepContext, parameters: ClassifyParameters, parts: Sequence[Part]) -> Answered:
    """Labels of a batch; the rows whose answer is no label are asked again by themselves, once."""
    labels = {label.casefold(): label for label in parameters.labels}

    def take(_: Part, answer: Mapping[str, Any]) -> str | None:
        return labels.get(text_of(answer["label"]).strip().casefold())

    def check(found: Sequence[str | None]) -> None:
        if sum(label is None for label in found) * 2 > len(found):
            raise InvalidOutput("not_a_label: most rows have a label that is not on the list")

    wishes = ["instruction"] if parameters.instruction else []

    def question(rows: Sequence[Part]) -> PartsQuestion:
        return PartsQuestion(
            task_type="classify",
            prompts=("system", *wishes, "rules"),
            fields={"label": {"type": "string", "enum": parameters.labels}},
            language="und",
            values={"labels": "\n".join(parameters.labels), "instruction": parameters.instruction or ""},
            output_tokens=100 + _TOKENS_PER_ROW * len(rows),
            tagged=False,
        )

    found, method = await ask_parts(context, question(parts), parts, take, check)
    again = [part for part, label in zip(parts, found, strict=True) if label is None]
    if again:
        second, _ = await ask_parts(context, question(again), again, take)
        better = {part.id: label for part, label in zip(again, second, strict=True)}
        found = [label or better.get(part.id) for part, label in zip(parts, found, strict=True)]
    items = [
        {"segment": part.piece.segment, "label": label} for part, label in zip(parts, found, strict=True)
    ]
    return Answered(items, method)


def _finish(context: StepContext, _: ClassifyParameters, joined: Joined) -> Outcome:
    # A row too long for one request has several parts; its first label that is one counts.
    labels: dict[int, str | None] = {}
    for item in joined.items:
        labels[item["segment"]] = labels.get(item["segment"]) or item["label"]
    rows = [
        {
            **place_json(context.segments[at]),
            "label": labels.get(at),
            "error": None if labels.get(at) else (_NOT_A_LABEL if at in labels else _NOT_READ),
        }
        for at in sorted(joined.asked)
    ]
    # A row is read when it has a label: what failed is missing, whatever it failed of.
    labelled = frozenset(at for at, label in labels.items() if label)
    wrong = dict.fromkeys(labels.keys() - labelled, InvalidOutput.code)
    told = described(context, replace(joined, read=labelled, reasons={**wrong, **joined.reasons}))
    return Outcome(output={}, result={"rows": rows, **told}, partial=bool(told["missing"]))


def _is_row(_: ClassifyParameters, segments: Sequence[Segment], at: int) -> bool:
    """Not the name of a worksheet, what code tells of its cells, nor the row that names a table's columns."""
    segment = segments[at]
    if segment.kind is SegmentKind.CELL_RANGE:
        return False
    if segment.kind is SegmentKind.HEADING:
        return not isinstance(segment.anchor, ExcelAnchor)
    if segment.kind is not SegmentKind.TABLE_ROW or segment.table_header is not None:
        return True
    return at + 1 == len(segments) or not segment.is_header_of(segments[at + 1])


_CLASSIFYING = StepwiseTask(
    "classify", ClassifyParameters, _answer, _finish, letters_only=False, takes=_is_row
)
_ROW: Mapping[str, Any] = {
    "type": "object",
    "required": ["document", "segment", "anchor", "client_ref", "label", "error"],
    "properties": {
        "document": {"type": "integer"},
        "segment": {"type": "integer"},
        "anchor": {"type": "object"},
        "client_ref": {"type": ["string", "null"]},
        "label": {"type": ["string", "null"]},
        "error": {"enum": [None, _NOT_A_LABEL, _NOT_READ]},
    },
}
_RESULT = {
    "rows": list_of(_ROW),
    "coverage": COVERAGE,
    "missing": list_of({"type": "integer"}),
    "missing_at": MISSING_AT,
    "method": {"enum": list(METHODS)},
    "notes": {"type": "object", "additionalProperties": {"type": "integer"}},
}
TASK_TYPE = TaskType(
    name="classify",
    title={"en": "Classify", "de": "Einordnen"},
    description={
        "en": "One of your labels for each row, in order; each segment, line of the text or row below a table's header is one.",
        "de": "Eine Ihrer Kategorien für jede Zeile, der Reihe nach; jedes Segment, jede Zeile des Textes oder unter einem Tabellenkopf ist eine.",
    },
    parameters=ClassifyParameters,
    inputs=Inputs(by_line=True),
    result={"type": "object", "required": list(_RESULT), "properties": _RESULT},
    first_step=_CLASSIFYING.first_step,
    run=_CLASSIFYING.run,
    work=_CLASSIFYING.work,
)
