"""Carrying out erasures: small transactions, each of which leaves a row from which the next one goes on.

Run by one process, in the eraser role for rows and the system role for what must be found across
tenants. Killed anywhere, it goes on where it was; run twice at once, it removes nothing twice.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, DetailValue, record
from app.core.database import Database
from app.core.erasure import count_keys, erase_keys, erase_some
from app.core.logging import get_logger
from app.identity.sessions import Sessions
from app.jobs.erasure import cancel_some, first_jobs
from app.jobs.events import erase_streams
from app.lifecycle.erasable import erasable, keys_of_tenant
from app.lifecycle.holds import blocking
from app.lifecycle.states import OPEN, ErasureState, Phase
from app.lifecycle.sweep import Sweep, sweep
from app.lifecycle.tables import Erasure
from app.tenants.erasure import finish_tenant, forget_member, shut_tenant
from app.vocabulary import TenantState

_log = get_logger(__name__)


@dataclass(frozen=True)
class Subject:
    """What an erasure is about."""

    tenant_id: UUID
    erasure_id: UUID
    member_id: UUID | None

    @property
    def fragment(self) -> str:
        """What the names of its keys in Redis hold."""
        return str(self.tenant_id if self.member_id is None else self.member_id)


@dataclass(frozen=True)
class Erasing:
    """Carries erasures out. Between the two sweeps pass `settle_seconds`; a transaction removes `batch` rows."""

    system: Database
    eraser: Database
    redis: Redis
    settle_seconds: float
    batch: int = 200

    async def run(self, *, longest_seconds: float = 20.0) -> str | None:
        """Go on with every erasure that is due; gives figures. Raises the last error, after all had their turn."""
        end = time.monotonic() + longest_seconds
        failed: Exception | None = None
        subjects = await self.due()
        for subject in subjects:
            try:
                more = True
                while more and time.monotonic() < end:
                    more = await self.advance(subject)
            except (SQLAlchemyError, RedisError, OSError) as error:
                _log.info(
                    "erasure interrupted", tenant_id=str(subject.tenant_id), reason=type(error).__name__
                )
                failed = error
        if failed is not None:
            raise failed
        return f"{len(subjects)} erasures under way" if subjects else None

    async def due(self) -> list[Subject]:
        """Erasures to begin or to go on with, oldest first."""
        async with self.system.system() as session:
            rows = await session.execute(
                select(Erasure.tenant_id, Erasure.id, Erasure.member_id)
                .where(Erasure.state.in_(OPEN), Erasure.not_before <= func.clock_timestamp())
                .order_by(Erasure.requested_at)
            )
            return [Subject(*row) for row in rows]

    async def advance(self, subject: Subject) -> bool:
        """Do the next small part; False when there is nothing to do now."""
        async with self.eraser.tenant(subject.tenant_id) as session:
            found = (
                await session.execute(
                    select(Erasure.state, Erasure.phase).where(
                        Erasure.tenant_id == subject.tenant_id, Erasure.id == subject.erasure_id
                    )
                )
            ).one_or_none()
        if found is None or found.state not in OPEN:
            return False
        parts = {
            Phase.SHUT: self._shut,
            Phase.ROWS: self._rows,
            Phase.REDIS: self._redis,
            Phase.KEYS: self._keys,
            Phase.SETTLING: self._settle,
        }
        return await parts[Phase(found.phase)](subject)

    async def _shut(self, subject: Subject) -> bool:
        async with self.eraser.tenant(subject.tenant_id) as session:
            row = await _lock(session, subject, Phase.SHUT)
            if row is None or await blocking(
                session, tenant_id=subject.tenant_id, member_id=subject.member_id
            ):
                return False
            shut: bool | None
            if subject.member_id is None:
                shut = await shut_tenant(session) is TenantState.ERASING
            else:
                shut = await forget_member(session, member_id=subject.member_id)
            if shut is None:
                # It begins when there is another administrator.
                return False
            if not shut:
                await _write(session, subject, state=ErasureState.CANCELLED)
                return False
            await _write(session, subject, state=ErasureState.RUNNING, phase=Phase.ROWS)
            begun = AuditAction.TENANT_ERASE if subject.member_id is None else AuditAction.MEMBER_ERASE
            await _record(session, subject, begun)
        await self._end_sessions(subject)
        _log.info("erasure begins", tenant_id=str(subject.tenant_id), member=subject.member_id is not None)
        return True

    async def _rows(self, subject: Subject) -> bool:
        """Cancel what is open, then remove rows; the next phase when a whole round finds none.

        A hold over the whole tenant that was placed meanwhile stops the erasure of a member where it is.
        """
        async with self.eraser.tenant(subject.tenant_id) as session:
            if await self._stopped(session, subject):
                return False
        async with self.system.system() as session:
            cancelled = await cancel_some(session, tenant_id=subject.tenant_id, member_id=subject.member_id)
        if cancelled:
            return True
        await self._streams(subject)
        async with self.eraser.tenant(subject.tenant_id) as session:
            row = await _lock(session, subject, Phase.ROWS)
            # Asked again under the lock, for which whoever places a hold waits.
            if row is None or await self._stopped(session, subject):
                return False
            removed, left = dict(row.removed), self.batch
            for one in erasable():
                if one.table is keys_of_tenant() or left <= 0:
                    continue
                count = await erase_some(
                    session, one, tenant_id=subject.tenant_id, member_id=subject.member_id, limit=left
                )
                left -= count
                if count:
                    removed[one.table.name] = removed.get(one.table.name, 0) + count
            nothing = left == self.batch
            await _write(session, subject, removed=removed, phase=Phase.REDIS if nothing else Phase.ROWS)
        return True

    async def _streams(self, subject: Subject) -> None:
        """A job's stream bears the tenant's name, not the member's: while the jobs' rows name them."""
        if subject.member_id is not None:
            async with self.eraser.tenant(subject.tenant_id) as session:
                jobs = await first_jobs(
                    session, tenant_id=subject.tenant_id, member_id=subject.member_id, limit=self.batch
                )
            await erase_streams(self.redis, subject.tenant_id, jobs)

    async def _stopped(self, session: AsyncSession, subject: Subject) -> bool:
        return (
            subject.member_id is not None
            and await blocking(session, tenant_id=subject.tenant_id, member_id=subject.member_id) is not None
        )

    async def _end_sessions(self, subject: Subject) -> None:
        """A browser's session bears a name that says nothing: it is found while the index of whose it is stands."""
        sessions = Sessions(self.redis)
        if subject.member_id is None:
            await sessions.end_tenant(subject.tenant_id)
        else:
            await sessions.end_member(subject.tenant_id, subject.member_id)

    async def _redis(self, subject: Subject) -> bool:
        await self._end_sessions(subject)
        gone = await erase_keys(self.redis, subject.fragment)
        async with self.eraser.tenant(subject.tenant_id) as session:
            row = await _lock(session, subject, Phase.REDIS)
            if row is None:
                return False
            removed = {**row.removed, "redis": row.removed.get("redis", 0) + gone}
            await _write(session, subject, removed=removed, phase=Phase.KEYS)
        return True

    async def _keys(self, subject: Subject) -> bool:
        """Without its data keys nothing sealed of the tenant can be read any more, wherever a copy is."""
        async with self.eraser.tenant(subject.tenant_id) as session:
            row = await _lock(session, subject, Phase.KEYS)
            if row is None:
                return False
            removed = dict(row.removed)
            for one in erasable():
                if one.table is keys_of_tenant():
                    count = await erase_some(
                        session, one, tenant_id=subject.tenant_id, member_id=subject.member_id, limit=10_000
                    )
                    removed[one.table.name] = removed.get(one.table.name, 0) + count
            await _write(session, subject, removed=removed, phase=Phase.SETTLING)
        return True

    async def _settle(self, subject: Subject) -> bool:
        """Sweep; twice clean, `settle_seconds` apart, is the proof."""
        in_redis = await count_keys(self.redis, subject.fragment)
        async with self.eraser.tenant(subject.tenant_id) as session:
            if subject.member_id is None:
                await shut_tenant(session)
            row = await _lock(session, subject, Phase.SETTLING)
            if row is None:
                return False
            found = await sweep(session, tenant_id=subject.tenant_id, member_id=subject.member_id)
            if found.rows_left or in_redis:
                await _write(session, subject, phase=Phase.ROWS, swept_at=None)
                return True
            now = (await session.scalars(select(func.clock_timestamp()))).one()
            if row.swept_at is None:
                await _write(session, subject, swept_at=now)
                return self.settle_seconds == 0
            if (now - row.swept_at).total_seconds() < self.settle_seconds:
                return False
            proof = _proof(found, in_redis, first=row.swept_at.isoformat(), second=now.isoformat())
            await _write(
                session,
                subject,
                state=ErasureState.FINISHED,
                phase=Phase.DONE,
                finished_at=now,
                proof=proof,
            )
            await _record(session, subject, AuditAction.ERASURE_FINISH, _in_the_record(proof, row.removed))
            if subject.member_id is None:
                await finish_tenant(session)
        _log.info("erasure finished", tenant_id=str(subject.tenant_id), member=subject.member_id is not None)
        return False


