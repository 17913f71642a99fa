"""Tables of the pools room: configuration. A tenant reads its own rows and PLATFORM's, writes its own.

A reference to a row that may be the platform's carries that row's tenant in `..._tenant_id`. `version` rises
with each change and is the ETag that a change must name. What history refers to is archived, not deleted.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.crypto import Sealed
from app.core.database import Base, TenantOwned
from app.vocabulary import PLATFORM, Authentication, Lifecycle, MemberPurpose, ModelClass, Strategy


def _reference(prefix: str, table: str) -> tuple[ForeignKeyConstraint, CheckConstraint]:
    """A foreign key to a row of this tenant or of PLATFORM, and the rule that it is no one else's."""
    columns = [f"{prefix}_tenant_id", f"{prefix}_id"]
    return (
        ForeignKeyConstraint(columns, [f"{table}.tenant_id", f"{table}.id"]),
        CheckConstraint(f"{prefix}_tenant_id IN (tenant_id, '{PLATFORM}')", name=f"{prefix}_tenant"),
    )


class Provider(TenantOwned, Base):
    """A vendor account and its protocol, where it runs and what its contract promises."""

    __tablename__ = "providers"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    name: Mapped[str]
    kind: Mapped[str]
    vendor: Mapped[str]
    base_url: Mapped[str | None]
    region: Mapped[str]
    processor: Mapped[str]
    """The company that processes the text."""
    no_training: Mapped[bool] = mapped_column(default=False)
    zero_retention: Mapped[bool] = mapped_column(default=False)
    contract_until: Mapped[datetime | None]
    authentication: Mapped[str] = mapped_column(
        default=Authentication.KEY, server_default=Authentication.KEY.value
    )
    api_version: Mapped[str | None]
    """Of vendors whose addresses carry one (Azure); None for the vendor's current one."""
    credential_version: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Rises when the key is entered or removed: whoever has an older one reads anew."""
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    archived_at: Mapped[datetime | None]


class ProviderCredential(Base):
    """A provider's key: sealed, or a reference to an environment variable (`env:NAME`)."""

    __tablename__ = "provider_credentials"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "provider_id"], ["providers.tenant_id", "providers.id"], ondelete="CASCADE"
        ),
        CheckConstraint("(reference IS NULL) <> (sealed IS NULL)", name="one_form"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[str | None]
    sealed: Mapped[Sealed | None]
    last4: Mapped[str | None]
    set_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Deployment(TenantOwned, Base):
    """One place that can serve a model."""

    __tablename__ = "deployments"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        *_reference("provider", "providers"),
        *_reference("successor", "deployments"),
        CheckConstraint("(successor_id IS NULL) = (successor_tenant_id IS NULL)", name="successor_whole"),
    )

    name: Mapped[str]
    provider_tenant_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    model_name: Mapped[str]
    model_class: Mapped[str] = mapped_column(default=ModelClass.GENERAL)
    capabilities: Mapped[list[str]]
    """`json_schema`, `tools`, ..."""
    languages: Mapped[list[str] | None]
    """Null: any."""
    context_window: Mapped[int]
    max_output_tokens: Mapped[int]
    requests_per_minute: Mapped[int | None]
    tokens_per_minute: Mapped[int | None]
    concurrency: Mapped[int | None]
    lifecycle: Mapped[str] = mapped_column(default=Lifecycle.ACTIVE)
    deprecated_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    successor_tenant_id: Mapped[UUID | None]
    successor_id: Mapped[UUID | None]
    """The deployment that is to take over; null where nobody has said."""
    supported_parameters: Mapped[list[str] | None]
    """Null: not known, so every parameter is sent; a member with another one is ineligible."""
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    archived_at: Mapped[datetime | None]


class PriceRevision(TenantOwned, Base):
    """Prices of a deployment in micros of the currency per million tokens; the newest that is not withdrawn counts.

    A row stays for good: calls refer to the one they were made at.
    """

    __tablename__ = "price_revisions"
    __table_args__ = (*_reference("deployment", "deployments"),)

    deployment_tenant_id: Mapped[UUID]
    deployment_id: Mapped[UUID]
    currency: Mapped[str]
    input_micros: Mapped[int]
    cached_input_micros: Mapped[int]
    output_micros: Mapped[int]
    reasoning_micros: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    withdrawn_at: Mapped[datetime | None]
    """From then on it counts no more: the one before it does not either, for all of an owner's are withdrawn at once."""


class PromptSet(TenantOwned, Base):
    """All prompts of a task type, one revision."""

    __tablename__ = "prompt_sets"
    __table_args__ = (UniqueConstraint("tenant_id", "task_type", "name", "revision"),)

    task_type: Mapped[str]
    name: Mapped[str]
    revision: Mapped[int]
    sha256: Mapped[str]
    prompts: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None]
    """Not offered any more; revisions that hold it go on with it."""


class ModelPool(TenantOwned, Base):
    """What serves a route. Publishing flips `published_revision_id`."""

    __tablename__ = "model_pools"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    name: Mapped[str]
    task_type: Mapped[str]
    published_revision_id: Mapped[UUID | None]
    """No foreign key: the revision refers to the pool, and a cycle would help nobody."""
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    archived_at: Mapped[datetime | None]


class PoolRevision(TenantOwned, Base):
    """A version of a pool: a draft until it is first published, and immutable from then on."""

    __tablename__ = "pool_revisions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "pool_id"], ["model_pools.tenant_id", "model_pools.id"]),
        UniqueConstraint("tenant_id", "pool_id", "number"),
    )

    pool_id: Mapped[UUID]
    number: Mapped[int]
    strategy: Mapped[str] = mapped_column(default=Strategy.WEIGHTED)
    note: Mapped[str] = mapped_column(default="", server_default="")
    """Why, in the words of whoever made it."""
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    published_at: Mapped[datetime | None]
    """When it was first published; a draft has none, and only a draft may change."""


class PoolMember(TenantOwned, Base):
    """A deployment with a prompt set and parameters, changed as one unit."""

    __tablename__ = "pool_members"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "revision_id"], ["pool_revisions.tenant_id", "pool_revisions.id"]),
        *_reference("deployment", "deployments"),
        *_reference("prompt_set", "prompt_sets"),
    )

    revision_id: Mapped[UUID]
    deployment_tenant_id: Mapped[UUID]
    deployment_id: Mapped[UUID]
    prompt_set_tenant_id: Mapped[UUID]
    prompt_set_id: Mapped[UUID]
    parameters: Mapped[dict[str, Any]]
    tier: Mapped[int] = mapped_column(default=0)
    weight: Mapped[int] = mapped_column(default=1)
    purpose: Mapped[str] = mapped_column(default=MemberPurpose.SERVING)


class Route(TenantOwned, Base):
    """(tenant or platform, task type, conditions) to a pool; the most specific wins."""

    __tablename__ = "routes"
    __table_args__ = (UniqueConstraint("tenant_id", "name"), *_reference("pool", "model_pools"))

    name: Mapped[str]
    task_type: Mapped[str]
    conditions: Mapped[dict[str, Any]]
    pool_tenant_id: Mapped[UUID]
    pool_id: Mapped[UUID]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))


class ConfigurationRevision(Base):
    """One counter for all configuration; every change raises it, every process watches it."""

    __tablename__ = "configuration_revision"

    singleton: Mapped[bool] = mapped_column(primary_key=True, default=True)
    number: Mapped[int] = mapped_column(default=0)
