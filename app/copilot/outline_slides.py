"""outline_slides: titles, bullets and speaker notes as JSON, each with the places it stands on.

From documents, or from an instruction alone: then the instruction is the text, and slides say what it says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.copilot.answering import Question
from app.copilot.citations import Claim
from app.copilot.citations import Field as ClaimField
from app.copilot.delivery import coverage, source
from app.copilot.extra_checks import check_title
from app.copilot.findings import Findings
from app.copilot.reading_task import Read, ReadingTask, no_text, noted, one_method, read_all
from app.copilot.result_schemas import SOURCE, list_of, reading_result
from app.copilot.types import Inputs, Outcome, StepContext, TaskType
from app.documents.segments import Segment, TextAnchor
from app.llm.errors import InvalidOutput
from app.vocabulary import SegmentKind

_SENTENCES_OF_SLIDE = 4
_MOST_SENTENCES = 60
_TITLE_CHARACTERS = 90
_LINE = {
    "type": "object",
    "required": ["text", "sources"],
    "properties": {"text": {"type": "string"}, "sources": list_of(SOURCE)},
}
_SLIDE = {
    "type": "object",
    "required": ["title", "bullets", "notes"],
    "properties": {
        "title": {"type": "string"},
        "bullets": list_of(_LINE),
        "notes": {**list_of(_LINE), "description": "what the speaker says, sentence by sentence"},
    },
}


class OutlineSlidesParameters(BaseModel):
    """How the presentation should be."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    slides: int = Field(8, ge=1, le=30)
    instruction: str | None = Field(None, min_length=1, max_length=4_000)
    audience: str | None = Field(None, min_length=1, max_length=120, pattern=r"^[^\n\r]*$")
    language: str | None = Field(None, pattern=r"^[a-z]{2}$")


def _most(parameters: OutlineSlidesParameters) -> int:
    return min(_MOST_SENTENCES, _SENTENCES_OF_SLIDE * parameters.slides)


def _binding(parameters: OutlineSlidesParameters, *, is_final: bool) -> Mapping[str, Any]:
    wanted = {"instruction": parameters.instruction, "audience": parameters.audience}
    return {name: value for name, value in wanted.items() if is_final and value is not None}


def _check(claims: Sequence[Claim], question: Question) -> None:
    slides = _slides(claims)
    if len(slides) > int(question.values.get("slides", len(slides))):
        raise InvalidOutput(f"too_long: {len(slides)} slides, at most {question.values['slides']} were asked")
    for number, (title, lines) in enumerate(slides, start=1):
        if not any(map(str.isalnum, title)):
            raise InvalidOutput(f"too_short: slide {number} has no title")
        if question.values and all(line.extra["part"] == "notes" for line in lines):
            raise InvalidOutput(f"wrong_shape: slide {number} has no bullet")
        check_title(title, lines, number, question.language, translated=question.translated)


def _slides(claims: Sequence[Claim]) -> list[tuple[str, list[Claim]]]:
    """Sentences under their titles, in order; a title that comes again goes on."""
    slides: dict[str, list[Claim]] = {}
    for claim in claims:
        slides.setdefault(claim.extra["slide"], []).append(claim)
    return list(slides.items())


async def run(context: StepContext) -> Outcome:
    """One step. Raises: Discard when there is neither text nor instruction."""
    if context.segments:
        return await _READING.run(context)
    instruction = _READING.parameters_of(context).instruction
    if instruction is None:
        raise no_text("make slides of")
    anchor = TextAnchor(offset=0, length=len(instruction.encode("utf-16-le")) // 2, line=1)
    text = [Segment(0, SegmentKind.PARAGRAPH, instruction, anchor)]
    below = Findings(groups=(), read={0}, missing=set(), methods=(), counts={})
    return await _finish(context, Read(text, read_all(text), over_facts=False, below=below))


async def _finish(context: StepContext, read: Read) -> Outcome:
    await context.progress("writing", 0, 1, "the outline is being written")
    parameters = _READING.parameters_of(context)
    found, method = await _READING.claims(
        context,
        read.evidence,
        "final",
        most=_most(parameters),
        values={"slides": str(parameters.slides)},
    )
    cited = {span.segment for claim in found.claims for span in claim.spans}
    shares, missing = coverage(read.segments, read=read.below.read - read.below.missing, cited=cited)
    below = read.below.counted({"removed_claims": found.removed})
    result = {
        "slides": [
            {
                "title": title,
                "bullets": _lines(lines, "bullet", read, context),
                "notes": _lines(lines, "notes", read, context),
            }
            for title, lines in _slides(found.claims)
        ],
        "coverage": shares,
        "method": one_method(method, below),
        "language": _READING.language_of(context),
        "missing": missing,
        "notes": noted(below.counts),
    }
    return Outcome(output={}, result=result, partial=bool(missing))


def _lines(claims: Sequence[Claim], part: str, read: Read, context: StepContext) -> list[dict[str, Any]]:
    """The lines of one part; what stands on the instruction alone has no place in a document."""
    return [
        {
            "text": claim.text,
            "sources": [source(span, read.segments) for span in claim.spans] if context.segments else [],
        }
        for claim in claims
        if claim.extra["part"] == part
    ]


_READING = ReadingTask(
    name="outline_slides",
    parameters=OutlineSlidesParameters,
    most=_most,
    finish=_finish,
    binding=_binding,
    fields=(
        ClaimField("slide", most_characters=_TITLE_CHARACTERS),
        ClaimField("part", choices=("bullet", "notes")),
    ),
    check=_check,
)
TASK_TYPE = TaskType(
    name="outline_slides",
    title={"en": "Outline slides", "de": "Folien gliedern"},
    description={
        "en": "The outline of a presentation from documents or an instruction: titles, bullets and notes with their places.",
        "de": "Die Gliederung einer Präsentation aus Dokumenten oder einer Anweisung: Titel, Punkte und Notizen mit Stellen.",
    },
    parameters=OutlineSlidesParameters,
    inputs=Inputs(least=0, most=20),
    result=reading_result(slides=list_of(_SLIDE)),
    first_step=_READING.first_step,
    run=run,
    work=_READING.work,
)
