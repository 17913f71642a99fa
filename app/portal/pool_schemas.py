"""Pools, revisions and routes, as the portal takes and gives them in JSON."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from app.core.errors import ErrorDetail
from app.pools.drafts import MOST_MEMBERS
from app.pools.pool_views import DraftContent, NewMember, PoolView, RevisionView, RouteView
from app.pools.seed_schema import SeedConditions, SeedParameters
from app.portal.schemas import Closed
from app.vocabulary import PLATFORM, MemberPurpose, Strategy

ConfigurationName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
"""Lower-case letters, digits, dots and hyphens: it is a key in the configuration file."""
TaskTypeName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00]*$")]


class Owner(StrEnum):
    """Whose it is: what is the platform's may be used, and is changed by no tenant."""

    PLATFORM = "platform"
    TENANT = "tenant"


def owner_of(tenant_id: UUID) -> Owner:
    """Whose a row is that the tenant may see."""
    return Owner.PLATFORM if tenant_id == PLATFORM else Owner.TENANT


class NewPool(Closed):
    """A pool to make."""

    name: ConfigurationName
    task_type: TaskTypeName


class ChangePool(Closed):
    """What is left out stays."""

    name: ConfigurationName | None = None
    archived: bool | None = None


class PoolResource(BaseModel):
    """A pool, and which of its revisions serves; none while nothing is published."""

    id: UUID
    owner: Owner
    name: str
    task_type: str
    published_revision: int | None
    published_at: datetime | None
    """When that revision was published for the first time."""
    version: int
    archived_at: datetime | None

    @classmethod
    def of(cls, view: PoolView) -> "PoolResource":
        """As shown."""
        return cls(
            id=view.id,
            owner=owner_of(view.tenant_id),
            name=view.name,
            task_type=view.task_type,
            published_revision=view.published_number,
            published_at=view.published_at,
            version=view.version,
            archived_at=view.archived_at,
        )


class WantedMember(Closed):
    """A deployment with a prompt set and parameters. A lower tier is asked first."""

    deployment_id: UUID
    prompt_set_id: UUID
    parameters: SeedParameters = SeedParameters()
    tier: int = Field(0, ge=0, le=99)
    weight: int = Field(1, ge=0, le=1_000_000)
    purpose: MemberPurpose = MemberPurpose.SERVING


class ChangeDraft(Closed):
    """What is left out stays; members are replaced as a whole."""

    strategy: Strategy | None = None
    note: Note | None = None
    members: Annotated[list[WantedMember], Field(max_length=MOST_MEMBERS)] | None = None

    def content(self) -> DraftContent:
        """What the room takes."""
        members = None
        if self.members is not None:
            members = tuple(
                NewMember(
                    one.deployment_id,
                    one.prompt_set_id,
                    one.parameters.model_dump(exclude_none=True),
                    one.tier,
                    one.weight,
                    one.purpose,
                )
                for one in self.members
            )
        return DraftContent(self.strategy, self.note, members)


class NewDraft(ChangeDraft):
    """A draft to make: what is left out is empty, or copied from the published revision."""

    copy_published: bool = False


class PoolMemberResource(BaseModel):
    """A member of a revision, with the names of what it is made of."""

    deployment_id: UUID
    deployment_name: str
    prompt_set_id: UUID
    prompt_set_name: str
    prompt_set_revision: int
    parameters: dict[str, Any]
    tier: int
    weight: int
    purpose: MemberPurpose


class RevisionSummary(BaseModel):
    """A revision of a pool; a draft as long as it was never published."""

    id: UUID
    number: int
    is_draft: bool
    strategy: Strategy
    note: str
    version: int
    created_at: datetime
    published_at: datetime | None

    @classmethod
    def of(cls, view: RevisionView) -> "RevisionSummary":
        """As shown."""
        return cls(**_revision(view))


class RevisionResource(RevisionSummary):
    """With its members, by tier."""

    members: list[PoolMemberResource]

    @classmethod
    def of(cls, view: RevisionView) -> "RevisionResource":
        """As shown."""
        members = [PoolMemberResource.model_validate(one, from_attributes=True) for one in view.members]
        return cls(**_revision(view), members=members)


def _revision(view: RevisionView) -> dict[str, Any]:
    return {
        "id": view.id,
        "number": view.number,
        "is_draft": view.published_at is None,
        "strategy": view.strategy,
        "note": view.note,
        "version": view.version,
        "created_at": view.created_at,
        "published_at": view.published_at,
    }


class DraftProblem(BaseModel):
    """One thing that is wrong, and where."""

    code: str
    message: str
    target: str

    @classmethod
    def of(cls, problem: ErrorDetail) -> "DraftProblem":
        """As shown."""
        return cls(code=problem.code, message=problem.message, target=problem.target or "")


class DraftVerdict(BaseModel):
    """Whether a revision may be published as it is today, and everything that is wrong with it."""

    is_valid: bool
    problems: list[DraftProblem]


class Revert(Closed):
    """Which revision is to serve again; without a number the one published before the present one."""

    to: Annotated[int, Field(ge=1, le=2_000_000_000)] | None = None


class WantedRouteBody(Closed):
    """A route as a whole: what is left out of the conditions does not matter to it."""

    name: ConfigurationName
    task_type: TaskTypeName
    conditions: SeedConditions = SeedConditions()
    pool_id: UUID


class RouteResource(BaseModel):
    """A route; the most specific one that matches wins, own ones before the platform's."""

    id: UUID
    owner: Owner
    name: str
    task_type: str
    conditions: SeedConditions
    pool_id: UUID
    pool_name: str
    pool_owner: Owner
    is_published: bool
    """Whether the pool has published something; a route to one that has not matches nothing."""
    version: int

    @classmethod
    def of(cls, view: RouteView) -> "RouteResource":
        """As shown."""
        return cls(
            id=view.id,
            owner=owner_of(view.tenant_id),
            name=view.name,
            task_type=view.task_type,
            conditions=SeedConditions.model_validate(dict(view.conditions)),
            pool_id=view.pool_id,
            pool_name=view.pool_name,
            pool_owner=owner_of(view.pool_tenant_id),
            is_published=view.is_published,
            version=view.version,
        )
