"""Pools, revisions and routes as administrators see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from app.vocabulary import MemberPurpose, Strategy


@dataclass(frozen=True)
class PoolView:
    """A pool, own or the platform's. `published_number` is that of the revision that serves."""

    tenant_id: UUID
    id: UUID
    name: str
    task_type: str
    published_number: int | None
    published_at: datetime | None
    version: int
    archived_at: datetime | None


@dataclass(frozen=True)
class NewMember:
    """A member of a draft, as asked for."""

    deployment_id: UUID
    prompt_set_id: UUID
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tier: int = 0
    weight: int = 1
    purpose: MemberPurpose = MemberPurpose.SERVING


@dataclass(frozen=True)
class MemberView:
    """A member of a revision, with the names of what it is made of."""

    deployment_id: UUID
    deployment_name: str
    prompt_set_id: UUID
    prompt_set_name: str
    prompt_set_revision: int
    parameters: Mapping[str, Any]
    tier: int
    weight: int
    purpose: MemberPurpose


@dataclass(frozen=True)
class RevisionView:
    """A revision; a draft as long as `published_at` is None. `members` by tier."""

    id: UUID
    number: int
    strategy: Strategy
    note: str
    version: int
    created_at: datetime
    published_at: datetime | None
    members: tuple[MemberView, ...] = ()


@dataclass(frozen=True)
class DraftContent:
    """What a draft is to be; None leaves what it has."""

    strategy: Strategy | None = None
    note: str | None = None
    members: tuple[NewMember, ...] | None = None


@dataclass(frozen=True)
class RouteView:
    """A route, own or the platform's, and where it leads."""

    tenant_id: UUID
    id: UUID
    name: str
    task_type: str
    conditions: Mapping[str, Any]
    pool_tenant_id: UUID
    pool_id: UUID
    pool_name: str
    is_published: bool
    """Whether its pool serves anything; if not, the route matches nothing."""
    version: int
