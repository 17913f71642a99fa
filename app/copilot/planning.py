"""The steps of a long document: a map for each chunk, merges over them, and the final step."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.copilot.chunking import HEADER_CHARACTERS, Chunk, Piece
from app.copilot.findings import ranges
from app.copilot.merge_tree import FACT_TOKENS, Node
from app.copilot.types import NewStep
from app.copilot.work import PROMPT_TOKENS
from app.documents.segments import Segment
from app.vocabulary import StepKind


def new_steps(chunks: Sequence[Chunk], levels: Sequence[Sequence[Node]]) -> tuple[NewStep, ...]:
    """Maps, then each level of merges, then the final step: every step's successor is its parent."""
    offsets = [0]
    for level in levels:
        offsets.append(offsets[-1] + len(level))
    final = offsets[-1]
    parents: dict[int, int] = {}
    for depth in range(1, len(levels)):
        for at, node in enumerate(levels[depth]):
            parents |= {offsets[depth - 1] + child: offsets[depth] + at for child in node.children}
    steps: list[NewStep] = []
    for depth, level in enumerate(levels):
        for at, node in enumerate(level):
            position = offsets[depth] + at
            covered = _segments_of(chunks[leaf] for leaf in node.leaves)
            below = sum(levels[depth - 1][child].facts for child in node.children) if depth else 0
            step_input: dict[str, Any] = {"facts": node.facts, "covers": ranges(covered)}
            if depth == 0:
                step_input["pieces"] = [dump_piece(piece) for piece in chunks[at].pieces]
            tokens = below * FACT_TOKENS if depth else chunks[at].estimated_tokens * 4 // 3
            steps.append(
                NewStep(
                    kind=StepKind.MERGE if depth else StepKind.MAP,
                    ordinal=position,
                    input=step_input,
                    estimated_tokens=tokens + PROMPT_TOKENS,
                    successor=parents.get(position, final),
                )
            )
    facts = sum(node.facts for node in levels[-1])
    steps.append(NewStep(StepKind.FINAL, final, {"over": "facts"}, facts * FACT_TOKENS + PROMPT_TOKENS))
    return tuple(steps)


def _segments_of(chunks: Iterable[Chunk]) -> set[int]:
    return {piece.segment for each in chunks for piece in each.pieces}


def dump_piece(piece: Piece) -> list[int]:
    """A piece as a map step's input names it."""
    return [piece.segment, piece.start, piece.end, int(piece.header is not None)]


def load_pieces(step_input: Mapping[str, Any], segments: Sequence[Segment]) -> list[Piece]:
    """The pieces that a map step's input names."""
    return [
        Piece(
            index, start, end, (segments[index].table_header or "")[:HEADER_CHARACTERS] if repeated else None
        )
        for index, start, end, repeated in step_input["pieces"]
    ]
