"""What every task type that reads documents shares: its steps, and how they ask.

What fits 60 % of the model's context is read in one pass. Else: plan -> map (facts of each chunk)
-> merge along the headings, as often as needed -> final. Every step hands on sentences with the spans
of the document they stand on, so the last one cites the document and not another summary.

Step outputs: {"facts": [{"text", "spans"}], "read": ranges, "missing": ranges, "method", "counts"}.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from app.copilot.answer_language import language_of_words
from app.copilot.answering import Check, Question, answer_tokens, ask
from app.copilot.chunking import Chunk, Piece, chunk
from app.copilot.citations import Claims, Evidence, Field
from app.copilot.delivery import chapter_of
from app.copilot.findings import Findings, add_counts
from app.copilot.merge_tree import MERGE_TOKENS, plan_levels
from app.copilot.planning import load_pieces, new_steps
from app.copilot.reading import Fact, Reading, fit, read_facts, read_pieces
from app.copilot.tree_work import FEWEST_FACTS, chunk_bounds, facts_of_chunk, flat_work, tree_work
from app.copilot.types import NewStep, Outcome, StepContext
from app.copilot.work import PROMPT_TOKENS, Work, WorkFacts, one_pass, read_tokens
from app.core.sentences import split_sentences
from app.documents.language import detect
from app.documents.segments import Segment
from app.jobs.errors import Discard
from app.vocabulary import StepKind

ONE_PASS_SHARE = 0.6
_SURE = 0.7
_NO_BUDGET = 1 << 40

P = TypeVar("P", bound=BaseModel)


@dataclass(frozen=True)
class Read:
    """What the last step has before it: the text itself, or the facts that were found in it."""

    segments: Sequence[Segment]
    """What spans count: the documents' segments, or the view of them that the task type reads."""
    evidence: Sequence[Evidence]
    over_facts: bool
    below: Findings
    facts: tuple[Fact, ...] = ()


def _as_they_are(segments: Sequence[Segment]) -> Sequence[Segment]:
    return segments


def _nothing(_parameters: Any, *, is_final: bool) -> Mapping[str, Any]:
    del is_final
    return {}


