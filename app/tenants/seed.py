"""The `tenants:` part of a configuration file: development tenants with their people. Idempotent."""

from collections import Counter
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import exists, null, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id
from app.core.errors import SeedError
from app.tenants.policy import Policy
from app.tenants.tables import Member, Tenant, TenantPolicy
from app.vocabulary import PLATFORM, MemberState, Role, TenantState

_GONE = frozenset({TenantState.ERASING, TenantState.ERASED})


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
    state: TenantState | None = None
    """Left out: a new tenant is active, a known one stays as it is."""
    onboarded: bool = True
    """False: only the development Entra knows the directory, so that bringing it in can be tried."""
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
    logins = [person.login.casefold() for tenant in parsed for person in tenant.people]
    for ids, what in (
        ([str(one.entra_tenant_id) for one in parsed], "entra_tenant_id"),
        ([str(one) for one in people], "object_id"),
        (logins, "login"),
    ):
        doubled = {one for one, times in Counter(ids).items() if times > 1}
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
    parsed = [one for one in parse_tenants(tenants, file=file) if one.onboarded]
    if await session.get(Tenant, PLATFORM) is None:
        session.add(Tenant(id=PLATFORM, entra_tenant_id=None, name="PLATFORM", state=TenantState.ACTIVE))
    for tenant in parsed:
        await _import_one(session, tenant)
    return [f"tenant {tenant.name}: {len(tenant.people)} people" for tenant in parsed]


async def _import_one(session: AsyncSession, entry: SeedTenant) -> None:
    """Write what differs: even an UPDATE that changes nothing would raise the configuration number."""
    query = select(Tenant).where(Tenant.entra_tenant_id == entry.entra_tenant_id)
    tenant = (await session.execute(query)).scalar_one_or_none()
    if tenant is None:
        tenant = Tenant(id=new_id(), entra_tenant_id=entry.entra_tenant_id, state=TenantState.ACTIVE)
        session.add(tenant)
    elif tenant.state in _GONE:
        return
    tenant.name, tenant.allow_guests = entry.name, entry.allow_guests
    if entry.state is not None:
        tenant.state = entry.state
    await session.flush()
    # An erased person left a keyed hash of an id that we no longer know: nobody comes in by a file any more.
    buried = exists().where(Member.tenant_id == tenant.id, Member.tombstone.is_not(None))
    closed = bool(await session.scalar(select(buried)))
    for person in entry.people:
        await _import_person(session, tenant.id, person, closed=closed)
    if entry.policy is not None:
        await _import_policy(session, tenant.id, entry.policy)
    await session.flush()


async def _import_person(session: AsyncSession, tenant_id: UUID, person: SeedPerson, *, closed: bool) -> None:
    query = select(Member).where(Member.tenant_id == tenant_id, Member.entra_object_id == person.object_id)
    member = (await session.execute(query)).scalar_one_or_none()
    if member is None and closed:
        return
    if member is None:
        member = Member(tenant_id=tenant_id, entra_object_id=person.object_id, state=MemberState.ACTIVE)
        session.add(member)
    member.display_name, member.role = person.name, person.role


async def _import_policy(session: AsyncSession, tenant_id: UUID, entry: SeedPolicy) -> None:
    policy = await session.get(TenantPolicy, tenant_id)
    if policy is None:
        policy = TenantPolicy(tenant_id=tenant_id)
        session.add(policy)
    for name, value in entry.model_dump().items():
        if getattr(policy, name) != value:
            # None would be stored as JSON's null, which is not SQL's.
            setattr(policy, name, null() if value is None else value)
