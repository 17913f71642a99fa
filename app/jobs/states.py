"""The two state machines, as pure functions.

job    queued ──► running ──► succeeded | partial | failed
          │          ▲ │
          │          │ ▼
          │        waiting
          └──────────┴───────► cancelled          (from any state that is not final)

step   blocked ──► queued ──► running ──► done | dead
          ▲           ▲          │
          │           └──────────┤  retry, postponed, lease expired (with run_after)
          └── its job waits ─────┘  (a queued one as well; resumed, it is queued again)
       blocked | queued | running ──► cancelled

A blocked step has predecessors that have not ended (`remaining`), or none and its job waits.
"""

from app.vocabulary import JobState, StepState

FINAL_JOB_STATES = frozenset({JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED})
OPEN_JOB_STATES = frozenset(JobState) - FINAL_JOB_STATES
FINAL_STEP_STATES = frozenset({StepState.DONE, StepState.DEAD, StepState.CANCELLED})

JOB_TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.WAITING}) | FINAL_JOB_STATES,
    JobState.WAITING: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    **{state: frozenset() for state in FINAL_JOB_STATES},
}

STEP_TRANSITIONS: dict[StepState, frozenset[StepState]] = {
    StepState.BLOCKED: frozenset({StepState.QUEUED, StepState.CANCELLED}),
    StepState.QUEUED: frozenset({StepState.RUNNING, StepState.BLOCKED, StepState.CANCELLED}),
    StepState.RUNNING: frozenset({StepState.QUEUED, StepState.BLOCKED}) | FINAL_STEP_STATES,
    **{state: frozenset() for state in FINAL_STEP_STATES},
}


def backoff_seconds(attempt: int, jitter: float, *, base: float = 1.0, cap: float = 60.0) -> float:
    """Wait before attempt `attempt + 1`: full jitter over an exponential; `jitter` is in [0, 1).

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015), the "full jitter" variant.
    """
    return jitter * min(cap, base * 2.0 ** (attempt - 1))
