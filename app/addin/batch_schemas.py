"""What the add-in sends and gets of batches. Unknown fields are refused."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, model_validator

from app.addin.schemas import (
    Closed,
    DriveItem,
    EstimateFigures,
    EstimateResource,
    ProgressResource,
    UsageResource,
    WaitingResource,
    shallow,
    soon,
)
from app.copilot.batch_requests import MOST_DOCUMENTS, Folder
from app.identity.graph import ID_PATTERN, DriveItemRef
from app.vocabulary import BatchItemState, JobState, OfficeHost


class DriveFolder(Closed):
    """A folder in Microsoft 365; `root` is the drive's own. Its files are listed when the batch runs."""

    drive_id: Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
    item_id: Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
    include_subfolders: bool = False

    def folder(self) -> Folder:
        """The same for the rooms."""
        return Folder(DriveItemRef(self.drive_id, self.item_id), self.include_subfolders)


class BatchInput(Closed):
    """Documents that were taken in, files to fetch, or a folder of files: exactly one of them.

    Files are fetched by the caller's session `graph_session`.
    """

    documents: list[UUID] = Field([], max_length=MOST_DOCUMENTS)
    drive_items: list[DriveItem] = Field([], max_length=MOST_DOCUMENTS)
    folder: DriveFolder | None = None
    graph_session: UUID | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "BatchInput":
        elsewhere = bool(self.drive_items) or self.folder is not None
        if [bool(self.documents), bool(self.drive_items), self.folder is not None].count(True) != 1:
            raise ValueError("send one of documents, drive_items and folder")
        if elsewhere != (self.graph_session is not None):
            raise ValueError("drive_items or folder and graph_session go together")
        places = [(one.drive_id, one.item_id) for one in self.drive_items]
        if len(set(places)) != len(places) or len(set(self.documents)) != len(self.documents):
            raise ValueError("the same document is named twice")
        return self


class NewBatchRequest(Closed):
    """The same work for each of many documents."""

    task_type: Annotated[str, Field(min_length=1, max_length=64)]
    parameters: Annotated[dict[str, Any], AfterValidator(shallow)] = Field({})
    host: OfficeHost = OfficeHost.WORD
    input: BatchInput
    start_at: Annotated[AwareDatetime, AfterValidator(soon)] | None = None
    """Not before; within thirty days."""


class BatchCountsResource(BaseModel):
    """How many of a batch's documents are how far; of those that succeeded `unchanged` were done by an earlier run."""

    total: int
    queued: int
    running: int
    waiting: int
    succeeded: int
    partial: int
    failed: int
    cancelled: int
    removed: int
    unchanged: int


class BatchResource(BaseModel):
    """A batch, which is a job as well: its events are those of the job with its id."""

    id: UUID
    task_type: str
    state: JobState
    host: OfficeHost
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: ProgressResource
    """In documents."""
    documents: BatchCountsResource
    waiting: WaitingResource | None
    estimate: EstimateFigures | None
    """Of documents that were here when it was submitted; route and first member are those of the largest."""
    usage: UsageResource
    left_out: int | None
    """Files of the folder in formats that are not read; null until the batch has ended."""
    error: dict[str, Any] | None


class BatchPage(BaseModel):
    """Own batches, newest first."""

    value: list[BatchResource]
    next_link: str | None = None


class BatchDocumentResource(BaseModel):
    """A document of a batch, what came of it, and the job that did it."""

    number: int
    state: BatchItemState
    name: str | None
    document_id: UUID | None
    drive_item: DriveItem | None
    is_unchanged: bool
    job_id: UUID | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None


class BatchDocumentPage(BaseModel):
    """A batch's documents, in their order."""

    value: list[BatchDocumentResource]
    next_link: str | None = None


class DocumentRefusal(BaseModel):
    """A document that could not be done now, and why."""

    document_id: UUID
    code: str
    message: str


class BatchEstimateResource(EstimateResource):
    """What a batch would need; route and first member are those of the largest document."""

    documents: int
    """How many the sums are of."""
    refused_documents: list[DocumentRefusal]
    """The first hundred of the others."""
