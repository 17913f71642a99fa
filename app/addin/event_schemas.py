"""What a job's events hold, as the contract tells it. `app/jobs/events.py` draws them; the stream frames them.

Each carries `step_id` and `fencing`, except those that the door makes from the job's row.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.vocabulary import JobState


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid")

    step_id: UUID | None = None
    fencing: int | None = None


class StateEvent(_Event):
    """The job is in this state; `cancelled` ends the stream."""

    state: JobState


class ProgressEvent(_Event):
    """What the job is doing, and how far it is."""

    phase: str
    done: int
    total: int
    message: str


class TextEvent(_Event):
    """A checked sentence to append, with the citations that it bears."""

    sentence: str
    citations: list[dict[str, Any]]


class RestartedEvent(_Event):
    """Forget the text shown from this sentence on."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: Annotated[int, Field(alias="from", ge=0)]


class SnapshotEvent(_Event):
    """The whole text so far: replaces what is shown."""

    text: str


class EventDetail(BaseModel):
    """One of several things that are wrong, or that somebody has to do."""

    model_config = ConfigDict(extra="forbid")

    code: str
    message: str


class WaitingEvent(_Event):
    """The job waits for its member, or for money; the stream goes on."""

    reason: str
    expires_at: datetime
    code: str
    message: str
    details: list[EventDetail] = []
    resets_at: datetime | None = None


class WarningEvent(_Event):
    """Something to know; the work goes on."""

    code: str
    message: str
    resets_at: datetime | None = None


class ResultEvent(_Event):
    """The job has ended: read it, its result is authoritative. The last event."""

    link: str


class JobError(BaseModel):
    """Why a job failed; `GET /addin/v1/errors` says what to do about each code."""

    model_config = ConfigDict(extra="forbid")

    code: str
    message: str
    details: list[EventDetail] = []


class ErrorEvent(_Event):
    """The job has failed. The last event."""

    error: JobError


EVENTS: dict[str, type[_Event]] = {
    "state": StateEvent,
    "progress": ProgressEvent,
    "text": TextEvent,
    "restarted": RestartedEvent,
    "snapshot": SnapshotEvent,
    "waiting": WaitingEvent,
    "warning": WarningEvent,
    "result": ResultEvent,
    "error": ErrorEvent,
}
"""By the name in the stream's `event:` line; the `data:` line is the JSON of the class."""


def stream_schema() -> dict[str, Any]:
    """For the contract: each event's name and the schema of its data, by reference to the contract's components.

    Source: OpenAPI 3.2, 4.14.4, "Special Considerations for Server-Sent Events".
    """
    events = [
        {
            "properties": {
                "event": {"const": name},
                "data": {
                    "contentMediaType": "application/json",
                    "contentSchema": {"$ref": f"#/components/schemas/{event.__name__}"},
                },
            }
        }
        for name, event in EVENTS.items()
    ]
    content = {"text/event-stream": {"itemSchema": {"oneOf": events}}}
    return {"responses": {"200": {"description": "The job's events.", "content": content}}}
