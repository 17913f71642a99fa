"""Files of people in Microsoft 365: a token on their behalf, then the file. One a process, on its loop."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

from app.core.database import Database
from app.identity.errors import ClaimsChallenge
from app.identity.graph import DriveEntry, DriveFile, DriveItemRef, Graph
from app.identity.graph_errors import DriveFolderTooLarge
from app.identity.long_sessions import LongSessions
from app.identity.msal_clients import MsalClients
from app.identity.on_behalf import OnBehalf
from app.identity.principal import Principal
from app.identity.token_caches import TokenCaches
from app.settings import Settings
from app.tenants.keys import TenantKeys

_MOST_FOLDERS = 500
"""So many folders are looked into for one listing."""


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

    async def list_in_session(
        self,
        folder: DriveItemRef,
        *,
        tenant_id: UUID,
        member_id: UUID,
        session_id: UUID,
        include_subfolders: bool,
        most: int,
    ) -> list[DriveEntry]:
        """The files in a folder that the session's member may read, nobody being there.

        Those of a folder come before those of the folders in it. Raises: `DriveFolderTooLarge`, as `LongSessions.token`,
        `Graph.children`.
        """

        async def listed(claims: str | None = None) -> list[DriveEntry]:
            token = await self.sessions.token(
                tenant_id=tenant_id, member_id=member_id, session_id=session_id, claims=claims
            )
            return await self._files(token, folder, include_subfolders=include_subfolders, most=most)

        try:
            return await listed()
        except ClaimsChallenge as challenge:
            return await listed(challenge.claims)

    async def _files(
        self, token: str, folder: DriveItemRef, *, include_subfolders: bool, most: int
    ) -> list[DriveEntry]:
        found: list[DriveEntry] = []
        folders = deque([folder])
        seen = 1
        while folders:
            async for entry in self.graph.children(token, folders.popleft()):
                if not entry.is_folder:
                    found.append(entry)
                elif include_subfolders:
                    folders.append(entry.ref)
                    seen += 1
                if len(found) > most or seen > _MOST_FOLDERS:
                    raise DriveFolderTooLarge(most)
        return found
