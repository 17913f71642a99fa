"""summarize: the document in a sentence, a paragraph, a page or bullets, each sentence with its source.

What fits 60 % of the model's context is read in one pass. Else: plan -> map (facts of each chunk)
-> merge along the headings, as often as needed -> final. Every step hands on sentences with the spans
of the document they stand on, so the last one cites the document and not another summary.

Step outputs: {"facts": [{"text", "spans"}], "read": ranges, "missing": ranges, "method", "counts"}.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.copilot.answering import Question, answer_tokens, ask
from app.copilot.chunking import Chunk, Piece, chunk
from app.copilot.citations import Claims, Evidence
from app.copilot.delivery import chapter_of, coverage, deliver
from app.copilot.findings import Findings, add_counts
from app.copilot.merge_tree import plan_levels
from app.copilot.planning import load_pieces, new_steps
from app.copilot.reading import Fact, Reading, fit, read_facts, read_pieces
from app.copilot.tree_work import FEWEST_FACTS, chunk_bounds, facts_of_chunk, tree_work
from app.copilot.types import Outcome, StepContext, TaskType
from app.copilot.work import PROMPT_TOKENS, Work, WorkFacts, one_pass, read_tokens
from app.core.sentences import split_sentences
from app.documents.language import detect
from app.jobs.errors import Discard
from app.vocabulary import StepKind

_ONE_PASS_SHARE = 0.6
_SURE = 0.7


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
    language: str | None = Field(
        None, pattern=r"^[a-z]{2}$", description="ISO 639-1; the document's if left out"
    )


def first_step(estimated_tokens: int, context_tokens: int) -> StepKind:
    """One pass when the text leaves room for instructions and answer, else a plan."""
    return StepKind.FINAL if estimated_tokens <= _ONE_PASS_SHARE * context_tokens else StepKind.PLAN


async def run(context: StepContext) -> Outcome:
    """Do one step. Raises: Discard when there is no text, or none of it could be read."""
    match context.kind:
        case StepKind.PLAN:
            return await _plan(context)
        case StepKind.MAP:
            return await _map(context)
        case StepKind.MERGE:
            return await _merge(context)
        case StepKind.FINAL:
            return await _final(context)
        case StepKind.FETCH:
            raise ValueError("documents are fetched before a task type is asked")


async def _plan(context: StepContext) -> Outcome:
    budget = _budget(context)
    chunks = _chunks(context, budget)
    if not chunks:
        raise _no_text()
    facts = facts_of_chunk(len(chunks), _length(context).most)
    chapters = [chapter_of(context.segments[each.pieces[0].segment]) for each in chunks]
    levels = plan_levels(chapters, facts=facts, budget_tokens=budget)
    steps = new_steps(chunks, levels)
    await context.progress("reading", 0, len(steps), f"{len(chunks)} parts to read")
    return Outcome(output={"chunks": len(chunks)}, new_steps=steps)


def _chunks(context: StepContext, budget_tokens: int) -> tuple[Chunk, ...]:
    """The chunks that say something."""
    cap, minimum = chunk_bounds(budget_tokens)
    cut = chunk(context.segments, language=context.language, cap_tokens=cap, minimum_tokens=minimum)
    return tuple(each for each in cut if each.body(context.segments).strip())


async def _map(context: StepContext) -> Outcome:
    """Facts of one chunk."""
    evidence = read_pieces(context.segments, load_pieces(context.input, context.segments))
    most = int(context.input["facts"])
    found, method = await _ask(
        context, evidence, "map", most=min(most, _sentences(evidence, context.language))
    )
    return Outcome(
        output={
            "facts": [Fact.of(claim).dump() for claim in found.claims],
            "read": context.input["covers"],
            "missing": [],
            "method": [method],
            "counts": {"removed_claims": found.removed},
        }
    )


async def _merge(context: StepContext) -> Outcome:
    """The facts of several chunks, fewer."""
    below = Findings.of(context.predecessors)
    if not below.groups:
        return Outcome(output=below.output([], [], below.counts))
    facts = fit(below.groups, _budget(context))
    most = min(int(context.input["facts"]), len(facts))
    found, method = await _ask(context, read_facts(context.segments, facts), "merge", most=most)
    counts = add_counts(
        below.counts, {"removed_claims": found.removed, "unused_facts": below.total - len(facts)}
    )
    return Outcome(output=below.output([Fact.of(claim) for claim in found.claims], [method], counts))


async def _final(context: StepContext) -> Outcome:
    """The summary, over the document itself or over the facts found in it."""
    over_facts = context.input.get("over") == "facts"
    if over_facts:
        below = Findings.of(context.predecessors)
        facts = fit(below.groups, _budget(context))
        evidence = read_facts(context.segments, facts)
        below = below.without(below.total - len(facts))
    else:
        pieces = [Piece(at, 0, len(segment.text)) for at, segment in enumerate(context.segments)]
        evidence = read_pieces(context.segments, pieces)
        read = {each.spans[0].segment for each in evidence}
        below = Findings(groups=(), read=read, missing=set(), methods=(), counts={})
        if Reading.of(evidence, context.mark_key).tokens() > _room(context):
            below = await _read_in_parts(context, below)
            evidence = read_facts(context.segments, fit(below.groups, _budget(context)))
            over_facts = True
    if not evidence:
        raise _nothing_read() if over_facts else _no_text()
    await context.progress("writing", 0, 1, "the summary is being written")
    length = _length(context)
    available = len(evidence) if over_facts else ceil(_sentences(evidence, context.language) / 2)
    prompt = {"bullets": "final_bullets", "page": "final_page"}.get(_parameters(context).length, "final")
    found, method = await _ask(
        context,
        evidence,
        prompt,
        most=max(1, min(length.most, available)),
        least=length.least if available >= 10 * length.least else 1,
    )
    return await _deliver(context, found, method, below)


async def _read_in_parts(context: StepContext, below: Findings) -> Findings:
    """Facts of what should have fitted one pass and does not: thousands of segments of a word or two."""
    groups: list[tuple[Fact, ...]] = []
    methods: set[str] = set()
    for each in _chunks(context, _budget(context)):
        evidence = read_pieces(context.segments, each.pieces)
        found, method = await _ask(context, evidence, "map", most=FEWEST_FACTS)
        groups.append(tuple(Fact.of(claim) for claim in found.claims))
        methods.add(method)
    return Findings(tuple(groups), below.read, set(), tuple(sorted(methods)), below.counts)


async def _deliver(context: StepContext, found: Claims, method: str, below: Findings) -> Outcome:
    delivery = deliver(found.claims, context.segments, form=_parameters(context).length)
    cited = {span.segment for claim in found.claims for span in claim.spans}
    shares, missing = coverage(context.segments, read=below.read - below.missing, cited=cited)
    counts = add_counts(below.counts, {"removed_claims": found.removed})
    methods = {method, *below.methods}
    await context.show(delivery.sentences)
    result = {
        "text": delivery.text,
        "citations": delivery.citations,
        "coverage": shares,
        "method": method if len(methods) == 1 else "mixed",
        "language": _language(context),
        "missing": missing,
        "notes": {name: count for name, count in counts.items() if count},
    }
    return Outcome(output={}, result=result, partial=bool(missing))


async def _ask(
    context: StepContext, evidence: Sequence[Evidence], prompt: str, *, most: int, least: int = 1
) -> tuple[Claims, str]:
    """Ask the pool; the facts of a long document stay in its language, the last step translates."""
    parameters = _parameters(context)
    is_final = context.kind is StepKind.FINAL
    binding: dict[str, Any] = {}
    if parameters.focus is not None:
        binding["focus"] = parameters.focus
    if is_final and parameters.audience is not None:
        binding["audience"] = parameters.audience
    if is_final and _language(context) != context.language:
        binding["language"] = _language(context)
    question = Question(
        task_type=TASK_TYPE.name,
        kind=context.kind,
        prompt=prompt,
        sentences=most,
        least_sentences=least,
        language=_language(context) if is_final else context.language,
        source_language=_source_language(context, evidence),
        parameters=binding,
    )
    request, verify = ask(question, Reading.of(evidence, context.mark_key))
    answer = await context.call(request, verify)
    found: Claims = answer.value
    return found, answer.result.method


def _budget(context: StepContext) -> int:
    """Tokens of text that one request of a long document reads."""
    return _budget_within(context.context_tokens)


def _budget_within(context_tokens: int) -> int:
    return max(64, int(_ONE_PASS_SHARE * (context_tokens - PROMPT_TOKENS)))


def _room(context: StepContext) -> int:
    """Tokens that a request has for its blocks, beside the instructions and the answer."""
    return context.context_tokens - PROMPT_TOKENS - answer_tokens(_length(context).most, _language(context))


def work(facts: WorkFacts) -> Work:
    """One request, or those of a plan: see `_final` and `_plan`, which do it."""
    parameters = SummarizeParameters.model_validate(facts.parameters)
    sentences, language = _LENGTHS[parameters.length].most, parameters.language or facts.language
    answer = answer_tokens(sentences, language)
    in_parts = tree_work(
        facts,
        budget_tokens=_budget_within(facts.context_tokens),
        sentences=sentences,
        language=language,
    )
    if first_step(facts.tokens, facts.context_tokens) is StepKind.PLAN:
        return in_parts
    short = one_pass(facts, answer_tokens=answer)
    if read_tokens(facts.tokens, facts.segments) > facts.context_tokens - PROMPT_TOKENS - answer:
        return replace(short, most=in_parts.most)
    return short


def _sentences(evidence: Sequence[Evidence], language: str) -> int:
    return max(1, sum(len(split_sentences(each.block.text, language)) for each in evidence))


def _source_language(context: StepContext, evidence: Sequence[Evidence]) -> str:
    """The language of what is read here, where it is plainly another than the document's."""
    found = detect(" ".join(each.block.text for each in evidence[:50]))
    return found.code if found.confidence >= _SURE else context.language