async def _lock(session: AsyncSession, subject: Subject, phase: Phase) -> Erasure | None:
    """The erasure, if it is still in this phase and nobody else works on it."""
    return (
        await session.execute(
            select(Erasure)
            .where(
                Erasure.tenant_id == subject.tenant_id,
                Erasure.id == subject.erasure_id,
                Erasure.state.in_(OPEN),
                Erasure.phase == phase,
            )
            .with_for_update(skip_locked=True)
        )
    ).scalar_one_or_none()


async def _write(session: AsyncSession, subject: Subject, **values: Any) -> None:
    await session.execute(
        update(Erasure)
        .where(Erasure.tenant_id == subject.tenant_id, Erasure.id == subject.erasure_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


async def _record(
    session: AsyncSession,
    subject: Subject,
    action: AuditAction,
    detail: Mapping[str, DetailValue] | None = None,
) -> None:
    # What is finished names the erasure alone: the member must not be found by it any more.
    of_member = action is AuditAction.MEMBER_ERASE
    await record(
        session,
        tenant_id=subject.tenant_id,
        actor=Actor(ActorKind.SYSTEM),
        action=action,
        target_type="member" if of_member else "erasure",
        target_id=str(subject.member_id if of_member else subject.erasure_id),
        detail={"erasure": str(subject.erasure_id), **(detail or {})},
    )


def _proof(found: Sweep, in_redis: int, *, first: str, second: str) -> Mapping[str, Any]:
    return {
        "tables_swept": found.tables,
        "rows_left": sum(found.rows_left.values()),
        "redis_keys_left": in_redis,
        "kept": found.kept,
        "first_sweep_at": first,
        "second_sweep_at": second,
    }


def _in_the_record(proof: Mapping[str, Any], removed: Mapping[str, int]) -> Mapping[str, DetailValue]:
    """The proof in an entry's flat form: figures by table, so that an export of the record proves it too."""
    figures = {name: value for name, value in proof.items() if name != "kept"}
    kept = {f"kept.{table}": one["rows"] for table, one in proof["kept"].items()}
    return {**figures, **kept, **{f"removed.{store}": count for store, count in removed.items()}}
