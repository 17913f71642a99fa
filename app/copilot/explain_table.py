"""explain_table: what a range of cells says, each finding with its cells; sums and means are code's, not the model's."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.copilot.delivery import coverage, deliver
from app.copilot.findings import add_counts
from app.copilot.reading_task import Read, ReadingTask, noted, one_method
from app.copilot.result_schemas import CITATION, TEXT, list_of, reading_result
from app.copilot.table_view import as_table
from app.copilot.types import Inputs, Outcome, StepContext, TaskType
from app.documents.segments import anchor_json

_MOST_FINDINGS = 8


class ExplainTableParameters(BaseModel):
    """What to look for."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    question: str = Field("What stands out?", min_length=1, max_length=500, pattern=r"^[^\n\r]*$")
    language: str | None = Field(
        None,
        pattern=r"^[a-z]{2}$",
    )


def _binding(parameters: ExplainTableParameters, *, is_final: bool) -> Mapping[str, Any]:
    del is_final
    return {"question": parameters.question}


async def _finish(context: StepContext, read: Read) -> Outcome:
    await context.progress("writing", 0, 1, "the findings are being written")
    found, method = await _READING.claims(context, read.evidence, "final", most=_MOST_FINDINGS)
    delivery = deliver(found.claims, read.segments, form="paragraph")
    cited = {span.segment for claim in found.claims for span in claim.spans}
    shares, missing = coverage(read.segments, read=read.below.read - read.below.missing, cited=cited)
    await context.show(delivery.sentences)
    findings = [
        {
            "text": claim.text,
            "anchors": [
                anchor_json(read.segments[at].anchor)
                for at in dict.fromkeys(span.segment for span in claim.spans)
            ],
        }
        for claim in found.claims
    ]
    result = {
        "text": delivery.text,
        "citations": delivery.citations,
        "findings": findings,
        "coverage": shares,
        "method": one_method(method, read.below),
        "language": _READING.language_of(context),
        "missing": missing,
        "notes": noted(add_counts(read.below.counts, {"removed_claims": found.removed})),
    }
    return Outcome(output={}, result=result, partial=bool(missing))


_READING = ReadingTask(
    name="explain_table",
    parameters=ExplainTableParameters,
    most=lambda _: _MOST_FINDINGS,
    finish=_finish,
    binding=_binding,
    asked=lambda parameters: parameters.question,
    view=as_table,
)
_FINDING: Mapping[str, Any] = {
    "type": "object",
    "required": ["text", "anchors"],
    "properties": {"text": {"type": "string"}, "anchors": list_of({"type": "object"})},
}
TASK_TYPE = TaskType(
    name="explain_table",
    title={"en": "Explain a table", "de": "Tabelle erklären"},
    description={
        "en": "What a range of cells says, each finding with its cells.",
        "de": "Was ein Bereich von Zellen sagt, jede Aussage mit ihren Zellen.",
    },
    parameters=ExplainTableParameters,
    inputs=Inputs(text=False, cells=True),
    result=reading_result(text=TEXT, citations=list_of(CITATION), findings=list_of(_FINDING)),
    first_step=_READING.first_step,
    run=_READING.run,
    work=_READING.work,
)