@dataclass(frozen=True)
class ReadingTask(Generic[P]):
    """How one task type reads: what bounds its answer, and what it makes of what was read."""

    name: str
    parameters: type[P]
    most: Callable[[P], int]
    """The most sentences of the last answer."""
    finish: Callable[[StepContext, Read], Awaitable[Outcome]]
    """The last step. It asks by `claims`, or makes the result of the facts by itself."""
    binding: Callable[..., Mapping[str, Any]] = _nothing
    """(parameters, is_final) -> what a member must be able to follow in such a step."""
    fields: tuple[Field, ...] = ()
    """What each sentence says beside its text."""
    check: Check | None = None
    """Checks of the task type's own, after those that all share."""
    facts_of_chunk: int | None = None
    """How many facts a chunk hands on when no model joins them: then there is neither merge nor a last request."""
    one_pass_tokens: int | None = None
    """Reads less than the context in one pass, for lists that are to be complete."""
    view: Callable[[Sequence[Segment]], Sequence[Segment]] = _as_they_are
    """What is read instead of the segments themselves; deterministic."""
    asked: Callable[[P], str] = lambda _parameters: ""
    """The member's question, whose language an answer has where none is named."""
    may_be_empty: bool = False
    """Whether a document may hold nothing of what is looked for."""

    def first_step(self, estimated_tokens: int, context_tokens: int) -> StepKind:
        """One pass when the text leaves room for instructions and answer, else a plan."""
        limit = ONE_PASS_SHARE * context_tokens
        if self.one_pass_tokens is not None:
            limit = min(limit, self.one_pass_tokens)
        return StepKind.FINAL if estimated_tokens <= limit else StepKind.PLAN

    async def run(self, context: StepContext) -> Outcome:
        """Do one step. Raises: Discard when there is no text, or none of it could be read."""
        match context.kind:
            case StepKind.PLAN:
                return await self._plan(context)
            case StepKind.MAP:
                return await self._map(context)
            case StepKind.MERGE:
                return await self._merge(context)
            case StepKind.FINAL:
                return await self._final(context)
            case StepKind.FETCH | StepKind.BATCH:
                raise ValueError("documents are fetched, and batches run, before a task type is asked")

    def work(self, facts: WorkFacts) -> Work:
        """One request, or those of a plan; see `_final` and `_plan`, which make them."""
        parameters = self.parameters.model_validate(facts.parameters)
        sentences = self.most(parameters)
        language = getattr(parameters, "language", None) or facts.language
        answer = answer_tokens(sentences, language)
        budget = budget_within(facts.context_tokens)
        if self.facts_of_chunk is not None:
            in_parts = flat_work(facts, budget_tokens=budget, handed_on=self.facts_of_chunk)
        else:
            in_parts = tree_work(facts, budget_tokens=budget, sentences=sentences, language=language)
        if self.first_step(facts.tokens, facts.context_tokens) is StepKind.PLAN:
            return in_parts
        short = one_pass(facts, answer_tokens=answer)
        if read_tokens(facts.tokens, facts.segments) > facts.context_tokens - PROMPT_TOKENS - answer:
            return replace(short, most=in_parts.most)
        return short

    async def _plan(self, context: StepContext) -> Outcome:
        budget = budget_within(context.context_tokens)
        segments = await self._view(context)
        chunks = _chunks(segments, context.language, budget)
        if not chunks:
            if self._may_lack_text and context.segments:
                # Nothing to ask anybody: the last step says so.
                return Outcome(new_steps=new_steps((), ((),)))
            raise no_text(self.name)
        if self.view is not _as_they_are:
            tokens = sum(each.estimated_tokens for each in chunks) * 4 // 3
            if self.first_step(tokens, context.context_tokens) is StepKind.FINAL:
                return Outcome(new_steps=(NewStep(StepKind.FINAL, 0, {}, tokens + PROMPT_TOKENS),))
        chapters = [chapter_of(segments[each.pieces[0].segment]) for each in chunks]
        if self.facts_of_chunk is not None:
            levels = plan_levels(chapters, facts=self.facts_of_chunk, budget_tokens=_NO_BUDGET)
        else:
            facts = facts_of_chunk(len(chunks), self.most(self.parameters_of(context)))
            levels = plan_levels(
                chapters,
                facts=facts,
                budget_tokens=min(budget, MERGE_TOKENS),
                contents=[each.body(segments) for each in chunks],
            )
        steps = new_steps(chunks, levels)
        await context.progress("reading", 0, len(steps), f"{len(chunks)} parts to read")
        return Outcome(output={"chunks": len(chunks)}, new_steps=steps)

    async def _map(self, context: StepContext) -> Outcome:
        """Facts of one chunk."""
        segments = await self._view(context)
        evidence = read_pieces(segments, load_pieces(context.input, segments))
        most = int(context.input["facts"])
        if self.facts_of_chunk is None:
            most = min(most, count_sentences(evidence, context.language))
        found, method = await self.claims(context, evidence, "map", most=most)
        return Outcome(
            output={
                "facts": [Fact.of(claim).dump() for claim in found.claims],
                "read": context.input["covers"],
                "missing": [],
                "method": [method],
                "counts": {"removed_claims": found.removed},
            }
        )

    async def _merge(self, context: StepContext) -> Outcome:
        """The facts of several chunks, fewer."""
        below = Findings.of(context.predecessors)
        if not below.groups:
            return Outcome(output=below.output([], [], below.counts))
        segments = await self._view(context)
        facts = fit(below.groups, budget_within(context.context_tokens))
        most = min(int(context.input["facts"]), len(facts))
        found, method = await self.claims(context, read_facts(segments, facts), "merge", most=most)
        counts = add_counts(
            below.counts, {"removed_claims": found.removed, "unused_facts": below.total - len(facts)}
        )
        return Outcome(output=below.output([Fact.of(claim) for claim in found.claims], [method], counts))

    async def _final(self, context: StepContext) -> Outcome:
        """The result, over the text itself or over the facts found in it."""
        segments = await self._view(context)
        if context.input.get("over") == "facts":
            read = self._read_facts(context, segments, Findings.of(context.predecessors))
            may_be = self._may_lack_text and (read.below.read or not read.below.missing)
            if not (read.evidence or may_be):
                raise nothing_read()
            return await self.finish(context, read)
        evidence = read_all(segments)
        covered = {each.spans[0].segment for each in evidence}
        below = Findings(groups=(), read=covered, missing=set(), methods=(), counts={})
        if not evidence and not (self._may_lack_text and context.segments):
            raise no_text(self.name)
        if Reading.of(evidence, context.mark_key).tokens() > self._room(context):
            return await self.finish(
                context,
                self._read_facts(context, segments, await self._read_in_parts(context, segments, below)),
            )
        return await self.finish(context, Read(segments, evidence, over_facts=False, below=below))

    def _read_facts(self, context: StepContext, segments: Sequence[Segment], below: Findings) -> Read:
        if self.facts_of_chunk is not None:
            facts = [fact for group in below.groups for fact in group]
        else:
            facts = fit(below.groups, budget_within(context.context_tokens))
        evidence = read_facts(segments, facts)
        below = below.without(below.total - len(facts))
        return Read(segments, evidence, over_facts=True, below=below, facts=tuple(facts))

    async def _read_in_parts(
        self, context: StepContext, segments: Sequence[Segment], below: Findings
    ) -> Findings:
        """Facts of what should have fitted one pass and does not: thousands of segments of a word or two."""
        groups: list[tuple[Fact, ...]] = []
        methods: set[str] = set()
        most = self.facts_of_chunk or FEWEST_FACTS
        for each in _chunks(segments, context.language, budget_within(context.context_tokens)):
            evidence = read_pieces(segments, each.pieces)
            found, method = await self.claims(context, evidence, "map", most=most)
            groups.append(tuple(Fact.of(claim) for claim in found.claims))
            methods.add(method)
        return Findings(tuple(groups), below.read, set(), tuple(sorted(methods)), below.counts)

    async def claims(
        self,
        context: StepContext,
        evidence: Sequence[Evidence],
        prompt: str,
        *,
        most: int,
        least: int = 1,
        language: str | None = None,
        values: Mapping[str, str] | None = None,
    ) -> tuple[Claims, str]:
        """Ask the pool; the facts of a long document stay in its language, the last step translates.

        `language` is the answer's where it is not the parameter's; `values` fill places in the prompts. Gives the
        claims and the method.
        """
        parameters = self.parameters_of(context)
        is_final = context.kind is StepKind.FINAL
        language = language or self.language_of(context)
        binding = dict(self.binding(parameters, is_final=is_final))
        if is_final and language != context.language:
            binding["language"] = language
        question = Question(
            task_type=self.name,
            kind=context.kind,
            prompt=prompt,
            sentences=most,
            least_sentences=0 if self.may_be_empty else least,
            language=language if is_final else context.language,
            source_language=source_language(context, evidence),
            parameters=binding,
            values=values or {},
            fields=self.fields,
            check=self.check,
        )
        request, verify = ask(question, Reading.of(evidence, context.mark_key))
        answer = await context.call(request, verify)
        found: Claims = answer.value
        return found, answer.result.method

    def parameters_of(self, context: StepContext) -> P:
        """The job's parameters as their own type."""
        return self.parameters.model_validate(context.parameters.model_dump())

    def language_of(self, context: StepContext) -> str:
        """The answer's: what was asked for, else the question's, else the document's."""
        named: str | None = getattr(context.parameters, "language", None)
        if named:
            return named
        told = language_of_words(self.asked(self.parameters_of(context)))
        return context.language if told == "und" else told

    @property
    def _may_lack_text(self) -> bool:
        return self.may_be_empty or self.view is not _as_they_are

    async def _view(self, context: StepContext) -> Sequence[Segment]:
        if self.view is _as_they_are:
            return context.segments
        if "view" not in context.worked_out:
            context.worked_out["view"] = await asyncio.to_thread(self.view, context.segments)
        view: Sequence[Segment] = context.worked_out["view"]
        return view

    def _room(self, context: StepContext) -> int:
        """Tokens that a request has for its blocks, beside the instructions and the answer."""
        answer = answer_tokens(self.most(self.parameters_of(context)), self.language_of(context))
        return context.context_tokens - PROMPT_TOKENS - answer


