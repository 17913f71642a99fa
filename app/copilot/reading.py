"""What a reading step shows a model: pieces of the document, or facts that earlier steps found in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.copilot.chunking import ID_TOKENS, Piece
from app.copilot.citations import Claim, Evidence, Span
from app.copilot.datamark import mark_for, put_marks, remove_from_answer
from app.documents.segments import Segment
from app.documents.tokens import estimate_tokens
from app.llm.types import Block
from app.vocabulary import SegmentKind

_SUPPORT_CHARACTERS = 20_000


@dataclass(frozen=True)
class Fact:
    """A verified sentence of an earlier step and the spans it stands on."""

    text: str
    spans: tuple[Span, ...]
    extra: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, claim: Claim) -> "Fact":
        """The fact that a claim becomes for the next step."""
        return cls(claim.text, claim.spans, claim.extra)

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> "Fact":
        """The fact that `dump` wrote."""
        return cls(value["text"], tuple(Span(*span) for span in value["spans"]), value.get("extra", {}))

    def dump(self) -> dict[str, Any]:
        """The fact as JSON."""
        spans = [[span.segment, span.start, span.end] for span in self.spans]
        extra = {"extra": dict(self.extra)} if self.extra else {}
        return {"text": self.text, "spans": spans, **extra}


@dataclass(frozen=True)
class Reading:
    """The blocks of one request, marked as data."""

    evidence: tuple[Evidence, ...]
    mark: str

    @classmethod
    def of(cls, evidence: Sequence[Evidence], mark_key: bytes) -> "Reading":
        """Choose the mark for this text."""
        return cls(tuple(evidence), mark_for(mark_key, "\n".join(each.block.text for each in evidence)))

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks without marks, for members that read no prompt."""
        return tuple(each.block for each in self.evidence)

    @property
    def said(self) -> dict[str, Any]:
        """What `render` shows beside the blocks."""
        documents = [each.document for each in self.evidence]
        return {
            "headers": {each.block.id: each.header for each in self.evidence if each.header is not None},
            # Only where there are several are they named.
            "documents": documents if len(set(documents)) > 1 else [],
        }

    def render(self, *, between_words: bool) -> str:
        """`[B1] text` a line, under their headings; marked between words, or only where a text begins.

        The latter is for models so small that marks between words confuse them.
        """
        lines: list[str] = []
        path: tuple[str, ...] = ()
        documents = {each.document for each in self.evidence}
        document: int | None = None
        for each in self.evidence:
            if len(documents) > 1 and each.document != document:
                document, path = each.document, ()
                lines.append(f"# Document {document + 1}")
            if each.block.heading_path != path and each.block.kind is not SegmentKind.HEADING:
                path = each.block.heading_path
                if path:
                    lines.append(self._marked("## " + " > ".join(path), between_words=between_words))
            if each.header is not None:
                lines.append(self._marked("columns: " + each.header, between_words=between_words))
            lines.append(f"[{each.block.id}] {self._marked(each.block.text, between_words=between_words)}")
        return "\n".join(lines)

    def _marked(self, text: str, *, between_words: bool) -> str:
        line = " ".join(text.split())
        return put_marks(line, self.mark) if between_words else self.mark + line

    def unmarked(self, answer: str) -> str:
        """The answer without marks that the model copied."""
        return remove_from_answer(answer, self.mark)

    def tokens(self) -> int:
        """Estimated tokens of the blocks: their text, a third for marks, and their ids."""
        text = sum(estimate_tokens(each.block.text) for each in self.evidence)
        return text + text // 3 + ID_TOKENS * len(self.evidence)


def read_pieces(segments: Sequence[Segment], pieces: Sequence[Piece]) -> list[Evidence]:
    """Evidence for pieces of the document; blank ones say nothing and are left out."""
    found: list[Evidence] = []
    for piece in pieces:
        segment = segments[piece.segment]
        text = segment.text[piece.start : piece.end]
        if text.strip():
            block = Block(f"B{len(found) + 1}", text, segment.kind, segment.heading_path)
            span = Span(piece.segment, piece.start, piece.end)
            body = _body(segment, text)
            support = "\n".join([*segment.heading_path, body])
            found.append(
                Evidence(
                    block,
                    (span,),
                    support,
                    body,
                    segment.heading_path,
                    header=piece.header,
                    document=segment.document,
                )
            )
    return found


def read_facts(segments: Sequence[Segment], facts: Sequence[Fact]) -> list[Evidence]:
    """Evidence for facts; a sentence about one may say what the fact or its source says."""
    return [_fact_evidence(segments, fact, f"B{at}") for at, fact in enumerate(facts, start=1)]


def _fact_evidence(segments: Sequence[Segment], fact: Fact, block_id: str) -> Evidence:
    sources = [segments[span.segment] for span in fact.spans]
    headings = tuple(dict.fromkeys(heading for source in sources for heading in source.heading_path))
    body = "\n".join([fact.text, *(_body(source, source.text) for source in sources)])
    return Evidence(
        Block(block_id, fact.text, SegmentKind.PARAGRAPH, sources[0].heading_path),
        fact.spans,
        "\n".join([*headings, body]),
        body,
        headings,
        is_fact=True,
        document=sources[0].document,
    )


def fit(groups: Sequence[Sequence[Fact]], budget_tokens: int) -> list[Fact]:
    """All facts in order; if they are too long together, the longest groups lose their last first.

    Each group keeps one, so that no part of the document falls silent.
    """
    kept = [list(group) for group in groups]
    costs = [[estimate_tokens(fact.text) + 4 for fact in group] for group in kept]
    total = sum(map(sum, costs))
    while total > budget_tokens:
        at = max(range(len(kept)), key=lambda index: (len(kept[index]) > 1, len(kept[index])))
        if len(kept[at]) <= 1:
            break
        kept[at].pop()
        total -= costs[at].pop()
    return [fact for group in kept for fact in group]


def _body(segment: Segment, text: str) -> str:
    """The text under the names of its columns, without the soft hyphens that no answer repeats."""
    return f"{segment.table_header or ''}\n{text[:_SUPPORT_CHARACTERS]}".replace("\xad", "")
