"""Sessions end: by themselves, by their member, and while Entra is being asked."""

from uuid import UUID

import pytest
from sqlalchemy import text

from app.audit.record import Actor, ActorKind
from app.core.keyring import LocalKeyring
from app.identity.graph_errors import GraphSessionNotFound
from app.identity.long_sessions import LongSessions, list_sessions, remove_over, revoke
from app.identity.on_behalf import OnBehalf
from app.identity.token_caches import Partition
from tests.conftest import TestDatabase
from tests.entra import ADA, RunningEntra
from tests.identity.test_on_behalf import acting, caller_of

ACTOR = Actor(ActorKind.MEMBER)


async def sessions_of(database: TestDatabase) -> list[UUID]:
    async with database.app.tenant(database.tenant_id) as session:
        found = await list_sessions(session, tenant_id=database.tenant_id, member_id=database.member_id)
    return [one.id for one in found]


async def count(database: TestDatabase, table: str) -> int:
    async with database.owner.system() as session:
        return await session.scalar(text(f'SELECT count(*) FROM "{table}"')) or 0


async def test_a_session_that_is_over_serves_nobody_and_is_removed(
    database: TestDatabase, entra: RunningEntra, keyring: LocalKeyring
) -> None:
    caller = caller_of(database, entra)
    async with acting(database, entra, keyring) as on_behalf:
        sessions = LongSessions(database.app, on_behalf, longest_days=90)
        over = await sessions.start(caller, entra.token(ADA), actor=ACTOR)
        good = await sessions.start(caller, entra.token(ADA), actor=ACTOR, days=1)
        async with database.owner.system() as session:
            await session.execute(
                text("UPDATE graph_sessions SET expires_at = now() - interval '1 s' WHERE id = :id"),
                {"id": over},
            )
        assert await sessions_of(database) == [good]
        tenant_id, member_id = caller.tenant_id, caller.member_id
        with pytest.raises(GraphSessionNotFound):
            await sessions.token(tenant_id=tenant_id, member_id=member_id, session_id=over)
        with pytest.raises(GraphSessionNotFound):
            await sessions.renew(caller, entra.token(ADA), over, actor=ACTOR)
        assert await sessions.token(tenant_id=tenant_id, member_id=member_id, session_id=good)
    async with database.system.system() as session:
        assert await remove_over(session) == 1
    assert await count(database, "graph_sessions") == 1


async def test_a_session_serves_its_member_alone(
    database: TestDatabase, entra: RunningEntra, keyring: LocalKeyring
) -> None:
    caller = caller_of(database, entra)
    async with acting(database, entra, keyring) as on_behalf:
        sessions = LongSessions(database.app, on_behalf, longest_days=90)
        session_id = await sessions.start(caller, entra.token(ADA), actor=ACTOR)
        for tenant_id, member_id in (
            (database.tenant_id, database.colleague_id),
            (database.other_tenant_id, database.other_member_id),
        ):
            with pytest.raises(GraphSessionNotFound):
                await sessions.token(tenant_id=tenant_id, member_id=member_id, session_id=session_id)


async def test_a_session_that_is_revoked_while_entra_is_asked_keeps_no_tokens(
    database: TestDatabase, entra: RunningEntra, keyring: LocalKeyring
) -> None:
    caller = caller_of(database, entra)

    async with acting(database, entra, keyring) as on_behalf:

        class Slow(OnBehalf):
            """Entra answers, and only then the session is revoked: before its renewal is written down."""

            async def begin(self, partition: Partition, raw_token: str) -> str:
                token = await on_behalf.begin(partition, raw_token)
                if revoking:
                    async with database.app.tenant(caller.tenant_id) as session:
                        await revoke(session, tenant_id=caller.tenant_id, session_id=revoking[0], actor=ACTOR)
                    # A late write of the same request.
                    await on_behalf.begin(partition, raw_token)
                return token

            def __init__(self) -> None:
                """Everything else is the real one's."""

            async def forget(self, partition: Partition) -> None:
                await on_behalf.forget(partition)

        revoking: list[UUID] = []
        sessions = LongSessions(database.app, Slow(), longest_days=90)
        session_id = await sessions.start(caller, entra.token(ADA), actor=ACTOR)
        assert await count(database, "token_caches") == 1
        revoking.append(session_id)
        with pytest.raises(GraphSessionNotFound):
            await sessions.renew(caller, entra.token(ADA), session_id, actor=ACTOR)
    assert await count(database, "token_caches") == 0
    assert await sessions_of(database) == []