def budget_within(context_tokens: int) -> int:
    """Tokens of text that one request of a long document reads."""
    return max(64, int(ONE_PASS_SHARE * (context_tokens - PROMPT_TOKENS)))


def read_all(segments: Sequence[Segment]) -> list[Evidence]:
    """Evidence for all that says anything."""
    return read_pieces(segments, [Piece(at, 0, len(segment.text)) for at, segment in enumerate(segments)])


def _chunks(segments: Sequence[Segment], language: str, budget_tokens: int) -> tuple[Chunk, ...]:
    """The chunks that say something."""
    cap, minimum = chunk_bounds(budget_tokens)
    cut = chunk(segments, language=language, cap_tokens=cap, minimum_tokens=minimum)
    return tuple(each for each in cut if each.body(segments).strip())


def count_sentences(evidence: Sequence[Evidence], language: str) -> int:
    """How many sentences there are to choose from; at least one."""
    return max(1, sum(len(split_sentences(each.block.text, language)) for each in evidence))


def source_language(context: StepContext, evidence: Sequence[Evidence]) -> str:
    """The language of what is read here, where it is plainly another than the document's."""
    found = detect(" ".join(each.block.text for each in evidence[:50]))
    return found.code if found.confidence >= _SURE else context.language


def one_method(method: str | None, below: Findings) -> str:
    """What wrote a result: the method of the last answer, if there was one, and of those before it."""
    methods = {*below.methods, *([] if method is None else [method])}
    return methods.pop() if len(methods) == 1 else ("mixed" if methods else "none")


def noted(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts worth a note."""
    return {name: count for name, count in counts.items() if count}


def no_text(task_type: str) -> Discard:
    """There is nothing to read."""
    what = task_type.replace("_", " ")
    return Discard("no_text", f"There is no text to {what}; send a document or a text with words in it.")


def nothing_read() -> Discard:
    """There is something, and no model read any of it."""
    return Discard(
        "nothing_read",
        "None of the document's parts could be read by a model of the pool; try again later, or ask your"
        " administrator which models the pool has.",
    )
