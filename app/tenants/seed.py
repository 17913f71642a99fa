"""The `tenants:` part of a configuration file: development tenants with their people. Idempotent."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id
from app.core.errors import SeedError
from app.tenants.policy import Policy
from app.tenants.tables import Member, Tenant, TenantPolicy
from app.vocabulary import PLATFORM, MemberState, Role, TenantState


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SeedPerson(_Closed):
    """Somebody of a tenant."""

    object_id: UUID
    name: Annotated[str, Field(min_length=1, max_length=200)]
    login: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    role: Role = Role.MEMBER


class SeedPolicy(_Closed):
    """What differs from the defaults of `Policy`."""

    weight: Annotated[int, Field(ge=1, le=1000)] = Policy.weight
    max_steps_in_flight: Annotated[int, Field(ge=1)] = Policy.max_steps_in_flight
    max_jobs_queued: Annotated[int, Field(ge=1)] = Policy.max_jobs_queued
    allowed_regions: list[str] | None = None
    allowed_processors: list[str] | None = None
    allowed_vendors: list[str] | None = None
    allowed_model_classes: list[str] | None = None
    require_no_training: bool = False
    require_zero_retention: bool = False
    retention_days: Annotated[int, Field(ge=1)] = Policy.retention_days
    reuse_across_members: bool = False


class SeedTenant(_Closed):
    """A customer."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    entra_tenant_id: UUID
    state: TenantState = TenantState.ACTIVE
    allow_guests: bool = False
    people: list[SeedPerson] = []
    policy: SeedPolicy | None = None


class SeedTenants(_Closed):
    """The list, under its name in the file."""

    tenants: list[SeedTenant]


def parse_tenants(tenants: list[dict[str, Any]], *, file: str = "infra/seed.yaml") -> list[SeedTenant]:
    """Validate the part. Raises: `SeedError` with the place of everything that is wrong."""
    try:
        parsed = SeedTenants.model_validate({"tenants": tenants}).tenants
    except ValidationError as error:
        raise SeedError(
            "\n".join(f"{file}: {_place(one['loc'])}: {one['msg']}" for one in error.errors())
        ) from None
    people = [person.object_id for tenant in parsed for person in tenant.people]
    for ids, what in (([one.entra_tenant_id for one in parsed], "entra_tenant_id"), (people, "object_id")):
        doubled = {str(one) for one in ids if ids.count(one) > 1}
        if doubled:
            raise SeedError(f"{file}: tenants: {what} {', '.join(sorted(doubled))} stands there twice")
    return parsed


def _place(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


async def import_tenants(
    session: AsyncSession, tenants: list[dict[str, Any]], *, file: str = "infra/seed.yaml"
) -> list[str]:
    """Write the PLATFORM tenant and the file's, with members and policies, in the owner's role.

    Gives one line for each tenant. Raises: `SeedError`.
    """
    parsed = parse_tenants(tenants, file=file)
    await session.execute(
        insert(Tenant)
        .values(id=PLATFORM, name="PLATFORM", state=TenantState.ACTIVE, allow_guests=False)
        .on_conflict_do_nothing()
    )
    for tenant in parsed:
        await _import_one(session, tenant)
    return [f"tenant {tenant.name}: {len(tenant.people)} people" for tenant in parsed]


async def _import_one(session: AsyncSession, tenant: SeedTenant) -> None:
    values = {"name": tenant.name, "state": tenant.state, "allow_guests": tenant.allow_guests}
    tenant_id = await session.scalar(
        insert(Tenant)
        .values(id=new_id(), entra_tenant_id=tenant.entra_tenant_id, **values)
        .on_conflict_do_update(index_elements=["entra_tenant_id"], set_=values)
        .returning(Tenant.id)
    )
    for person in tenant.people:
        await session.execute(
            insert(Member)
            .values(
                tenant_id=tenant_id,
                id=new_id(),
                entra_object_id=person.object_id,
                display_name=person.name,
                role=person.role,
                state=MemberState.ACTIVE,
            )
            .on_conflict_do_update(
                index_elements=["tenant_id", "entra_object_id"],
                set_={"display_name": person.name, "role": person.role},
            )
        )
    if tenant.policy is not None:
        policy = tenant.policy.model_dump()
        await session.execute(
            insert(TenantPolicy)
            .values(tenant_id=tenant_id, **policy)
            .on_conflict_do_update(index_elements=["tenant_id"], set_=policy)
        )
