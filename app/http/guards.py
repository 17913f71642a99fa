"""Who may enter: FastAPI security dependencies on routers, and the caller's database session.

`principal` people with the add-in's token · `program` programs with their own · `member` people with the
portal's cookie, which `TenantAdmin`, `Auditor`, `AdminOrAuditor`, `Operator` narrow by role · `visitor` people
with the cookie whose directory may be no customer yet.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.record import Actor, ActorKind
from app.core.crypto import Sealer
from app.http.browsers import SESSION_COOKIE, address, check_same_origin
from app.http.services import Services, services
from app.http.sign_in_limits import Door
from app.identity.browser_secrets import BrowserSecret
from app.identity.errors import InvalidToken, RoleMissing, SessionRequired
from app.identity.principal import Principal, PrincipalKind
from app.identity.sessions import Session
from app.vocabulary import PROCESS_PERMISSION, Role

_bearer = HTTPBearer(auto_error=False, description="A Microsoft Entra access token for this API.")

_cookie = APIKeyCookie(
    name=SESSION_COOKIE, auto_error=False, description="A session of the portal, begun at /portal/v1/sign-in."
)

InProcess = Annotated[Services, Depends(services)]


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def principal(
    request: Request, scopes: SecurityScopes, state: InProcess, credentials: Bearer
) -> Principal:
    """The person behind a delegated token: a router's guard. Raises: the errors of `app.identity.errors`."""

    async def believe(token: str) -> Principal:
        return await state.authenticator.principal(token, scope=scopes.scope_str)

    return await _enter(request, state, credentials, f"person {scopes.scope_str}", believe)


async def program(request: Request, state: InProcess, credentials: Bearer) -> Principal:
    """The program behind an app-only token: a router's guard. Raises: the errors of `app.identity.errors`."""

    async def believe(token: str) -> Principal:
        return await state.authenticator.application(token, permission=PROCESS_PERMISSION)

    return await _enter(request, state, credentials, "program", believe)


async def _enter(
    request: Request,
    state: Services,
    credentials: HTTPAuthorizationCredentials | None,
    guard: str,
    believe: Callable[[str], Awaitable[Principal]],
) -> Principal:
    """Let a token's bearer in once per guard and request, however often a route asks (`GuardedRoute`)."""
    entered: dict[str, Principal] = request.scope.setdefault("switchboard.entered", {})
    if guard in entered:
        return entered[guard]
    token = None if credentials is None else credentials.credentials
    from_where = address(request)
    state.sign_in_limits.check(Door.TOKEN, from_where, token)
    try:
        if token is None:
            raise InvalidToken
        found = await believe(token)
    except InvalidToken:
        state.sign_in_limits.refused(Door.TOKEN, from_where)
        raise
    state.sign_in_limits.believed(token)
    await state.rate_limits.admit(request.scope, found)
    entered[guard] = request.state.principal = found
    return found


async def caller(request: Request) -> Principal:
    """Whom the router's guard has let in: a handler serves each door that mounts it. Raises: `InvalidToken`."""
    found: Principal | None = getattr(request.state, "principal", None)
    if found is None:
        # A route that was mounted without a guard lets nobody in.
        raise InvalidToken
    return found


Caller = Annotated[Principal, Depends(caller)]


async def raw_token(credentials: Bearer) -> str:
    """The token itself, for acting on behalf of whoever sent it; the router's guard has judged it."""
    if credentials is None:
        raise InvalidToken
    return credentials.credentials


RawToken = Annotated[str, Depends(raw_token)]


async def tenant_session(caller: Caller, state: InProcess) -> AsyncIterator[AsyncSession]:
    """The request's one transaction, in the caller's tenant."""
    async with state.database.tenant(caller.tenant_id) as session:
        yield session


# Without scope="function" FastAPI would commit after the response has been sent.
TenantSession = Annotated[AsyncSession, Depends(tenant_session, scope="function")]


async def tenant_sealer(caller: Caller, state: InProcess) -> Sealer:
    """Seals and opens the caller's tenant's content."""
    return await state.keys.sealer(caller.tenant_id)


