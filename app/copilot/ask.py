"""ask: an answer from the documents with its places, or that they do not say.

What fits is read whole; else what a search finds (`retrieval`), and the coverage says how much that was.
An answer of which no quote stands in the documents is no answer.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from app.copilot.chunking import Piece
from app.copilot.citations import Span
from app.copilot.delivery import coverage, deliver
from app.copilot.findings import Findings
from app.copilot.reading import read_pieces
from app.copilot.reading_task import (
    Read,
    ReadingTask,
    budget_within,
    no_text,
    noted,
    one_method,
    read_all,
)
from app.copilot.result_schemas import CITATION, TEXT, list_of, reading_result
from app.copilot.retrieval import cost_of, passage_cost, passages_of, retrieve
from app.copilot.types import Inputs, Outcome, StepContext, TaskType
from app.copilot.work import Work, WorkFacts, one_pass
from app.documents.segments import Segment
from app.vocabulary import StepKind

_SENTENCES = 8
_NOT_FOUND = {
    "en": "The documents do not answer this.",
    "de": "Die Dokumente beantworten das nicht.",
    "fr": "Les documents ne répondent pas à cette question.",
    "es": "Los documentos no responden a esta pregunta.",
    "it": "I documenti non rispondono a questa domanda.",
    "pt": "Os documentos não respondem a esta pergunta.",
    "nl": "De documenten geven hier geen antwoord op.",
}
"""In every language whose number words are known, too."""


class AskParameters(BaseModel):
    """The question."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    question: str = Field(min_length=1, max_length=1_000)
    language: str | None = Field(
        None,
        pattern=r"^[a-z]{2}$",
    )


def first_step(_estimated_tokens: int, _context_tokens: int) -> StepKind:
    """Always one: what does not fit is searched."""
    return StepKind.FINAL


def reads(estimated_tokens: int, context_tokens: int) -> int:
    """At most the budget, however long the documents are."""
    return min(estimated_tokens, budget_within(context_tokens))


def work(facts: WorkFacts) -> Work:
    """One request of at most the budget."""
    read = reads(facts.tokens, facts.context_tokens)
    return one_pass(replace(facts, tokens=read, segments=min(facts.segments, read)))


async def run(context: StepContext) -> Outcome:
    """Read, ask, check. Raises: Discard when there is no text."""
    if not any(segment.text.strip() for segment in context.segments):
        raise no_text("answer from")
    read, how = await _read(context)
    return await _finish(context, read, how)


async def _read(context: StepContext) -> tuple[Read, str]:
    segments, budget = context.segments, budget_within(context.context_tokens)
    how = "whole"
    if cost_of(segments) <= budget:
        evidence = read_all(segments)
    else:
        how = "retrieved"
        question = _READING.parameters_of(context).question
        await context.progress("searching", 0, 1, "the documents are searched")
        pieces = await asyncio.to_thread(
            retrieve, segments, question, language=context.language, budget_tokens=budget
        )
        if not pieces:
            # Asked in words that the documents do not have, as in another language: their beginning is read.
            how, pieces = "beginning", _beginning(segments, context.language, budget)
        evidence = read_pieces(segments, pieces)
    below = Findings(
        groups=(),
        read=_wholly_read([each.spans[0] for each in evidence], segments),
        missing=set(),
        methods=(),
        counts={},
    )
    return Read(segments, evidence, over_facts=False, below=below), how


def _wholly_read(spans: Sequence[Span], segments: Sequence[Segment]) -> set[int]:
    """Segments of which every character was shown, white space at the ends aside."""
    shown: Counter[int] = Counter()
    for span in spans:
        shown[span.segment] += span.end - span.start
    return {at for at, characters in shown.items() if characters >= len(segments[at].text.strip())}


async def _finish(context: StepContext, read: Read, how: str) -> Outcome:
    await context.progress("writing", 0, 1, "the answer is being written")
    parameters = _READING.parameters_of(context)
    language = _READING.language_of(context)
    found, method = await _READING.claims(
        context,
        read.evidence,
        "final",
        most=_SENTENCES,
        values={"question": parameters.question},
    )
    delivery = deliver(found.claims, read.segments, form="paragraph")
    cited = {span.segment for claim in found.claims for span in claim.spans}
    shares, missing = coverage(read.segments, read=read.below.read, cited=cited)
    await context.show(delivery.sentences)
    text, written_in = delivery.text, language
    if not found.claims:
        # In a language that we do not write it is English, and says so.
        written_in = language if language in _NOT_FOUND else "en"
        text = _NOT_FOUND[written_in]
    result = {
        "found": bool(found.claims),
        "text": text,
        "citations": delivery.citations,
        "read": how,
        "coverage": shares,
        "method": one_method(method, read.below),
        "language": written_in,
        "missing": missing,
        "notes": noted({"removed_claims": found.removed}),
    }
    return Outcome(output={}, result=result, partial=bool(missing))


def _beginning(segments: Sequence[Segment], language: str, budget_tokens: int) -> list[Piece]:
    """The first passages of each document, as many of each."""
    passages = passages_of(segments, language)
    documents = {segments[each.pieces[0].segment].document for each in passages}
    left = dict.fromkeys(documents, budget_tokens // len(documents))
    pieces: list[Piece] = []
    for each in passages:
        document = segments[each.pieces[0].segment].document
        left[document] -= passage_cost(each)
        if left[document] >= 0:
            pieces += each.pieces
    return pieces


async def _finish_read(context: StepContext, read: Read) -> Outcome:
    return await _finish(context, read, "whole")


_READING = ReadingTask(
    name="ask",
    parameters=AskParameters,
    most=lambda _: _SENTENCES,
    finish=_finish_read,
    asked=lambda parameters: parameters.question,
    may_be_empty=True,
)
_RESULT = reading_result(
    found={"type": "boolean", "description": "false: the documents, as far as they were read, do not say"},
    text=TEXT,
    citations=list_of(CITATION),
    read={
        "enum": ["whole", "retrieved", "beginning"],
        "description": "all of the documents, what a search found, or their beginning because it found nothing",
    },
)
TASK_TYPE = TaskType(
    name="ask",
    title={"en": "Ask", "de": "Fragen"},
    description={
        "en": "An answer to a question from one or several documents, each sentence with its place, or that they do not say.",
        "de": "Eine Antwort aus einem oder mehreren Dokumenten, jeder Satz mit seiner Stelle, oder dass nichts dazu darin steht.",
    },
    parameters=AskParameters,
    inputs=Inputs(most=20),
    result=_RESULT,
    first_step=first_step,
    run=run,
    reads=reads,
    work=work,
)