def _parameters(context: StepContext) -> SummarizeParameters:
    return SummarizeParameters.model_validate(context.parameters.model_dump())


def _length(context: StepContext) -> _Length:
    return _LENGTHS[_parameters(context).length]


def _language(context: StepContext) -> str:
    return _parameters(context).language or context.language


def _no_text() -> Discard:
    return Discard("no_text", "There is no text to summarize; send a document or a text with words in it.")


def _nothing_read() -> Discard:
    return Discard(
        "nothing_read",
        "None of the document's parts could be read by a model of the pool; try again later, or ask your"
        " administrator which models the pool has.",
    )


TASK_TYPE = TaskType(
    name="summarize",
    title={"en": "Summarize", "de": "Zusammenfassen"},
    description={
        "en": "The main points of a text or document, each sentence with its place in the document.",
        "de": "Die wichtigsten Punkte eines Textes oder Dokuments, jeder Satz mit seiner Stelle im Dokument.",
    },
    parameters=SummarizeParameters,
    inputs={"documents": {"min": 0, "max": 20}, "text": {"max_characters": 2_000_000}},
    result={
        "type": "object",
        "required": ["text", "citations", "coverage", "method", "language", "missing", "notes"],
        "properties": {
            "text": {"type": "string", "description": "[n] is the n-th citation, counted from 1"},
            "citations": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["document", "segment", "anchor", "quote", "sentence"],
                    "properties": {
                        "document": {
                            "type": "integer",
                            "description": "which of the input's documents, from 0",
                        },
                        "segment": {"type": "integer"},
                        "anchor": {"type": "object"},
                        "quote": {"type": "string"},
                        "sentence": {"type": "integer", "description": "position in the text, from 0"},
                    },
                },
            },
            "coverage": {
                "type": "object",
                "required": ["segments", "processed", "cited", "ratio"],
                "properties": {
                    "segments": {"type": "integer"},
                    "processed": {"type": "integer"},
                    "cited": {"type": "integer"},
                    "ratio": {"type": "number"},
                    "cited_ratio": {"type": "number"},
                },
            },
            "method": {"enum": ["generative", "extractive", "mixed"]},
            "language": {"type": "string"},
            "missing": {"type": "array", "items": {"type": "integer"}},
            "notes": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    },
    first_step=first_step,
    run=run,
    work=work,
)
