"""From verified claims to the text a person reads, with its citations and its coverage."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.copilot.citations import Claim, Span
from app.documents.segments import Segment, anchor_json


@dataclass(frozen=True)
class Delivery:
    """The text sentence by sentence, and what each stands on."""

    sentences: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]
    """Each with its markers and the separator before it: joined they are `text`."""

    @property
    def text(self) -> str:
        """The whole text; `[n]` is the n-th of `citations`, counted from 1."""
        return "".join(sentence for sentence, _ in self.sentences)

    @property
    def citations(self) -> list[Mapping[str, Any]]:
        """Citations in the order of their markers."""
        return [citation for _, citations in self.sentences for citation in citations]


def deliver(claims: Sequence[Claim], segments: Sequence[Segment], *, form: str) -> Delivery:
    """Lay the sentences out as `bullets`, as a `page` with a paragraph a chapter, or as one paragraph."""
    sentences: list[tuple[str, tuple[Mapping[str, Any], ...]]] = []
    number = in_paragraph = 0
    chapter = ""
    for position, claim in enumerate(claims):
        before, chapter = chapter, chapter_of(segments[claim.spans[0].segment])
        turns = form == "page" and in_paragraph >= 3 and chapter != before
        in_paragraph = 1 if turns else in_paragraph + 1
        citations = tuple({**source(span, segments), "sentence": position} for span in claim.spans)
        markers = "".join(f"[{number + nth}]" for nth in range(1, len(citations) + 1))
        number += len(citations)
        separator = _separator(form, position, turns=turns)
        sentences.append((f"{separator}{claim.text} {markers}", citations))
    return Delivery(tuple(sentences))


def source(span: Span, segments: Sequence[Segment]) -> dict[str, Any]:
    """Where a span stands, and what it says."""
    segment = segments[span.segment]
    return {
        "document": segment.document,
        "segment": span.segment,
        "anchor": anchor_json(segment.anchor),
        "quote": segment.text[span.start : span.end],
    }


def _separator(form: str, position: int, *, turns: bool) -> str:
    if form == "bullets":
        return "- " if position == 0 else "\n- "
    if position == 0:
        return ""
    return "\n\n" if turns else " "


def chapter_of(segment: Segment) -> str:
    """The top-level heading over a segment."""
    return segment.heading_path[0] if segment.heading_path else ""


def coverage(
    segments: Sequence[Segment],
    *,
    read: Iterable[int],
    cited: Iterable[int],
    asked: Collection[int] | None = None,
) -> tuple[dict[str, Any], list[int]]:
    """Shares of the segments that say anything and are asked about, and the indexes of those that were not read.

    `asked` are those that are to be read; None for all of them.
    """
    saying = [index for index, segment in enumerate(segments) if segment.text.strip()]
    wanted = saying if asked is None else [index for index in saying if index in asked]
    was_read, was_cited = set(read), set(cited)
    missing = [index for index in wanted if index not in was_read]
    processed = len(wanted) - len(missing)
    return {
        "segments": len(saying),
        "not_asked": len(saying) - len(wanted),
        "processed": processed,
        "cited": len(was_cited),
        "ratio": _ratio(processed, len(wanted)),
        "cited_ratio": _ratio(len(was_cited), len(wanted)),
    }, missing


def _ratio(part: int, whole: int) -> float:
    # Floor, so that 1.0 always means all.
    return int(part / whole * 10_000) / 10_000 if whole else 0.0
