"""How much work a job is, before it starts: the requests that its task type will make, at least and at most.

Pure arithmetic over what is known of the documents without opening them. It counts every step once: an attempt that
fails, or another member that is asked after it, is work beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.vocabulary import StepKind

MOST_TOKENS = 1_500_000
"""What a job may read, about three thousand pages: what a worker holds of one stays below a hundred megabytes."""
PROMPT_TOKENS = 600
"""What the instructions of the largest prompt set cost, rounded up."""
ANSWER_TOKENS = 1500
"""The most that an answer is reckoned with where the task type says nothing."""
LEAST_SHARE = 0.5
"""Of our estimate of a text: what a tokeniser that suits its language makes of it (measured: 0.7 to 1.0)."""
LEAST_ANSWER_TOKENS = 5
_MARKED = 4 / 3
"""A text with its marks between words, see `Reading.tokens`."""
_ID_TOKENS = 4


@dataclass(frozen=True)
class WorkFacts:
    """What is known of a job: estimated tokens and segments of its documents, the pool's window, its parameters."""

    tokens: int
    segments: int
    context_tokens: int
    language: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Calls:
    """So many requests of one kind, with the tokens of all of them."""

    kind: StepKind
    count: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Work:
    """The requests of a job, at least and at most."""

    least: tuple[Calls, ...]
    most: tuple[Calls, ...]
    planned: bool = False
    """Whether a plan, which asks nobody, is a step of its own."""


def one_pass(facts: WorkFacts, *, answer_tokens: int = ANSWER_TOKENS) -> Work:
    """One request that reads everything."""
    return Work(
        least=(Calls(StepKind.FINAL, 1, least_tokens(facts.tokens), LEAST_ANSWER_TOKENS),),
        most=(
            Calls(
                StepKind.FINAL, 1, read_tokens(facts.tokens, facts.segments) + PROMPT_TOKENS, answer_tokens
            ),
        ),
    )


def read_tokens(tokens: int, blocks: int) -> int:
    """The most that a text costs in a request: marked, in so many blocks."""
    return int(tokens * _MARKED) + 1 + _ID_TOKENS * blocks


def least_tokens(tokens: int) -> int:
    """The least that a text is counted with."""
    return int(tokens * LEAST_SHARE)
