"""Rotation while others work: nothing fails, nothing is lost, and what cannot be read is counted."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import CursorResult, text
from structlog.testing import capture_logs

from app.core.clock import new_id
from app.core.crypto import Place, SealBroken, Sealed, Sealer, version_of
from app.core.keyring import LocalKeyring
from app.core.wrapping import KeysUnavailable, WrappingKeys
from app.jobs.events import EventHub, EventWriter
from app.local import keys as command
from app.tenants.erasure import KEYS
from app.tenants.keys import TenantKeys
from tests.conftest import TestDatabase
from tests.scripted_vault import ScriptedVault, scripted_vault

Clock = Callable[[float], None]


@pytest.fixture
async def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedVault]:
    async with scripted_vault(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
async def wrapping(vault: ScriptedVault) -> AsyncIterator[WrappingKeys]:
    made = vault.client()
    yield made
    await made.close()


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Moves the clock of the caches on."""
    offset, real = [0.0], time.monotonic
    monkeypatch.setattr("app.tenants.keys.time.monotonic", lambda: real() + offset[0])

    def move(seconds: float) -> None:
        offset[0] += seconds

    return move


async def rows(database: TestDatabase, statement: str, **values: Any) -> list[Any]:
    async with database.owner.system() as session:
        found = await session.execute(text(statement), values)
        return list(found.all()) if isinstance(found, CursorResult) and found.returns_rows else []


async def put(database: TestDatabase, sealer: Sealer, content: bytes, tenant_id: UUID | None = None) -> UUID:
    """Keep a document's name, as the doors do; gives the document."""
    document_id = new_id()
    async with database.app.tenant(tenant_id or database.tenant_id) as session:
        await session.execute(
            text(
                "INSERT INTO documents (tenant_id, id, member_id, sealed_name, media_type, size_bytes, sha256,"
                " segments, estimated_tokens, language, notes)"
                " VALUES (:tenant, :id, :member, :name, 'text/plain', 1, '', 1, 1, 'en', '{}')"
            ),
            {
                "tenant": tenant_id or database.tenant_id,
                "id": document_id,
                "member": database.member_id if tenant_id is None else database.other_member_id,
                "name": bytes(sealer.seal(place(document_id), content)),
            },
        )
    return document_id


def place(document_id: UUID) -> Place:
    return Place("documents", document_id, "sealed_name")


async def get(database: TestDatabase, document_id: UUID) -> Sealed:
    async with database.app.tenant(database.tenant_id) as session:
        found = await session.scalar(
            text("SELECT sealed_name FROM documents WHERE id = :id"), {"id": document_id}
        )
    return Sealed(found)


async def silent_rotate(database: TestDatabase, wrapping: WrappingKeys, **options: Any) -> list[str]:
    said: list[str] = []
    await command.rotate(database.owner, wrapping, said.append, **options)
    return said


_PACE_SECONDS = 0.03
"""Between two operations of one process: at full speed they would only keep each other and the rotation waiting."""


class Load:
    """Processes that keep, change and read documents all the time; any error ends the test."""

    def __init__(self, database: TestDatabase) -> None:
        self.database = database
        self.written: dict[UUID, bytes] = {}
        self.reads = 0
        self.enough, self.stop = asyncio.Event(), asyncio.Event()
        self._numbers = itertools.count()

    async def write(self, keys: TenantKeys) -> None:
        while not self.stop.is_set():
            content = b"memo %d" % next(self._numbers)
            document_id = await put(self.database, await keys.sealer(self.database.tenant_id), content)
            self.written[document_id] = content
            if len(self.written) == 20:
                self.enough.set()
            await asyncio.sleep(_PACE_SECONDS)

    async def rewrite(self, keys: TenantKeys) -> None:
        """Seals over what is there, as a token cache is: the rotation must not put an old value back."""
        await self.enough.wait()
        while not self.stop.is_set():
            for document_id in [*list(self.written)[:3], *list(self.written)[-3:]]:
                content = b"again %d" % next(self._numbers)
                sealed = (await keys.sealer(self.database.tenant_id)).seal(place(document_id), content)
                async with self.database.app.tenant(self.database.tenant_id) as session:
                    await session.execute(
                        text("UPDATE documents SET sealed_name = :new WHERE id = :id"),
                        {"new": bytes(sealed), "id": document_id},
                    )
                self.written[document_id] = content
                await asyncio.sleep(_PACE_SECONDS)

    async def read(self, keys: TenantKeys) -> None:
        await self.enough.wait()
        while not self.stop.is_set():
            for document_id in [*list(self.written)[:10], *list(self.written)[-10:]]:
                sealed = await get(self.database, document_id)
                opened = (await keys.sealer(self.database.tenant_id)).open(place(document_id), sealed)
                assert opened.startswith((b"memo ", b"again "))
                self.reads += 1
                await asyncio.sleep(_PACE_SECONDS)


