"""Policies and permissions, as the portal takes and gives them in JSON."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from app.pools.policy_effects import EmptiedPool
from app.pools.selection import Exclusion, in_words
from app.portal.pool_schemas import Owner, owner_of
from app.portal.schemas import Closed
from app.tenants.policy import Policy
from app.tenants.policy_changes import LISTS, TERMS
from app.tenants.task_permissions import Permission
from app.vocabulary import ModelClass, Role

_Word = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
_Words = Annotated[list[_Word], Field(max_length=100)]


class PolicyBody(Closed):
    """Where the tenant's text may go. A list of null allows everything, an empty one nothing."""

    allowed_regions: _Words | None = None
    allowed_processors: _Words | None = None
    allowed_vendors: _Words | None = None
    allowed_model_classes: Annotated[list[ModelClass], Field(max_length=10)] | None = None
    require_no_training: bool = False
    require_zero_retention: bool = False


class PolicyResource(PolicyBody):
    """As it holds now."""

    version: int

    @classmethod
    def of(cls, policy: Policy) -> "PolicyResource":
        """As shown."""
        return cls.model_validate({name: getattr(policy, name) for name in (*LISTS, *TERMS, "version")})


class ExcludedDeployment(BaseModel):
    """A deployment that may not serve, and why."""

    deployment: str
    reason: Exclusion
    message: str


class EmptiedPoolResource(BaseModel):
    """A pool in use in which nobody may serve under the policy."""

    id: UUID
    owner: Owner
    name: str
    task_type: str
    is_empty_already: bool
    excluded: list[ExcludedDeployment]

    @classmethod
    def of(cls, pool: EmptiedPool) -> "EmptiedPoolResource":
        """As shown."""
        return cls(
            id=pool.pool_id,
            owner=owner_of(pool.tenant_id),
            name=pool.name,
            task_type=pool.task_type,
            is_empty_already=pool.is_empty_already,
            excluded=[
                ExcludedDeployment(deployment=name, reason=reason, message=f"{name} {in_words(reason)}")
                for name, reason in pool.excluded
            ],
        )


class PolicyChange(BaseModel):
    """What a policy does: `is_applied` is false for a trial."""

    is_applied: bool
    policy: PolicyResource
    pools_left_empty: list[EmptiedPoolResource]


class PermissionBody(Closed):
    """Who may use a task type: people with any of these, everybody where all three are null; and programs."""

    groups: Annotated[list[UUID], Field(max_length=200)] | None = None
    departments: _Words | None = None
    roles: Annotated[list[Role], Field(max_length=10)] | None = None
    programs: bool = True


class PermissionResource(PermissionBody):
    """As it holds now."""

    task_type: str
    everybody: bool
    version: int

    @classmethod
    def of(cls, permission: Permission) -> "PermissionResource":
        """As shown."""
        groups = permission.groups
        return cls(
            task_type=permission.task_type,
            groups=None if groups is None else [UUID(one) for one in groups],
            departments=None if permission.departments is None else list(permission.departments),
            roles=None if permission.roles is None else list(permission.roles),
            programs=permission.programs,
            everybody=permission.is_open,
            version=permission.version,
        )
