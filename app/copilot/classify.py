"""classify: a label for each row, in order; a row that cannot be labelled says so by itself."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.copilot.json_asking import text_of
from app.copilot.parts import Part, PartsQuestion, ask_parts
from app.copilot.result_schemas import COVERAGE, METHODS, MISSING_AT, list_of
from app.copilot.stepwise import Answered, Joined, StepwiseTask, described, place_json
from app.copilot.types import Inputs, Outcome, StepContext, TaskType
from app.llm.errors import InvalidOutput

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
            **place_json(segment),
            "label": labels.get(at),
            "error": None if labels.get(at) else (_NOT_A_LABEL if at in labels else _NOT_READ),
        }
        for at, segment in enumerate(context.segments)
    ]
    told = described(context, joined)
    partial = any(row["error"] for row in rows)
    return Outcome(output={}, result={"rows": rows, **told}, partial=partial)


_CLASSIFYING = StepwiseTask("classify", ClassifyParameters, _answer, _finish, letters_only=False)
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
        "en": "One of your labels for each row, in order; each segment or line of the text is a row.",
        "de": "Eine Ihrer Kategorien für jede Zeile, der Reihe nach; jedes Segment, jede Zeile des Textes ist eine.",
    },
    parameters=ClassifyParameters,
    inputs=Inputs(),
    result={"type": "object", "required": list(_RESULT), "properties": _RESULT},
    first_step=_CLASSIFYING.first_step,
    run=_CLASSIFYING.run,
    work=_CLASSIFYING.work,
)