async def test_a_rotation_under_load_loses_nothing_and_nobody_sees_an_error(
    database: TestDatabase, vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cache of half a second stands for a minute, and one second for the two until a new version seals.
    monkeypatch.setattr("app.tenants.keys.CACHE_SECONDS", 0.5)
    processes = [vault.client() for _ in range(5)]
    first, second, third, fourth = (TenantKeys(database.app, one) for one in processes[:4])
    operator = processes[4]
    load = Load(database)
    said: list[str] = []
    try:
        async with asyncio.timeout(90), asyncio.TaskGroup() as group:
            for work in (load.write(first), load.write(second), load.rewrite(first), load.read(third)):
                group.create_task(work)
            group.create_task(load.read(fourth))
            await load.enough.wait()
            for _ in range(2):
                vault.rotate()
                assert await command.rotate(
                    database.owner,
                    operator,
                    said.append,
                    data_key_versions=True,
                    values=True,
                    settle_seconds=1.0,
                )
            load.stop.set()
        await silent_rotate(database, operator, values=True)
        found = await command.status(database.owner, operator)
        sealer = await TenantKeys(database.app, operator).sealer(database.tenant_id)
        for document_id, content in load.written.items():
            assert sealer.open(place(document_id), await get(database, document_id)) == content
    finally:
        for one in processes:
            await one.close()

    assert found.ok, (found.as_json(), said)
    assert found.values == {3: len(load.written)}
    assert found.wrapping == {f"{vault.address}/{next(reversed(vault.versions))}": 3}
    assert load.reads > 20
    print(f"{len(load.written)} documents kept, {load.reads} read during two rotations", said)


async def test_a_new_version_only_opens_until_every_process_knows_it(
    database: TestDatabase, wrapping: WrappingKeys, pass_time: Clock
) -> None:
    keys = TenantKeys(database.app, wrapping)
    before = await keys.sealer(database.tenant_id)
    said = await silent_rotate(database, wrapping, data_key_versions=True)
    assert any("1 new versions" in line and "120 s" in line for line in said)

    pass_time(61)
    meanwhile = await keys.sealer(database.tenant_id)
    assert set(meanwhile.keys) == {1, 2}
    assert version_of(meanwhile.seal(place(new_id()), b"x")) == 1

    await rows(database, "UPDATE tenant_keys SET seals_from = now() WHERE version = 2")
    pass_time(61)
    after = await keys.sealer(database.tenant_id)
    a_place = place(new_id())
    assert version_of(after.seal(a_place, b"x")) == 2
    assert after.open(a_place, before.seal(a_place, b"old")) == b"old"


async def test_keys_in_memory_outlive_the_vault_for_a_minute_and_then_everybody_gets_503(
    database: TestDatabase, vault: ScriptedVault, wrapping: WrappingKeys, pass_time: Clock
) -> None:
    keys = TenantKeys(database.app, wrapping)
    sealer = await keys.sealer(database.tenant_id)
    await vault.hang_up()

    pass_time(58)
    assert await keys.sealer(database.tenant_id) is sealer
    pass_time(3)
    with pytest.raises(KeysUnavailable) as caught:
        await keys.sealer(database.tenant_id)
    assert caught.value.status == 503
    assert caught.value.retry_after_seconds

    with pytest.raises(KeysUnavailable):
        await keys.sealer(database.other_tenant_id)
    assert await rows(database, "SELECT 1 FROM tenant_keys WHERE tenant_id <> :t", t=database.tenant_id) == []


async def test_a_key_that_nobody_asks_for_leaves_the_memory(
    database: TestDatabase, keyring: LocalKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tenants.keys.CACHE_SECONDS", 0.0)
    gone = asyncio.Event()

    class Watched(TenantKeys):
        def _forget(self, tenant_id: UUID, sealer: Sealer) -> None:
            super()._forget(tenant_id, sealer)
            gone.set()

    keys = Watched(database.app, keyring)
    await keys.sealer(database.tenant_id)
    async with asyncio.timeout(5):
        await gone.wait()
    assert keys._cache == {}


async def test_an_erased_tenants_rows_stay_closed_wherever_a_copy_of_them_is(
    database: TestDatabase, wrapping: WrappingKeys
) -> None:
    keys = TenantKeys(database.app, wrapping)
    document_id = await put(database, await keys.sealer(database.tenant_id), b"a memo")
    copy = await get(database, document_id)

    async with database.eraser.tenant(database.tenant_id) as session:
        await session.execute(text(f"DELETE FROM {KEYS} WHERE tenant_id = :t"), {"t": database.tenant_id})

    anew = await TenantKeys(database.app, wrapping).sealer(database.tenant_id)
    with pytest.raises(SealBroken) as caught:
        anew.open(place(document_id), copy)
    assert caught.value.code == "content_unreadable"


async def test_no_key_comes_back_behind_an_erasure(database: TestDatabase, wrapping: WrappingKeys) -> None:
    await TenantKeys(database.app, wrapping).sealer(database.tenant_id)
    await rows(database, "UPDATE tenants SET state = 'erasing' WHERE id = :t", t=database.tenant_id)
    await silent_rotate(database, wrapping, data_key_versions=True)
    assert await rows(database, "SELECT version FROM tenant_keys") == [(1,)]


async def test_what_cannot_be_read_is_counted_by_table_and_said_once_in_the_log(
    database: TestDatabase, wrapping: WrappingKeys
) -> None:
    sealer = await TenantKeys(database.app, wrapping).sealer(database.tenant_id)
    good, moved, foreign = [await put(database, sealer, b"memo %d" % n) for n in range(3)]
    await rows(
        database,
        "UPDATE documents SET sealed_name = (SELECT sealed_name FROM documents WHERE id = :good) WHERE id = :id",
        good=good,
        id=moved,
    )
    unknown = b"\x01" + (9).to_bytes(4, "big") + bytes(40)
    await rows(database, "UPDATE documents SET sealed_name = :v WHERE id = :id", v=unknown, id=foreign)

    found = await command.status(database.owner, wrapping)

    assert found.unreadable == {"documents.sealed_name": 2}
    assert not found.ok
    assert (await command.status(database.owner, wrapping, quick=True)).unreadable == {
        "documents.sealed_name": 1
    }
    assert "UNREADABLE: 2 values of documents.sealed_name" in command.in_words(found)
    with capture_logs() as told:
        for _ in range(3):
            with pytest.raises(SealBroken):
                sealer.open(place(foreign), await get(database, foreign))
    assert [(one["table"], one["row"], one["key_version"]) for one in told] == [
        ("documents", str(foreign), 9)
    ]
    said = await silent_rotate(database, wrapping, data_key_versions=True, values=True, settle_seconds=0)
    assert any("2 values do not open" in line for line in said)


async def test_content_of_a_tenant_without_keys_is_counted_as_unreadable(
    database: TestDatabase, wrapping: WrappingKeys
) -> None:
    await put(database, await TenantKeys(database.app, wrapping).sealer(database.tenant_id), b"a memo")
    await rows(database, "DELETE FROM tenant_keys")
    assert (await command.status(database.owner, wrapping)).unreadable == {"documents.sealed_name": 1}


async def test_one_broken_version_takes_only_its_own_content_along(
    database: TestDatabase, wrapping: WrappingKeys
) -> None:
    first = await TenantKeys(database.app, wrapping).sealer(database.tenant_id)
    old = await put(database, first, b"old")
    await silent_rotate(database, wrapping, data_key_versions=True, settle_seconds=0)
    await rows(database, "UPDATE tenant_keys SET wrapped = :junk WHERE version = 1", junk=bytes(256))

    sealer = await TenantKeys(database.app, wrapping).sealer(database.tenant_id)
    new = await put(database, sealer, b"new")

    assert sealer.open(place(new), await get(database, new)) == b"new"
    with pytest.raises(SealBroken):
        sealer.open(place(old), await get(database, old))
    found = await command.status(database.owner, wrapping)
    assert len(found.broken_keys) == 1
    assert "version 1" in found.broken_keys[0]
    assert found.unreadable == {"documents.sealed_name": 1}


async def test_values_are_sealed_anew_only_where_another_version_sealed_them(
    database: TestDatabase, wrapping: WrappingKeys
) -> None:
    sealer = await TenantKeys(database.app, wrapping).sealer(database.tenant_id)
    for number in range(5):
        await put(database, sealer, b"memo %d" % number)
    said = await silent_rotate(database, wrapping, data_key_versions=True, values=True, settle_seconds=0)
    assert any(line.startswith("5 values sealed anew") for line in said)
    said = await silent_rotate(database, wrapping, values=True)
    assert any(line.startswith("0 values sealed anew") for line in said)


async def test_a_keyring_learns_a_key_that_was_added_while_it_is_used(
    database: TestDatabase, tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    LocalKeyring.create(path)
    running, operator = LocalKeyring.load(path), LocalKeyring.load(path)
    sealer = await TenantKeys(database.app, running).sealer(database.tenant_id)
    assert LocalKeyring.add(path) == "local-2"
    assert path.stat().st_mode & 0o777 == 0o600

    said = await silent_rotate(database, operator)

    assert said == ["1 data keys wrapped anew with local-2, 0 failed"]
    again = await TenantKeys(database.app, running).sealer(database.tenant_id)
    assert again.keys == sealer.keys


async def test_events_under_an_old_version_open_until_they_expire_and_no_version_is_ever_removed(
    database: TestDatabase, wrapping: WrappingKeys, redis: Redis
) -> None:
    keys, writer, job_id, step_id = TenantKeys(database.app, wrapping), EventWriter(redis), new_id(), new_id()
    held = await keys.sealer(database.tenant_id)

    async def emit(sealer: Sealer, number: int) -> None:
        assert await writer.emit(
            sealer, job_id=job_id, step_id=step_id, fencing=1, event_type="text", body={"number": number}
        )

    await emit(held, 1)
    await silent_rotate(database, wrapping, data_key_versions=True, values=True, settle_seconds=0)
    anew = await TenantKeys(database.app, wrapping).sealer(database.tenant_id)
    await emit(anew, 2)
    # A step that began before the rotation goes on with the sealer that it has.
    await emit(held, 3)
    streams = [name async for name in redis.scan_iter("events:*")]
    stream = f"events:{database.tenant_id}:{job_id}".encode()
    assert sorted(streams) == [stream, stream + b":fences"]
    for name in streams:
        assert 0 < await redis.ttl(name) <= 900
    entries: Any = await redis.xrange(stream)
    assert [version_of(fields[b"payload"]) for _, fields in entries] == [1, 2, 1]

    hub = EventHub(redis)
    hub.start()
    try:
        # Whoever followed since before the rotation, and whoever comes now.
        for sealer, renew in ((held, TenantKeys(database.app, wrapping)), (anew, keys)):
            numbers: list[int] = []
            async for event in hub.follow(
                sealer, job_id=job_id, renew=partial(renew.sealer, database.tenant_id)
            ):
                numbers += [event.body["number"]] if event is not None else []
                if len(numbers) == 3:
                    break
            assert numbers == [1, 2, 3]
    finally:
        await hub.close()


async def test_what_a_step_writes_with_a_key_that_it_held_is_counted_readable_and_sealed_anew_the_next_time(
    database: TestDatabase, wrapping: WrappingKeys
) -> None:
    held = await TenantKeys(database.app, wrapping).sealer(database.tenant_id)
    early = await put(database, held, b"early")
    await silent_rotate(database, wrapping, data_key_versions=True, values=True, settle_seconds=0)
    late = await put(database, held, b"late")

    found = await command.status(database.owner, wrapping)
    assert (found.ok, found.values, found.kept) == (True, {1: 1, 2: 1}, {1: 1, 2: 1})

    await silent_rotate(database, wrapping, values=True)
    found = await command.status(database.owner, wrapping)
    assert (found.ok, found.values, found.kept) == (True, {2: 2}, {1: 1, 2: 1})
    assert "  version 1: 0 sealed values; seals for 0 tenants; kept for 1" in command.in_words(found)
    anew = await TenantKeys(database.app, wrapping).sealer(database.tenant_id)
    assert [anew.open(place(one), await get(database, one)) for one in (early, late)] == [b"early", b"late"]
    # Fingerprints are keyed with the first version: without it nothing would be recognised again.
    assert anew.digest("document", b"x") == held.digest("document", b"x")
