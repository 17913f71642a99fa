"""Which results are merged with which, so that every request stays within the model's context.

Groups follow the document: neighbours only, and where there is a choice a group ends where a chapter
ends. Levels are added until the last step can read what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

FACT_TOKENS = 70
"""What a fact is planned to cost; a step drops facts if they turn out longer (measured: 20-60)."""


@dataclass(frozen=True)
class Node:
    """A result to be read by the next level: leaves are chunks, the others merges."""

    leaves: tuple[int, ...]
    chapter: str
    facts: int
    """The most facts it hands on."""
    children: tuple[int, ...] = ()
    """Positions in the level below; empty for a chunk."""


def plan_levels(chapters: Sequence[str], *, facts: int, budget_tokens: int) -> list[list[Node]]:
    """Levels of the tree, chunks first; the last level is what the final step reads.

    `chapters` names the top-level heading of each chunk, `facts` bounds what a chunk hands on, and
    `budget_tokens` what one request reads.
    """
    most = max(2, budget_tokens // FACT_TOKENS)
    level = [Node((at,), chapter, facts) for at, chapter in enumerate(chapters)]
    levels = [level]
    while sum(node.facts for node in level) > most and len(level) > 1:
        level = _merge_level(level, most)
        levels.append(level)
    return levels


def _merge_level(level: Sequence[Node], most: int) -> list[Node]:
    """One level up: groups of at least two, whose facts fit one request."""
    fan_in = max(2, most // max(node.facts for node in level))
    groups: list[list[int]] = [[]]
    for at, node in enumerate(level):
        group = groups[-1]
        turns = bool(group) and level[group[-1]].chapter != node.chapter
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
