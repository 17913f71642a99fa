"""Which results are merged with which, so that every request stays within the model's context.

Groups follow the document: neighbours only, and where there is a choice a group ends where a chapter
ends, or where the content says so: then one chunk more or less moves few borders, and the merges behind
it stay what they were. Levels are added until the last step can read what is left.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

FACT_TOKENS = 70
"""What a fact is planned to cost; a step drops facts if they turn out longer (measured: 20-60)."""


MERGE_TOKENS = 4_500
"""The most that one step reads of facts, also where its model takes more: what one edit costs is the
merges above it, and a list of facts that is longer than this is read the worse in its middle.
"""
_BORDER_MODULUS = 4


@dataclass(frozen=True)
class Node:
    """A result to be read by the next level: leaves are chunks, the others merges."""

    leaves: tuple[int, ...]
    chapter: str
    facts: int
    """The most facts it hands on."""
    children: tuple[int, ...] = ()
    """Positions in the level below; empty for a chunk."""


def plan_levels(
    chapters: Sequence[str], *, facts: int, budget_tokens: int, contents: Sequence[str] = ()
) -> list[list[Node]]:
    """Levels of the tree, chunks first; the last level is what the final step reads.

    `chapters` names the top-level heading of each chunk, `contents` are their texts (or none), `facts` bounds
    what a chunk hands on, and `budget_tokens` what one request reads.
    """
    borders = {at for at, content in enumerate(contents) if _is_border(content)}
    most = max(2, budget_tokens // FACT_TOKENS)
    level = [Node((at,), chapter, facts) for at, chapter in enumerate(chapters)]
    levels = [level]
    while sum(node.facts for node in level) > most and len(level) > 1:
        level = _merge_level(level, most, borders)
        levels.append(level)
    return levels


def _merge_level(level: Sequence[Node], most: int, borders: Collection[int]) -> list[Node]:
    """One level up: groups of at least two, whose facts fit one request."""
    fan_in = max(2, most // max(node.facts for node in level))
    groups: list[list[int]] = [[]]
    for at, node in enumerate(level):
        group = groups[-1]
        turns = bool(group) and (level[group[-1]].chapter != node.chapter or node.leaves[0] in borders)
        if len(group) >= fan_in or (turns and len(group) >= max(2, fan_in // 2)):
            groups.append([])
        groups[-1].append(at)
    # A merge halves at least, so that the tree ends.
    handed_on = max(1, min(12, most // 2))
    return [
        Node(
            leaves=tuple(leaf for at in group for leaf in level[at].leaves),
            chapter=level[group[0]].chapter,
            facts=min(handed_on, sum(level[at].facts for at in group)),
            children=tuple(group),
        )
        for group in groups
    ]


def _is_border(content: str) -> bool:
    digest = hashlib.blake2b(
        content.encode("utf-8", "surrogatepass"), digest_size=1, person=b"merge"
    ).digest()
    return digest[0] % _BORDER_MODULUS == 0
