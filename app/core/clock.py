"""Time and time-ordered ids. What must agree across processes uses the database's clock instead."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7


def now() -> datetime:
    """The current time in UTC, timezone-aware."""
    return datetime.now(UTC)


def new_id() -> UUID:
    """A new UUIDv7: unique, and ordered by time, so that indexes stay compact."""
    return uuid7()
