"""Programs of a tenant that act for themselves: which are registered, and the member row of each.

A program has a member row of its own: it pays by that row, and owns what it uploads and submits.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import new_id
from app.core.database import Database
from app.core.errors import Conflict, NotFound
from app.tenants.tables import AppClient, Member
from app.vocabulary import PROCESS_PERMISSION, AppClientState, MemberState, Role

_CACHE_SECONDS = 0.5
_MOST_ENTRIES = 20_000
_MOST_PER_TENANT = 100


class AppClientNotFound(NotFound):
    """No such program, or another tenant's."""

    code = "app_client_not_found"
    title = "No such program"

    def __init__(self) -> None:
        super().__init__("There is no registered program with this id; list the programs of your tenant.")


class AppClientExists(Conflict):
    """The tenant has registered this client id before."""

    code = "app_client_exists"
    title = "The program is registered already"

    def __init__(self) -> None:
        super().__init__("This client id is registered already; list the programs of your tenant.")


class TooManyAppClients(Conflict):
    """A tenant registers tens of programs, not thousands."""

    code = "too_many_app_clients"
    title = "Too many programs"

    def __init__(self) -> None:
        super().__init__(f"{_MOST_PER_TENANT} programs are registered, the most a tenant may have.")


@dataclass(frozen=True)
class ProgramView:
    """A registered program, as identity needs it."""

    member_id: UUID
    member_state: MemberState
    active: bool
    permissions: frozenset[str]


@dataclass(frozen=True)
class AppClientView:
    """A registered program, as the tenant's administrator sees it."""

    id: UUID
    client_id: UUID
    name: str
    member_id: UUID
    permissions: tuple[str, ...]
    state: AppClientState
    created_at: datetime


class AppClients:
    """Finds programs by their client id, with a cache of half a second: a revoked one is seen that soon."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[UUID, UUID], tuple[float, ProgramView | None]] = {}
        self._forgotten = 0

    async def find(self, tenant_id: UUID, client_id: UUID) -> ProgramView | None:
        """The program, or None if this tenant has not registered it. No row is made."""
        until, view = self._known.get((tenant_id, client_id), (0.0, None))
        if time.monotonic() < until:
            return view
        forgotten = self._forgotten
        query = (
            select(AppClient, Member.state)
            .join(Member, (Member.tenant_id == AppClient.tenant_id) & (Member.id == AppClient.member_id))
            .where(AppClient.tenant_id == tenant_id, AppClient.client_id == client_id)
        )
        async with self._database.tenant(tenant_id) as session:
            found = (await session.execute(query)).one_or_none()
        view = None
        if found is not None:
            row, member_state = found
            view = ProgramView(
                member_id=row.member_id,
                member_state=MemberState(member_state),
                active=row.state == AppClientState.ACTIVE,
                permissions=frozenset(row.permissions),
            )
        # What was read before a change was told of is an answer, but nothing to remember.
        if forgotten == self._forgotten:
            if len(self._known) >= _MOST_ENTRIES:
                self._known.clear()
            self._known[tenant_id, client_id] = (time.monotonic() + _CACHE_SECONDS, view)
        return view

    def changed(self, _payload: str = "") -> None:
        """Ask for every program anew: somewhere one was registered or revoked, or a member blocked. For a listener."""
        self._forgotten += 1
        self._known.clear()


async def register_app_client(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    client_id: UUID,
    name: str,
    permissions: Collection[str] = (PROCESS_PERMISSION,),
) -> AppClientView:
    """Let a program in; it gets a member row of its own, which pays. A revoked one gets its row back.

    Never the row of a person: whoever registers programs would read that person's documents by one.
    Raises: `AppClientExists`, `TooManyAppClients`.
    """
    rows = await list_app_clients(session, tenant_id=tenant_id)
    known = next((row for row in rows if row.client_id == client_id), None)
    if known is not None and known.state is AppClientState.ACTIVE:
        raise AppClientExists
    if sum(row.state is AppClientState.ACTIVE for row in rows) >= _MOST_PER_TENANT:
        raise TooManyAppClients
    if known is not None:
        row = await _row(session, tenant_id, known.id)
        row.name, row.permissions, row.state = name, sorted(permissions), AppClientState.ACTIVE
    else:
        member = Member(
            tenant_id=tenant_id, id=new_id(), entra_object_id=new_id(), display_name=name, role=Role.MEMBER
        )
        row = AppClient(
            tenant_id=tenant_id,
            id=new_id(),
            client_id=client_id,
            name=name,
            member_id=member.id,
            permissions=sorted(permissions),
        )
        session.add(member)
        await session.flush()
        session.add(row)
    try:
        await session.flush()
    except IntegrityError:
        # Two administrators at once: the later of them is told.
        raise AppClientExists from None
    return _view(await _row(session, tenant_id, row.id))


async def list_app_clients(session: AsyncSession, *, tenant_id: UUID) -> list[AppClientView]:
    """The tenant's programs, oldest first; there are a hundred at most."""
    query = select(AppClient).where(AppClient.tenant_id == tenant_id).order_by(AppClient.id)
    return [_view(row) for row in await session.scalars(query)]


async def revoke_app_client(session: AsyncSession, *, tenant_id: UUID, app_client_id: UUID) -> AppClientView:
    """Let a program in no more, from the next request on. Raises: `AppClientNotFound`."""
    row = await _row(session, tenant_id, app_client_id)
    row.state = AppClientState.REVOKED
    await session.flush()
    return _view(row)


async def _row(session: AsyncSession, tenant_id: UUID, app_client_id: UUID) -> AppClient:
    query = (
        select(AppClient)
        .where(AppClient.tenant_id == tenant_id, AppClient.id == app_client_id)
        .execution_options(populate_existing=True)
    )
    row = (await session.execute(query)).scalar_one_or_none()
    if row is None:
        raise AppClientNotFound
    return row


def _view(row: AppClient) -> AppClientView:
    return AppClientView(
        id=row.id,
        client_id=row.client_id,
        name=row.name,
        member_id=row.member_id,
        permissions=tuple(row.permissions),
        state=AppClientState(row.state),
        created_at=row.created_at,
    )
