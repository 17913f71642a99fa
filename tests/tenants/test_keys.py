"""A tenant's data key: made once, whoever asks first, and useless without the wrapping key."""

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.clock import new_id
from app.core.crypto import Place, SealBroken
from app.core.keyring import LocalKeyring
from app.tenants.keys import TenantKeys, add_version
from tests.conftest import TestDatabase

_PLACE = Place("documents", new_id(), "name")


async def test_a_first_key_is_made_once_for_processes_that_ask_at_the_same_time(
    database: TestDatabase, keyring: LocalKeyring
) -> None:
    processes = [TenantKeys(database.app, keyring) for _ in range(6)]

    sealers = await asyncio.gather(
        *(process.sealer(database.tenant_id) for process in processes for _ in range(4))
    )

    assert len({sealer.keys[1] for sealer in sealers}) == 1
    sealed = sealers[0].seal(_PLACE, b"a memo")
    assert {sealer.open(_PLACE, sealed) for sealer in sealers} == {b"a memo"}
    async with database.owner.system() as session:
        assert await session.scalar(text("SELECT count(*) FROM tenant_keys")) == 1


async def test_what_one_tenant_sealed_another_cannot_open(
    database: TestDatabase, keyring: LocalKeyring
) -> None:
    keys = TenantKeys(database.app, keyring)
    ours, theirs = await asyncio.gather(
        keys.sealer(database.tenant_id), keys.sealer(database.other_tenant_id)
    )
    assert ours.keys[1] != theirs.keys[1]

    with pytest.raises(SealBroken):
        theirs.open(_PLACE, ours.seal(_PLACE, b"a memo"))


async def test_a_key_is_asked_for_once_a_minute(
    database: TestDatabase, keyring: LocalKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = TenantKeys(database.app, keyring)
    first = await keys.sealer(database.tenant_id)
    assert await keys.sealer(database.tenant_id) is first
    wrapped = await keyring.wrap(database.tenant_id, 2, bytes(32))
    async with database.owner.system() as session:
        await session.execute(
            text(
                "INSERT INTO tenant_keys (tenant_id, version, wrapping_key, wrapped)"
                " VALUES (:tenant, 2, :name, :wrapped)"
            ),
            {"tenant": database.tenant_id, "name": wrapped.name, "wrapped": wrapped.wrapped},
        )
    later = time.monotonic() + 61
    monkeypatch.setattr("app.tenants.keys.time.monotonic", lambda: later)

    second = await keys.sealer(database.tenant_id)

    assert sorted(second.keys) == [1, 2]
    assert second.open(_PLACE, first.seal(_PLACE, b"a memo")) == b"a memo"


async def test_a_keyring_without_the_wrapping_key_opens_nothing(
    database: TestDatabase, keyring: LocalKeyring, tmp_path: Path
) -> None:
    await TenantKeys(database.app, keyring).sealer(database.tenant_id)
    LocalKeyring.create(tmp_path / "another.json")
    another = LocalKeyring.load(tmp_path / "another.json")

    with pytest.raises(SealBroken):
        await TenantKeys(database.app, another).sealer(database.tenant_id)


async def test_without_the_first_key_nothing_is_digested_under_another(
    database: TestDatabase, keyring: LocalKeyring
) -> None:
    first = await TenantKeys(database.app, keyring).sealer(database.tenant_id)
    second = await keyring.wrap(database.tenant_id, 2, bytes(32))
    async with database.app.tenant(database.tenant_id) as session:
        await add_version(session, database.tenant_id, 2, second)
    async with database.owner.system() as session:
        await session.execute(text("UPDATE tenant_keys SET wrapped = 'damaged' WHERE version = 1"))

    sealer = await TenantKeys(database.app, keyring).sealer(database.tenant_id)

    assert sealer.open(_PLACE, sealer.seal(_PLACE, b"a memo")) == b"a memo"
    assert first.digest("document", b"a memo")
    with pytest.raises(SealBroken, match="first key"):
        sealer.digest("document", b"a memo")


async def test_a_wrapped_key_moved_to_another_tenant_does_not_unwrap(
    database: TestDatabase, keyring: LocalKeyring
) -> None:
    await TenantKeys(database.app, keyring).sealer(database.tenant_id)
    async with database.owner.system() as session:
        await session.execute(
            text("UPDATE tenant_keys SET tenant_id = :other"), {"other": database.other_tenant_id}
        )

    with pytest.raises(SealBroken):
        await TenantKeys(database.app, keyring).sealer(database.other_tenant_id)


async def test_the_application_sees_only_the_keys_of_the_tenant_it_works_for(
    database: TestDatabase, keyring: LocalKeyring
) -> None:
    keys = TenantKeys(database.app, keyring)
    await keys.sealer(database.tenant_id)
    await keys.sealer(database.other_tenant_id)

    async with database.app.tenant(database.other_tenant_id) as session:
        seen = (await session.scalars(text("SELECT tenant_id FROM tenant_keys"))).all()

    assert seen == [database.other_tenant_id]
