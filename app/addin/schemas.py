"""What the add-in sends and gets. Unknown fields are refused."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    model_validator,
)

from app.copilot.types import MOST_INLINE_SEGMENTS
from app.core.clock import now
from app.documents.inline import MOST_CELLS
from app.documents.segments import RunKind
from app.documents.uploads import UploadState
from app.identity.graph import ID_PATTERN, DriveItemRef
from app.vocabulary import JobState, Lane, OfficeHost

_DEEPEST = 8
_CHARACTERS = 1_000_000
CellValue = StrictBool | StrictInt | FiniteFloat | Annotated[str, Field(max_length=32_767)] | None
_LATEST_START = timedelta(days=30)


def shallow(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what is nested so deeply that a later writer of JSON would give up."""
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    if level:
        raise ValueError(f"nested more than {_DEEPEST} levels deep")
    return value


def soon(value: datetime) -> datetime:
    """Refuse a start that is too far away."""
    if value > now() + _LATEST_START:
        raise ValueError(f"start_at is more than {_LATEST_START.days} days away")
    return value


class Closed(BaseModel):
    """What refuses fields that it does not know."""

    model_config = ConfigDict(extra="forbid")


class DriveItem(Closed):
    """A file in Microsoft 365, as Office and Graph name it. `etag` is the version that the pane shows."""

    drive_id: Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
    item_id: Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
    etag: Annotated[str, Field(min_length=1, max_length=256)] | None = None

    def ref(self) -> DriveItemRef:
        """The same for the rooms."""
        return DriveItemRef(self.drive_id, self.item_id, self.etag)


class InlineRunBody(Closed):
    """A stretch of a segment's text: tag 0 is its usual formatting; what is not text is kept as it is."""

    text: str
    tag: Annotated[int, Field(ge=0, le=999_999)] = 0
    kind: RunKind = RunKind.TEXT


class InlineSegmentBody(Closed):
    """A paragraph, cell or shape of the open document, under a name that comes back in anchors and operations."""

    client_ref: Annotated[str, Field(min_length=1, max_length=200)]
    text: Annotated[str, Field(max_length=100_000)]
    runs: Annotated[list[InlineRunBody], Field(max_length=2_000, description="Together the text.")] = []

    @model_validator(mode="after")
    def _runs_are_the_text(self) -> "InlineSegmentBody":
        if self.runs and "".join(run.text for run in self.runs) != self.text:
            raise ValueError("the runs together are not the text")
        opaque = [run.tag for run in self.runs if run.kind is not RunKind.TEXT]
        tags = {run.tag for run in self.runs if run.kind is RunKind.TEXT}
        if 0 in opaque or len(set(opaque)) != len(opaque) or tags.intersection(opaque):
            raise ValueError("each run that is not text has a tag of its own")
        return self


class CellsBody(Closed):
    """A range of cells as `Range.values` gives it; the first row holds the names of the columns."""

    worksheet: Annotated[str, Field(min_length=1, max_length=255)] = "Sheet1"
    a1: Annotated[
        str, Field(pattern=r"^[A-Z]{1,3}[1-9][0-9]{0,6}$", description="The range's first cell.")
    ] = "A1"
    values: Annotated[list[list[CellValue]], Field(min_length=1, max_length=MOST_CELLS)]

    @model_validator(mode="after")
    def _not_too_many(self) -> "CellsBody":
        if sum(map(len, self.values)) > MOST_CELLS:
            raise ValueError(f"more than {MOST_CELLS} cells")
        if sum(len(value) for row in self.values for value in row if isinstance(value, str)) > _CHARACTERS:
            raise ValueError(f"more than {_CHARACTERS} characters")
        return self


class JobInput(Closed):
    """Documents that were taken in, what the pane sends itself (a text, segments, a range of cells), or files to fetch
    when the job runs: one of them at most.

    What a task type takes says GET /addin/v1/task-types.

    Files are fetched by the caller's session `graph_session`, which lets us read them while the caller is away.
    """

    documents: Annotated[list[UUID], Field(max_length=20)] = []
    text: Annotated[str, Field(min_length=1, max_length=_CHARACTERS)] | None = None
    segments: Annotated[list[InlineSegmentBody], Field(max_length=MOST_INLINE_SEGMENTS)] = []
    cells: CellsBody | None = None
    drive_items: Annotated[list[DriveItem], Field(max_length=20)] = []
    graph_session: UUID | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "JobInput":
        pane = [self.text is not None, bool(self.segments), self.cells is not None]
        if [bool(self.documents), *pane, bool(self.drive_items)].count(True) > 1:
            raise ValueError("send only one of documents, text, segments, cells and drive_items")
        if sum(len(one.text) for one in self.segments) > _CHARACTERS:
            raise ValueError(f"segments have more than {_CHARACTERS} characters")
        if len({one.client_ref for one in self.segments}) != len(self.segments):
            raise ValueError("the same client_ref is used twice")
        if bool(self.drive_items) != (self.graph_session is not None):
            raise ValueError("drive_items and graph_session go together")
        places = [(one.drive_id, one.item_id) for one in self.drive_items]
        if len(set(places)) != len(places):
            raise ValueError("the same drive item is named twice")
        if len(set(self.documents)) != len(self.documents):
            raise ValueError("the same document is named twice")
        return self


