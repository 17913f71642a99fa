"""Notices in JSON."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from app.vocabulary import NoticeKind


class AffectedPoolResource(BaseModel):
    """A pool in which something that ends serves, as it was when the notice was written."""

    name: str
    task_type: str
    becomes_empty: bool
    """From the end on nobody may serve any more (in one of the languages that are served now)."""
    members_left: int


class NoticeResource(BaseModel):
    """An end that is announced or has come."""

    id: UUID
    kind: NoticeKind
    subject_id: UUID
    """The deployment; of a contract the provider."""
    subject_name: str
    owner: Literal["platform", "tenant"]
    threshold_days: int
    """At most so many days were left when it was written: 90, 30, 7; 0 when the end had come."""
    ends_at: datetime
    pools: list[AffectedPoolResource]
    created_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
