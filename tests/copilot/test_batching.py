"""How long a batch's step rests between two rounds."""

import pytest

from app.copilot.batching import Making, pause_seconds
from app.jobs.batches import MOST_OPEN, BatchCounts
from app.jobs.errors import TooManyJobs
from app.vocabulary import BatchItemState


def counts(*, done: int, running: int, unmade: int) -> BatchCounts:
    states = {
        BatchItemState.SUCCEEDED: done,
        BatchItemState.RUNNING: running,
        BatchItemState.QUEUED: unmade,
    }
    return BatchCounts(states, unmade)


def test_while_there_is_room_the_next_are_made_at_once() -> None:
    assert pause_seconds(counts(done=0, running=4, unmade=9), Making(4), ended_before=0) == 0


@pytest.mark.parametrize(
    ("now", "making", "before"),
    [
        (counts(done=0, running=MOST_OPEN, unmade=9), Making(4), 0),
        (counts(done=3, running=5, unmade=0), Making(), 2),
        (counts(done=3, running=2, unmade=0), Making(2), 3),
    ],
    ids=["full", "one has ended", "the last are made"],
)
def test_after_a_round_that_may_have_missed_an_end_it_looks_again_soon(
    now: BatchCounts, making: Making, before: int
) -> None:
    assert 0 < pause_seconds(now, making, ended_before=before) <= 0.5


def test_while_nothing_happens_it_looks_rarely() -> None:
    assert pause_seconds(counts(done=3, running=5, unmade=0), Making(), ended_before=3) == 5


def test_what_the_queue_has_no_room_for_is_tried_again_later() -> None:
    full = Making(1, TooManyJobs(1000))
    assert pause_seconds(counts(done=0, running=1, unmade=9), full, ended_before=0) == 5
