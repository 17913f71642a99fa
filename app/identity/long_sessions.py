"""A member's leave to read their files while they are away: for work that runs later.

started ──► used by jobs, renewed by its member ──► over (`expires_at`) or revoked (row and tokens gone)

A session belongs to one member and serves that member's jobs only. Revoking takes effect at the next
token; one that Graph has been shown already is good until it expires, an hour at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.clock import new_id
from app.core.database import Database
from app.core.errors import AppError
from app.identity.graph_errors import GraphSessionNotFound, TooManyGraphSessions
from app.identity.on_behalf import OnBehalf, require_person
from app.identity.principal import Principal
from app.identity.tables import GraphSession, TokenCacheRow
from app.identity.token_caches import Partition

_MOST_SESSIONS = 20
_DAY_SECONDS = 86_400.0
_PREFIX = "session:"


@dataclass(frozen=True)
class GraphSessionView:
    """A session as its member and administrators see it."""

    id: UUID
    member_id: UUID
    created_at: datetime
    renewed_at: datetime
    expires_at: datetime


_VIEW = tuple(GraphSessionView.__dataclass_fields__)


class LongSessions:
    """Starts, renews and uses sessions; each of its transactions is short and its own."""

    def __init__(self, database: Database, on_behalf: OnBehalf, *, longest_days: int) -> None:
        self._database = database
        self._on_behalf = on_behalf
        self._longest_days = longest_days

    async def start(
        self, caller: Principal, raw_token: str, *, actor: Actor, days: int | None = None
    ) -> UUID:
        """A new session of the caller, for as long as asked but no longer than the policy lets it.

        Raises: `TooManyGraphSessions`, and as `OnBehalf.graph_token`.
        """
        require_person(caller)
        session_id = new_id()
        lifetime = min(days or self._longest_days, self._longest_days) * _DAY_SECONDS
        # The row first: tokens that nobody knows of could not be revoked.
        async with self._database.tenant(caller.tenant_id) as session:
            await _refuse_above(session, caller)
            await session.execute(
                insert(GraphSession).values(
                    tenant_id=caller.tenant_id,
                    id=session_id,
                    member_id=caller.member_id,
                    entra_tenant_id=caller.entra_tenant_id,
                    entra_object_id=caller.entra_object_id,
                    expires_at=func.now() + text(f"interval '{lifetime:.0f} seconds'"),
                )
            )
            await record(
                session,
                tenant_id=caller.tenant_id,
                actor=actor,
                action=AuditAction.GRAPH_SESSION_BEGIN,
                target_type="graph_session",
                target_id=str(session_id),
                detail={"seconds": round(lifetime)},
            )
        try:
            await self._refresh(caller, raw_token, session_id)
        except AppError as error:
            async with self._database.tenant(caller.tenant_id) as session:
                await revoke(
                    session,
                    tenant_id=caller.tenant_id,
                    session_id=session_id,
                    actor=actor,
                    reason=error.code,
                )
            raise
        return session_id

    async def renew(self, caller: Principal, raw_token: str, session_id: UUID, *, actor: Actor) -> None:
        """Put fresh tokens of its member into a session; its end stays where it is.

        Raises: `GraphSessionNotFound`, and as `OnBehalf.graph_token`.
        """
        require_person(caller)
        await self._refresh(caller, raw_token, session_id, actor=actor)

    async def _refresh(
        self, caller: Principal, raw_token: str, session_id: UUID, *, actor: Actor | None = None
    ) -> None:
        """The work of `renew`; recorded for `actor`, if one is given: a session that begins is recorded as that."""
        partition = await self._open(caller.tenant_id, caller.member_id, session_id)
        await self._on_behalf.begin(partition, raw_token)
        async with self._database.tenant(caller.tenant_id) as session:
            renewed = await session.execute(
                update(GraphSession)
                .where(GraphSession.tenant_id == caller.tenant_id, GraphSession.id == session_id)
                .values(renewed_at=func.now())
                .returning(GraphSession.id)
                .execution_options(synchronize_session=False)
            )
            known = renewed.scalar_one_or_none() is not None
            if known and actor is not None:
                await record(
                    session,
                    tenant_id=caller.tenant_id,
                    actor=actor,
                    action=AuditAction.GRAPH_SESSION_RENEW,
                    target_type="graph_session",
                    target_id=str(session_id),
                )
        if not known:
            # Revoked while Entra was asked: the new tokens go where the old ones went.
            await self._on_behalf.forget(partition)
            raise GraphSessionNotFound(session_id)

    async def token(
        self, *, tenant_id: UUID, member_id: UUID, session_id: UUID, claims: str | None = None
    ) -> str:
        """A token for Graph while the member is away.

        Raises: `GraphSessionNotFound`, and as `OnBehalf.graph_token`.
        """
        partition = await self._open(tenant_id, member_id, session_id)
        return await self._on_behalf.renew(partition, claims=claims)

    async def _open(self, tenant_id: UUID, member_id: UUID, session_id: UUID) -> Partition:
        async with self._database.tenant(tenant_id) as session:
            row = (
                await session.execute(
                    select(
                        GraphSession.entra_tenant_id,
                        GraphSession.entra_object_id,
                        func.extract("epoch", GraphSession.expires_at - func.now()).label("seconds_left"),
                    ).where(*_living(tenant_id, session_id), GraphSession.member_id == member_id)
                )
            ).one_or_none()
        if row is None:
            raise GraphSessionNotFound(session_id)
        return Partition(
            tenant_id=tenant_id,
            member_id=member_id,
            session_key=f"{_PREFIX}{session_id}",
            entra_tenant_id=row.entra_tenant_id,
            entra_object_id=row.entra_object_id,
            lifetime_seconds=float(row.seconds_left),
        )


async def _refuse_above(session: AsyncSession, caller: Principal) -> None:
    known = await list_sessions(session, tenant_id=caller.tenant_id, member_id=caller.member_id)
    if len(known) >= _MOST_SESSIONS:
        raise TooManyGraphSessions(_MOST_SESSIONS)


async def find_session(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID, session_id: UUID
) -> GraphSessionView:
    """A member's own living session. Raises: `GraphSessionNotFound`."""
    found = await _views(session, *_living(tenant_id, session_id), GraphSession.member_id == member_id)
    if not found:
        raise GraphSessionNotFound(session_id)
    return found[0]