TenantSealer = Annotated[Sealer, Depends(tenant_sealer)]


async def visitor(
    request: Request, state: InProcess, cookie: Annotated[str | None, Depends(_cookie)]
) -> Session:
    """Somebody who has signed in at the portal, whether or not their directory is a customer.

    Raises: `SessionRequired`, `CrossSite`, `EntraUnavailable`, `TooManySignIns`.
    """
    found: Session | None = getattr(request.state, "visit", None)
    if found is not None:
        return found
    from_where, secret = address(request), BrowserSecret.read(cookie)
    state.sign_in_limits.check(Door.SESSION, from_where, cookie)
    if secret is not None:
        check_same_origin(request, state.settings.portal_origin)
    try:
        found = await state.sign_in.session(secret)
    except SessionRequired:
        state.sign_in_limits.refused(Door.SESSION, from_where)
        raise
    if cookie is not None:
        state.sign_in_limits.believed(cookie)
    request.state.visit = found
    return found


Visitor = Annotated[Session, Depends(visitor)]


async def member(request: Request, state: InProcess, visit: Visitor) -> Principal:
    """A person of a customer with a session of the portal, as our rows stand now: a router's guard.

    Raises: as `visitor`, `TenantNotOnboarded`, `GuestRefused`, `MemberBlocked`.
    """
    entered: dict[str, Principal] = request.scope.setdefault("switchboard.entered", {})
    if "member" in entered:
        return entered["member"]
    person = visit.person
    found = await state.authenticator.person(
        entra_tenant_id=person.entra_tenant_id,
        entra_object_id=person.entra_object_id,
        claimed_roles=person.roles,
        is_guest=person.is_guest,
        client_id=state.settings.portal_client_id,
        kind=PrincipalKind.SESSION,
        display_name=person.display_name,
    )
    # A session that began before its directory became a customer.
    await state.sessions.bind(visit, found.tenant_id, found.member_id)
    await state.rate_limits.admit(request.scope, found)
    entered["member"] = request.state.principal = found
    return found


PortalMember = Annotated[Principal, Depends(member)]


def _one_of(*roles: Role) -> Callable[[Principal], Awaitable[Principal]]:
    async def guard(caller: PortalMember) -> Principal:
        if caller.roles.isdisjoint(roles):
            raise RoleMissing(" or ".join(roles))
        return caller

    return guard


TenantAdmin = Annotated[Principal, Depends(_one_of(Role.TENANT_ADMIN))]
Auditor = Annotated[Principal, Depends(_one_of(Role.AUDITOR))]
AdminOrAuditor = Annotated[Principal, Depends(_one_of(Role.TENANT_ADMIN, Role.AUDITOR))]
Operator = Annotated[Principal, Depends(_one_of(Role.PLATFORM_OPERATOR))]
"""In the operator's own tenant only: `effective_roles` gives the role to nobody else."""


async def portal_session(caller: PortalMember, state: InProcess) -> AsyncIterator[AsyncSession]:
    """The request's one transaction, in the tenant of a person at the portal."""
    async with state.database.tenant(caller.tenant_id) as session:
        yield session


PortalSession = Annotated[AsyncSession, Depends(portal_session, scope="function")]


def actor(request: Request, caller: Principal) -> Actor:
    """Who acts, as the audit record names it; an operator is no member of the tenants it acts on."""
    kind = actor_kind(caller)
    member_id = None if kind is ActorKind.OPERATOR else caller.member_id
    return Actor(kind, member_id=member_id, address=address(request))


def actor_kind(caller: Principal) -> ActorKind:
    """On whose behalf a caller acts. An operator operates at the portal; in its own add-in it is a person."""
    match caller.kind:
        case PrincipalKind.APPLICATION:
            return ActorKind.APPLICATION
        case PrincipalKind.SESSION if Role.PLATFORM_OPERATOR in caller.roles:
            return ActorKind.OPERATOR
        case _:
            return ActorKind.MEMBER
