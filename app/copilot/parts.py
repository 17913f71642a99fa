"""A request that is answered part by part: each piece of the document under an id, each id answered once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from app.copilot.chunking import ID_TOKENS, Piece
from app.copilot.datamark import mark_for
from app.copilot.json_asking import JsonQuestion, Shown, ask_json, closed, text_of
from app.copilot.types import StepContext
from app.documents.runs import shown_text
from app.documents.segments import Run, RunKind, Segment
from app.documents.tags import with_tags
from app.documents.tokens import estimate_tokens
from app.llm.errors import InvalidOutput

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """A piece of a segment with its formatting."""

    id: str
    piece: Piece
    segment: Segment
    runs: tuple[Run, ...]

    @property
    def text(self) -> str:
        """What a reader sees."""
        return shown_text(self.runs)

    @property
    def tagged(self) -> str:
        """The same for a model, formatting and breaks as tags."""
        return with_tags(self.runs)


@dataclass(frozen=True)
class PartsQuestion:
    """What is asked about each part. `fields` are those of one answer beside its id."""

    task_type: str
    prompts: tuple[str, ...]
    fields: Mapping[str, Any]
    language: str
    values: Mapping[str, str]
    output_tokens: int
    tagged: bool = True
    """Whether formatting is shown."""


def parts_of(
    segments: Sequence[Segment], pieces: Sequence[Piece], *, letters_only: bool = True
) -> list[Part]:
    """The pieces that say something; with `letters_only`, something that can be written otherwise."""
    found: list[Part] = []
    for piece in pieces:
        segment = segments[piece.segment]
        text = segment.text[piece.start : piece.end]
        if any(map(str.isalpha, text)) if letters_only else text.strip():
            found.append(
                Part(f"B{len(found) + 1}", piece, segment, runs_between(segment, piece.start, piece.end))
            )
    return found


async def ask_parts(
    context: StepContext,
    question: PartsQuestion,
    parts: Sequence[Part],
    take: Callable[[Part, Mapping[str, Any]], T],
    check: Callable[[Sequence[T]], None] | None = None,
) -> tuple[list[T], str]:
    """What `take` makes of each part's answer, in order, and the method; `check` looks at all of them.

    Both raise `InvalidOutput`; an id that is left out or answered twice does too.
    """
    by_id = {part.id: part for part in parts}
    items = {
        "type": "array",
        "minItems": len(parts),
        "maxItems": len(parts),
        "items": closed({"id": {"type": "string", "enum": list(by_id)}, **question.fields}),
    }
    shown = tuple(Shown(part.id, part.tagged if question.tagged else part.text) for part in parts)

    def read(answer: Mapping[str, Any]) -> list[T]:
        answers = {text_of(one["id"]).strip("[] "): one for one in answer["parts"]}
        if len(answers) != len(answer["parts"]) or answers.keys() != by_id.keys():
            raise InvalidOutput("incomplete: not every part is answered once")
        values = [take(part, answers[id_]) for id_, part in by_id.items()]
        if check is not None:
            check(values)
        return values

    return await ask_json(
        context,
        JsonQuestion(
            task_type=question.task_type,
            prompts=question.prompts,
            properties={"parts": items},
            language=question.language,
            values=question.values,
            output_tokens=question.output_tokens,
            shown=shown,
            mark=mark_for(context.mark_key, "\n".join(one.text for one in shown)),
            tokens=sum(estimate_tokens(one.text) + ID_TOKENS for one in shown),
        ),
        read,
    )


def written_tokens(parts: Sequence[Part], *, times: int = 3) -> int:
    """The most tokens of an answer that writes every part anew; languages differ in how many they need."""
    return 200 + sum(times * estimate_tokens(part.tagged) + 24 for part in parts)


def runs_between(segment: Segment, start: int, end: int) -> tuple[Run, ...]:
    """The runs of these characters. Breaks and tabs of a text without runs are opaque, so that a model keeps them."""
    if not segment.runs:
        return _plain(segment.text[start:end])
    if (start, end) == (0, len(segment.text)):
        return segment.runs
    found: list[Run] = []
    at = 0
    for run in segment.runs:
        first, last = max(start - at, 0), min(end - at, len(run.text))
        if run.kind is not RunKind.TEXT:
            found += [run] * (start <= at < end)
        elif first < last:
            found.append(Run(run.text[first:last], run.tag))
        at += len(run.text)
    if end == len(segment.text):
        found += _at_the_end(segment)
    return tuple(found)


def _at_the_end(segment: Segment) -> list[Run]:
    """Opaque runs without text after the last character: no piece reaches beyond it."""
    found: list[Run] = []
    for run in reversed(segment.runs):
        if run.text:
            break
        found.insert(0, run)
    return found


def _plain(text: str) -> tuple[Run, ...]:
    runs: list[Run] = []
    for line in text.splitlines(keepends=True):
        words = line.rstrip("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
        runs += [Run(words)] * bool(words)
        if words != line:
            runs.append(Run(line[len(words) :], len(runs) + 1, RunKind.BREAK))
    return tuple(runs) or (Run(text),)
