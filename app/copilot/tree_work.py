"""How much work a long document is: its chunks, the merges over their facts, and the final step."""

from math import ceil

from app.copilot.answering import answer_tokens
from app.copilot.chunking import CAP_TOKENS, HEADER_CHARACTERS, ID_TOKENS, MINIMUM_TOKENS
from app.copilot.merge_tree import FACT_TOKENS, MERGE_TOKENS, Node, plan_levels
from app.copilot.work import (
    LEAST_ANSWER_TOKENS,
    PROMPT_TOKENS,
    Calls,
    Work,
    WorkFacts,
    least_tokens,
    read_tokens,
)
from app.documents.tokens import estimate_tokens
from app.vocabulary import StepKind

FEWEST_FACTS, MOST_FACTS = 3, 12
"""What a chunk hands on. In steps, so that one chunk more seldom asks all the others for another number."""
_STEPS = (FEWEST_FACTS, 6, MOST_FACTS)
_HEADER_TOKENS = estimate_tokens("x" * HEADER_CHARACTERS)


def facts_of_chunk(chunks: int, sentences: int) -> int:
    """How many facts each chunk hands on, so that twice as many as the answer's sentences come together."""
    wanted = ceil(2 * sentences / chunks)
    return next((step for step in _STEPS if step >= wanted), MOST_FACTS)


def chunk_bounds(budget_tokens: int) -> tuple[int, int]:
    """The most tokens that a chunk holds, and the fewest with which one ends at a border."""
    return min(CAP_TOKENS, budget_tokens), min(MINIMUM_TOKENS, budget_tokens // 3)


def tree_work(facts: WorkFacts, *, budget_tokens: int, sentences: int, language: str) -> Work:
    """The requests of plan -> map -> merge -> final; `budget_tokens` is what one request reads."""
    fewest, most, blocks = _chunk_counts(facts, budget_tokens)
    budget_tokens = min(budget_tokens, MERGE_TOKENS)
    return Work(
        least=_least(
            facts,
            plan_levels([""] * fewest, facts=facts_of_chunk(most, sentences), budget_tokens=budget_tokens),
        ),
        most=(
            *_most(
                facts,
                # A chapter for each chunk makes the smallest groups.
                plan_levels(
                    [str(at) for at in range(most)],
                    facts=facts_of_chunk(fewest, sentences),
                    budget_tokens=budget_tokens,
                ),
                blocks=blocks,
                budget_tokens=budget_tokens,
            ),
            Calls(
                StepKind.FINAL,
                1,
                _facts_tokens(budget_tokens) + PROMPT_TOKENS,
                answer_tokens(sentences, language),
            ),
        ),
        planned=True,
    )


def flat_work(facts: WorkFacts, *, budget_tokens: int, handed_on: int) -> Work:
    """The requests of plan -> map, when code joins what the maps found: at most `handed_on` of each chunk."""
    fewest, most, blocks = _chunk_counts(facts, budget_tokens)
    level = [Node((at,), "", handed_on) for at in range(most)]
    maps, _ = _most(facts, [level], blocks=blocks, budget_tokens=budget_tokens)
    return Work(
        least=(Calls(StepKind.MAP, fewest, least_tokens(facts.tokens), fewest * LEAST_ANSWER_TOKENS),),
        most=(maps,),
        planned=True,
    )


def _chunk_counts(facts: WorkFacts, budget_tokens: int) -> tuple[int, int, int]:
    """The fewest and the most chunks that such a document has, and the most blocks in them."""
    cap, minimum = chunk_bounds(budget_tokens)
    # What is too large alone is split, and each part is a block.
    blocks = facts.segments + 2 * ceil(facts.tokens / cap)
    fewest = max(1, int(facts.tokens * 0.9) // cap)
    # A chunk that ends at a border holds the minimum; two that end because they are full hold the cap together.
    most = max(fewest, 1 + ceil((facts.tokens + ID_TOKENS * blocks) / minimum))
    return fewest, most, blocks


def _least(facts: WorkFacts, levels: list[list[Node]]) -> tuple[Calls, ...]:
    merges = sum(map(len, levels[1:]))
    maps = len(levels[0])
    return (
        Calls(StepKind.MAP, maps, least_tokens(facts.tokens), maps * LEAST_ANSWER_TOKENS),
        Calls(StepKind.MERGE, merges, merges * LEAST_ANSWER_TOKENS, merges * LEAST_ANSWER_TOKENS),
        Calls(StepKind.FINAL, 1, LEAST_ANSWER_TOKENS, LEAST_ANSWER_TOKENS),
    )


def _most(
    facts: WorkFacts, levels: list[list[Node]], *, blocks: int, budget_tokens: int
) -> tuple[Calls, ...]:
    maps, merges = levels[0], [node for level in levels[1:] for node in level]
    # A table that goes on shows its header again in each chunk.
    read = read_tokens(facts.tokens + _HEADER_TOKENS * len(maps), blocks)
    handed_on = max(node.facts for node in maps)
    return (
        Calls(
            StepKind.MAP,
            len(maps),
            read + PROMPT_TOKENS * len(maps),
            len(maps) * answer_tokens(handed_on, facts.language),
        ),
        Calls(
            StepKind.MERGE,
            len(merges),
            len(merges) * (_facts_tokens(budget_tokens) + PROMPT_TOKENS),
            sum(answer_tokens(node.facts, facts.language) for node in merges),
        ),
    )


def _facts_tokens(budget_tokens: int) -> int:
    """What a step reads of facts: as many as fit its budget."""
    return read_tokens(budget_tokens, ceil(budget_tokens / FACT_TOKENS))
