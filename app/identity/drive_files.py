"""Files of people in Microsoft 365: a token on their behalf, then the file. One a process, on its loop."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

from app.core.database import Database
from app.identity.errors import ClaimsChallenge
from app.identity.graph import DriveFile, DriveItemRef, Graph
from app.identity.long_sessions import LongSessions
from app.identity.msal_clients import MsalClients
from app.identity.on_behalf import OnBehalf
from app.identity.principal import Principal
from app.identity.token_caches import TokenCaches
from app.settings import Settings
from app.tenants.keys import TenantKeys


class DriveFiles:
    """Fetches files for people who are here, and for jobs by the sessions that their members began."""

    def __init__(
        self, settings: Settings, clients: MsalClients, database: Database, keys: TenantKeys
    ) -> None:
        self._on_behalf = OnBehalf(settings, clients, TokenCaches(database, keys), keys)
        self.graph = Graph(settings)
        self.sessions = LongSessions(database, self._on_behalf, longest_days=settings.graph_session_days)

    async def close(self) -> None:
        """Close the connections to Graph."""
        await self.graph.close()

    @asynccontextmanager
    async def open(self, caller: Principal, raw_token: str, ref: DriveItemRef) -> AsyncIterator[DriveFile]:
        """A file that the caller may read. Raises: as `OnBehalf.graph_token`, `Graph.open`."""
        token = await self._on_behalf.graph_token(caller, raw_token)
        async with self.graph.open(token, ref) as file:
            yield file

    @asynccontextmanager
    async def open_in_session(
        self, *, tenant_id: UUID, member_id: UUID, session_id: UUID, ref: DriveItemRef
    ) -> AsyncIterator[DriveFile]:
        """A file that the session's member may read, nobody being there.

        Raises: as `LongSessions.token`, `Graph.open`.
        """

        async def token(claims: str | None = None) -> str:
            return await self.sessions.token(
                tenant_id=tenant_id, member_id=member_id, session_id=session_id, claims=claims
            )

        async with AsyncExitStack() as stack:
            try:
                file = await stack.enter_async_context(self.graph.open(await token(), ref))
            except ClaimsChallenge as challenge:
                # Entra may be content with the session as it is; else it says what it wants of the person.
                again = await token(challenge.claims)
                file = await stack.enter_async_context(self.graph.open(again, ref))
            yield file
