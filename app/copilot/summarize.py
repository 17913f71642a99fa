"""summarize: the document in a sentence, a paragraph, a page or bullets, each sentence with its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.copilot.delivery import coverage, deliver
from app.copilot.findings import add_counts
from app.copilot.reading_task import Read, ReadingTask, count_sentences, noted, one_method
from app.copilot.result_schemas import CITATION, TEXT, list_of, reading_result
from app.copilot.types import Inputs, Outcome, StepContext, TaskType


@dataclass(frozen=True)
class _Length:
    """Sentences of an answer; `least` only binds when the text has ten times as many."""

    most: int
    least: int = 1


_LENGTHS = {
    "sentence": _Length(1),
    "paragraph": _Length(5, least=2),
    "page": _Length(20, least=5),
    "bullets": _Length(7, least=2),
}


class SummarizeParameters(BaseModel):
    """How the summary should be."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    length: Literal["sentence", "paragraph", "page", "bullets"] = "paragraph"
    audience: str | None = Field(None, min_length=1, max_length=120, pattern=r"^[^\n\r]*$")
    focus: str | None = Field(None, min_length=1, max_length=200, pattern=r"^[^\n\r]*$")
    language: str | None = Field(None, pattern=r"^[a-z]{2}$")


def _most(parameters: SummarizeParameters) -> int:
    return _LENGTHS[parameters.length].most


def _binding(parameters: SummarizeParameters, *, is_final: bool) -> Mapping[str, Any]:
    binding = {"focus": parameters.focus, "audience": parameters.audience if is_final else None}
    return {name: value for name, value in binding.items() if value is not None}


async def _finish(context: StepContext, read: Read) -> Outcome:
    await context.progress("writing", 0, 1, "the summary is being written")
    parameters = _READING.parameters_of(context)
    length = _LENGTHS[parameters.length]
    sentences = count_sentences(read.evidence, context.language)
    available = len(read.evidence) if read.over_facts else ceil(sentences / 2)
    found, method = await _READING.claims(
        context,
        read.evidence,
        {"bullets": "final_bullets", "page": "final_page"}.get(parameters.length, "final"),
        most=max(1, min(length.most, available)),
        least=length.least if available >= 10 * length.least else 1,
    )
    delivery = deliver(found.claims, read.segments, form=parameters.length)
    cited = {span.segment for claim in found.claims for span in claim.spans}
    shares, missing = coverage(read.segments, read=read.below.read - read.below.missing, cited=cited)
    await context.show(delivery.sentences)
    result = {
        "text": delivery.text,
        "citations": delivery.citations,
        "coverage": shares,
        "method": one_method(method, read.below),
        "language": _READING.language_of(context),
        "missing": missing,
        "notes": noted(add_counts(read.below.counts, {"removed_claims": found.removed})),
    }
    return Outcome(output={}, result=result, partial=bool(missing))


_READING = ReadingTask(
    name="summarize", parameters=SummarizeParameters, most=_most, finish=_finish, binding=_binding
)
TASK_TYPE = TaskType(
    name="summarize",
    title={"en": "Summarize", "de": "Zusammenfassen"},
    description={
        "en": "The main points of a text or document, each sentence with its place in the document.",
        "de": "Die wichtigsten Punkte eines Textes oder Dokuments, jeder Satz mit seiner Stelle im Dokument.",
    },
    parameters=SummarizeParameters,
    inputs=Inputs(most=20),
    result=reading_result(text=TEXT, citations=list_of(CITATION)),
    first_step=_READING.first_step,
    run=_READING.run,
    work=_READING.work,
)
