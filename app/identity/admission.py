"""After a proven sign-in: what it says of the person is remembered, and the record says that they came."""

from dataclasses import replace
from uuid import UUID

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, record
from app.core.database import Database
from app.core.errors import Forbidden
from app.identity.authenticate import Authenticator
from app.identity.errors import GuestRefused, MemberBlocked, TenantNotOnboarded
from app.identity.graph import Graph
from app.identity.id_tokens import IdClaims
from app.identity.principal import Principal, PrincipalKind
from app.identity.profiles import Profile, read_profile
from app.identity.sessions import Session
from app.identity.tokens import group_ids
from app.tenants import members
from app.tenants.directory import TenantDirectory
from app.tenants.members import SignIn


async def admit(
    session: Session,
    claims: IdClaims,
    *,
    database: Database,
    authenticator: Authenticator,
    directory: TenantDirectory,
    client_id: str,
    address: str,
    graph: Graph,
    graph_token: str,
) -> Session:
    """The session as it is to be kept: bound to the member, or to nobody while the directory is no customer.

    Where the tenant wants it, the person's department is read with their own token, and their groups if the
    ID token had no room for them; a Graph that does not answer keeps nobody out.

    Raises: `GuestRefused`, `MemberBlocked`.
    """
    person = session.person
    try:
        found = await authenticator.person(
            entra_tenant_id=person.entra_tenant_id,
            entra_object_id=person.entra_object_id,
            claimed_roles=person.roles,
            is_guest=person.is_guest,
            client_id=client_id,
            kind=PrincipalKind.SESSION,
            display_name=person.display_name,
        )
    except TenantNotOnboarded:
        return session
    except (GuestRefused, MemberBlocked) as refusal:
        tenant = await directory.by_entra_id(person.entra_tenant_id)
        if tenant is not None:
            await _record_refusal(database, tenant.id, refusal, address)
        raise
    tenant = await directory.by_entra_id(person.entra_tenant_id)
    profile = Profile(department="")
    if tenant is not None and tenant.read_profiles:
        profile = await read_profile(graph, graph_token, with_groups=claims.groups_overage)
    await _remember(database, found, claims, profile, address)
    return replace(session, tenant_id=found.tenant_id, member_id=found.member_id)


async def record_sign_out(
    database: Database, tenant_id: UUID, member_id: UUID, *, everywhere: bool, address: str
) -> None:
    """Say in the tenant's record that a person has signed out."""
    async with database.tenant(tenant_id) as rows:
        await record(
            rows,
            tenant_id=tenant_id,
            actor=Actor(ActorKind.MEMBER, member_id=member_id, address=address),
            action=AuditAction.SIGN_OUT,
            target_type="member",
            target_id=str(member_id),
            detail={"everywhere": everywhere},
        )


async def _remember(
    database: Database, found: Principal, claims: IdClaims, profile: Profile, address: str
) -> None:
    async with database.tenant(found.tenant_id) as rows:
        member_id = await members.signed_in(
            rows,
            tenant_id=found.tenant_id,
            entra_object_id=found.entra_object_id,
            sign_in=SignIn(
                display_name=claims.name,
                is_guest=claims.is_guest,
                # What the token does not name is gone, unless it says that there was no room for it.
                groups=profile.groups if claims.groups_overage else group_ids(claims.groups),
                groups_incomplete=claims.groups_overage and not profile.has_all_groups,
                department=profile.department,
            ),
        )
        if member_id is None:
            raise MemberBlocked
        await record(
            rows,
            tenant_id=found.tenant_id,
            actor=Actor(ActorKind.MEMBER, member_id=member_id, address=address),
            action=AuditAction.SIGN_IN,
            target_type="member",
            target_id=str(member_id),
        )


async def _record_refusal(database: Database, tenant_id: UUID, refusal: Forbidden, address: str) -> None:
    async with database.tenant(tenant_id) as rows:
        await record(
            rows,
            tenant_id=tenant_id,
            actor=Actor(ActorKind.SYSTEM, address=address),
            action=AuditAction.SIGN_IN_REFUSED,
            target_type="tenant",
            target_id=str(tenant_id),
            detail={"reason": refusal.code},
        )
