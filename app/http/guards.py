"""Who may enter: a FastAPI security dependency on routers, and the caller's session."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Sealer
from app.http.services import Services, services
from app.identity.errors import InvalidToken
from app.identity.principal import Principal
from app.tenants.app_clients import PROCESS_PERMISSION

ADDIN_SCOPE = "Tasks.ReadWrite"
_bearer = HTTPBearer(auto_error=False, description="A Microsoft Entra access token for this API.")

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
    address = request.client.host if request.client is not None else ""
    state.sign_in_limits.check(address, token)
    try:
        if token is None:
            raise InvalidToken
        found = await believe(token)
    except InvalidToken:
        state.sign_in_limits.refused(address)
        raise
    state.sign_in_limits.believed(token)
    await state.rate_limits.admit(request.scope, found)
    entered[guard] = request.state.principal = found
    return found


def caller(request: Request) -> Principal:
    """Whom the router's guard has let in: a handler serves each door that mounts it. Raises: `InvalidToken`."""
    found: Principal | None = getattr(request.state, "principal", None)
    if found is None:
        # A route that was mounted without a guard lets nobody in.
        raise InvalidToken
    return found


Caller = Annotated[Principal, Depends(caller)]


def raw_token(credentials: Bearer) -> str:
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
