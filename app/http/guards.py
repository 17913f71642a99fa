"""Who may enter: a FastAPI security dependency on routers, and the caller's session."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Sealer
from app.http.services import Services, services
from app.identity.errors import InvalidToken
from app.identity.principal import Principal

ADDIN_SCOPE = "Tasks.ReadWrite"
_bearer = HTTPBearer(auto_error=False, description="A Microsoft Entra access token for this API.")

InProcess = Annotated[Services, Depends(services)]


async def principal(
    scopes: SecurityScopes,
    state: InProcess,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """The verified caller. Raises: the errors of `app.identity.errors`."""
    if credentials is None:
        raise InvalidToken
    return await state.authenticator.principal(credentials.credentials, scope=scopes.scope_str)


Caller = Annotated[Principal, Security(principal, scopes=[ADDIN_SCOPE])]


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
