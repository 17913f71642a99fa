"""What the portal takes and gives, in JSON."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.lifecycle.states import ErasureState, Phase
from app.vocabulary import AppClientState, JobState, Lane, MemberState, OfficeHost, Role, TenantState

Name = Annotated[
    str,
    # One line of visible text: it is shown in lists and logs of administrators.
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
NO_NUL = r"^[^\x00]*$"
"""What may be searched for: no text of Postgres holds a NUL."""
AssignableRole = Annotated[
    Role,
    Field(description="TenantAdmin, Auditor or Member. PlatformOperator is not a tenant's to give."),
]


Item = TypeVar("Item")


class Closed(BaseModel):
    """A body in which nothing unknown may stand."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[Item]):
    """A page of a list; without `next_link` it is the last."""

    value: list[Item]
    next_link: str | None = None


class SignedOut(BaseModel):
    """The session here has ended; Entra's own goes on until the browser opens its page."""

    entra_sign_out_url: str


class Me(BaseModel):
    """Who is signed in, and what they may do here."""

    tenant_id: UUID
    tenant_name: str
    member_id: UUID
    display_name: str
    roles: list[Role]
    began_at: datetime
    ends_at: datetime
    """At the latest; half an hour without a request ends it as well."""


class StartOnboarding(Closed):
    """The wish to bring one's directory in."""

    name: Name | None = None
    """What the organisation wants to be called; where the operator has invited it, the operator's name stays."""


class ConsentPage(BaseModel):
    """Where the administrator consents."""

    consent_url: str


class MemberResource(BaseModel):
    """A person of the tenant: metadata, nothing of what the person does."""

    id: UUID
    entra_object_id: UUID
    display_name: str
    role: Role
    state: MemberState
    is_guest: bool
    department: str
    groups: list[UUID]
    groups_incomplete: bool
    """The person is in more groups than Entra named: a group's absence here proves nothing."""
    jobs: int
    """How many jobs of the person we keep."""
    created_at: datetime
    last_seen_at: datetime | None


class ChangeMember(Closed):
    """What shall be different; what is left out stays."""

    role: AssignableRole | None = None
    state: Literal[MemberState.ACTIVE, MemberState.BLOCKED] | None = None


class SettingsResource(BaseModel):
    """What the tenant's administrators decide; the ETag of the answer goes into `If-Match` of a change."""

    name: str
    allow_guests: bool
    read_profiles: bool
    retention_days: int


class ChangeSettings(Closed):
    """The settings as they shall be; what is left out stays."""

    name: Name | None = None
    allow_guests: bool | None = None
    read_profiles: bool | None = None
    """Whether groups and department are read from Microsoft Graph when a person signs in."""
    retention_days: Annotated[int, Field(ge=1, le=3650)] | None = None


class JobMetadataResource(BaseModel):
    """A job without anything of its content."""

    id: UUID
    member_id: UUID
    task_type: str
    host: OfficeHost
    lane: Lane
    state: JobState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    input_tokens: int
    output_tokens: int
    cost_micros: int
    currency: str


class AppClientResource(BaseModel):
    """A program of the tenant that acts for itself."""

    id: UUID
    client_id: UUID
    name: str
    member_id: UUID
    permissions: list[str]
    state: AppClientState
    created_at: datetime


class NewAppClient(Closed):
    """A program by its client id in Entra; it gets a member row of its own, which pays for it."""

    client_id: UUID
    name: Name


class TenantResource(BaseModel):
    """A customer as the operator sees it: metadata."""

    id: UUID
    entra_tenant_id: UUID
    name: str
    state: TenantState
    suspended_reason: str | None
    suspended_at: datetime | None
    onboarded_at: datetime | None
    created_at: datetime


class Invitation(Closed):
    """A directory that may bring itself in."""

    entra_tenant_id: UUID
    name: Name


class Suspension(Closed):
    """Why a customer is suspended; the operator's people see it."""

    reason: Name


class AskErasure(Closed):
    """Whom to erase: a member by id, or the whole tenant, confirmed with its name as it is shown."""

    member_id: UUID | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.member_id is None) == (self.name is None):
            raise ValueError("name either a member by member_id, or the whole tenant by its name")
        return self


class ConfirmErasure(Closed):
    """The customer's name, exactly as it is shown."""

    name: Name


class ErasureResource(BaseModel):
    """An erasure, how far it is, and when it is finished the proof that nothing is left."""

    id: UUID
    member_id: UUID | None
    """Null: the whole tenant."""
    requested_by: UUID | None
    by_operator: bool
    state: ErasureState
    phase: Phase
    requested_at: datetime
    not_before: datetime
    finished_at: datetime | None
    removed: dict[str, int]
    """Rows removed so far, by table."""
    proof: dict[str, Any] | None


class PlaceHold(Closed):
    """What to keep and why; without `member_id` everything of the tenant."""

    member_id: UUID | None = None
    reason: Name
    until: AwareDatetime | None = None


class HoldResource(BaseModel):
    """A legal hold; it stands until it is released or its time is up."""

    id: UUID
    member_id: UUID | None
    reason: str
    placed_by: UUID
    since: datetime
    until: datetime | None
    released_at: datetime | None
    released_by: UUID | None


class MemberGraphSession(BaseModel):
    """A member's leave to read their files while they are away; nothing of what it read."""

    id: UUID
    member_id: UUID
    created_at: datetime
    renewed_at: datetime
    expires_at: datetime