class NewJobRequest(Closed):
    """Work to accept."""

    task_type: Annotated[str, Field(min_length=1, max_length=64)]
    parameters: Annotated[dict[str, Any], AfterValidator(shallow)] = {}
    host: OfficeHost = OfficeHost.WORD
    lane: Lane = Lane.INTERACTIVE
    input: JobInput = JobInput()
    start_at: Annotated[AwareDatetime, AfterValidator(soon)] | None = None
    """Not before; within thirty days, and only for files that are fetched then."""

    @model_validator(mode="after")
    def _later_only_for_files(self) -> "NewJobRequest":
        if self.start_at is not None and not self.input.drive_items:
            raise ValueError("start_at goes with drive_items only")
        return self


class NewUploadRequest(Closed):
    """A file that will be sent in parts."""

    name: Annotated[str, Field(min_length=1, max_length=255, description="File name with its extension.")]
    size_bytes: Annotated[int, Field(ge=0, strict=True)]
    media_type: Annotated[str, Field(min_length=1, max_length=127)] | None = None
    sha256: (
        Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$", description="Of the whole file, in hex.")] | None
    ) = None


class UploadResource(BaseModel):
    """An upload session. `next_expected_ranges` holds at most one range, "FIRST-LAST"."""

    id: UUID
    name: str
    state: UploadState
    size_bytes: int
    received_bytes: int
    next_expected_ranges: list[str]
    document_id: UUID | None
    error: dict[str, Any] | None
    expires_at: datetime


class SensitivityLabelResource(BaseModel):
    """A label of Microsoft Purview that stood in the file; what it asks for is the add-in's to show."""

    id: str
    site_id: str | None
    name: str | None
    is_enabled: bool


class FindingResource(BaseModel):
    """Something in the file that reads as if it were meant for the model: what kind, how often, where first."""

    kind: str
    count: int
    segment: int | None = None


class DocumentResource(BaseModel):
    """An uploaded document."""

    id: UUID
    name: str
    media_type: str
    size_bytes: int
    segments: int
    estimated_tokens: int
    language: str
    notes: dict[str, Any]
    labels: list[SensitivityLabelResource] = []
    findings: list[FindingResource] = []


class NewGraphSession(Closed):
    """A leave to read the caller's files while the caller is away."""

    days: Annotated[int, Field(ge=1, le=90, description="How long; your operator may allow less.")] | None = (
        None
    )


class GraphSessionResource(BaseModel):
    """Such a leave; it ends by itself at `expires_at`."""

    id: UUID
    created_at: datetime
    renewed_at: datetime
    expires_at: datetime


class GraphSessionPage(BaseModel):
    """The caller's own, newest first."""

    value: list[GraphSessionResource]


class ProgressResource(BaseModel):
    """Where a job stands, in steps."""

    phase: str | None
    done: int
    total: int


class WaitingResource(BaseModel):
    """Why a job waits and until when; `code` says what its member has to do, the rest helps to do it."""

    reason: str
    expires_at: datetime
    code: str
    message: str
    details: list[dict[str, str]] = []


class WarningResource(BaseModel):
    """Something that the caller should know though the work goes on, such as `budget_soft_limit`."""

    code: str
    message: str
    resets_at: datetime | None = None


class UsageResource(BaseModel):
    """What a job has used, in tokens and micros of the currency."""

    input_tokens: int
    output_tokens: int
    cost_micros: int
    currency: str
    calls: int
    reused_tokens: int = Field(
        0, description="What answers had cost that were taken from the member's earlier jobs"
    )
    reused_share: float = Field(0.0, description="Their part of all tokens, used and reused")


class SpanResource(BaseModel):
    """At least and at most."""

    low: int
    high: int


class FirstMember(BaseModel):
    """The member of the pool that is asked first, all being well."""

    deployment: str
    provider_name: str
    request_model: str


class CostResource(BaseModel):
    """In micros of the currency, which is null where nothing has a price.

    `worst_micros`: at most, if other members have to be asked instead of the first. Failed attempts cost extra.
    """

    low_micros: int
    high_micros: int
    worst_micros: int
    currency: str | None


class EstimateFigures(BaseModel):
    """What a job will probably need; a step is a request to a model, but for the plan of a long document."""

    route: str
    pool: str
    revision: int
    first_member: FirstMember
    steps: SpanResource
    input_tokens: SpanResource
    output_tokens: SpanResource
    cost: CostResource


class Refusal(BaseModel):
    """Why the job would not be accepted now; `resets_at` says when a budget begins anew, where that helps."""

    code: str
    message: str
    resets_at: datetime | None = None


class EstimateResource(EstimateFigures):
    """The same before a job is submitted, with what is left of the caller's budgets."""

    left_micros: int | None
    """Of the budget that leaves least; null without a hard limit."""
    refused: Refusal | None
    may_run_out: bool
    """Whether it might have to wait for money: more than is left could be needed."""
    warnings: list[WarningResource]


class JobResource(BaseModel):
    """A job, which is its own operation resource."""

    id: UUID
    task_type: str
    state: JobState
    host: OfficeHost
    lane: Lane
    language: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: ProgressResource
    waiting: WaitingResource | None
    result: dict[str, Any] | None
    estimate: EstimateFigures | None
    """Null until the documents are there."""
    decision: dict[str, Any] | None
    usage: UsageResource
    warnings: list[WarningResource]
    error: dict[str, Any] | None


class JobPage(BaseModel):
    """Own jobs, newest first, without their results."""

    value: list[JobResource]
    next_link: str | None = None