async def list_sessions(
    session: AsyncSession, *, tenant_id: UUID, member_id: UUID | None = None, limit: int = 100
) -> Sequence[GraphSessionView]:
    """Living sessions, newest first: a member's own, or without `member_id` the whole tenant's."""
    conditions = [GraphSession.tenant_id == tenant_id, GraphSession.expires_at > func.now()]
    if member_id is not None:
        conditions.append(GraphSession.member_id == member_id)
    return await _views(session, *conditions, limit=limit)


async def revoke(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    session_id: UUID,
    actor: Actor,
    member_id: UUID | None = None,
    reason: str = "asked",
) -> UUID:
    """End a session and drop its tokens; gives its member. Without `member_id` anybody's of the tenant.

    `reason` is for the audit record. Raises: `GraphSessionNotFound`.
    """
    conditions = [GraphSession.tenant_id == tenant_id, GraphSession.id == session_id]
    if member_id is not None:
        conditions.append(GraphSession.member_id == member_id)
    owner = (
        await session.execute(delete(GraphSession).where(*conditions).returning(GraphSession.member_id))
    ).scalar_one_or_none()
    if owner is None:
        raise GraphSessionNotFound(session_id)
    await session.execute(
        delete(TokenCacheRow).where(
            TokenCacheRow.tenant_id == tenant_id,
            TokenCacheRow.member_id == owner,
            TokenCacheRow.session_key == f"{_PREFIX}{session_id}",
        )
    )
    await _record_end(session, tenant_id, session_id, actor, reason)
    member: UUID = owner
    return member


async def shut_out(session: AsyncSession, *, tenant_id: UUID, member_id: UUID, actor: Actor) -> int:
    """End every session of a member who was blocked, and drop all tokens kept for them; gives how many sessions.

    Jobs that need one wait for their member once they are let in again.
    """
    ended = await session.scalars(
        delete(GraphSession)
        .where(GraphSession.tenant_id == tenant_id, GraphSession.member_id == member_id)
        .returning(GraphSession.id)
    )
    session_ids = sorted(ended.all())
    await session.execute(
        delete(TokenCacheRow).where(
            TokenCacheRow.tenant_id == tenant_id, TokenCacheRow.member_id == member_id
        )
    )
    for session_id in session_ids:
        await _record_end(session, tenant_id, session_id, actor, "member_blocked")
    return len(session_ids)


async def remove_over(session: AsyncSession, *, limit: int = 1000) -> int:
    """Drop sessions whose time is up. System role; gives how many."""
    over = (
        select(GraphSession.tenant_id, GraphSession.id)
        .where(GraphSession.expires_at < func.clock_timestamp())
        .limit(limit)
    )
    rows = (await session.execute(over)).all()
    for row in rows:
        await session.execute(
            delete(GraphSession)
            .where(GraphSession.tenant_id == row.tenant_id, GraphSession.id == row.id)
            .execution_options(synchronize_session=False)
        )
    return len(rows)


async def _record_end(
    session: AsyncSession, tenant_id: UUID, session_id: UUID, actor: Actor, reason: str
) -> None:
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=AuditAction.GRAPH_SESSION_REVOKE,
        target_type="graph_session",
        target_id=str(session_id),
        detail={"reason": reason},
    )


async def _views(session: AsyncSession, *conditions: Any, limit: int = 100) -> list[GraphSessionView]:
    rows = await session.execute(
        select(*(getattr(GraphSession, name) for name in _VIEW))
        .where(*conditions)
        .order_by(GraphSession.id.desc())
        .limit(limit)
    )
    return [GraphSessionView(**row) for row in rows.mappings()]


def _living(tenant_id: UUID, session_id: UUID) -> tuple[Any, ...]:
    return (
        GraphSession.tenant_id == tenant_id,
        GraphSession.id == session_id,
        GraphSession.expires_at > func.now(),
    )
