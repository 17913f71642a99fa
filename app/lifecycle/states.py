"""The way of an erasure.

    requested ──not_before, no hold──► running ──► finished
        └──cancelled

    shut ──► rows ──► redis ──► keys ──► settling ──► done
               ▲                            │
               └── a sweep found something ─┘

A hold over the whole tenant stops a member's erasure that is running, too, before the next rows go. The
last active TenantAdmin's does not begin before there is another.

`shut`: nobody enters, open work is cancelled, sessions end. `rows`: everything but the data keys. `keys`:
what may still be somewhere (a backup, a memory) can no longer be read. `settling`: swept twice, so far
apart that every transaction, cached key and running step of before has ended in between.
"""

from enum import StrEnum


class ErasureState(StrEnum):
    """See above."""

    REQUESTED = "requested"
    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    """See above."""

    SHUT = "shut"
    ROWS = "rows"
    REDIS = "redis"
    KEYS = "keys"
    SETTLING = "settling"
    DONE = "done"


OPEN = (ErasureState.REQUESTED, ErasureState.RUNNING)
