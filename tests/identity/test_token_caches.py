"""Token caches as sealed rows: partitions keep to their person, and nobody's write is lost."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msal
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.testing import capture_logs

from app.core.clock import new_id
from app.core.keyring import LocalKeyring
from app.identity.token_caches import (
    Cache,
    ForeignAccount,
    Partition,
    TokenCaches,
    check_accounts,
    merge,
    remove_expired,
)
from app.tenants.keys import TenantKeys
from tests.conftest import TestDatabase

ENTRA_TENANT, OBJECT_ID = new_id(), new_id()
ROOT = Path(__file__).resolve().parents[2]


def partition_of(database: TestDatabase, **changes: Any) -> Partition:
    values: dict[str, Any] = {
        "tenant_id": database.tenant_id,
        "member_id": database.member_id,
        "session_key": "session:one",
        "entra_tenant_id": ENTRA_TENANT,
        "entra_object_id": OBJECT_ID,
        "lifetime_seconds": 3600.0,
    }
    return Partition(**{**values, **changes})


def remember(
    cache: msal.TokenCache,
    partition: Partition,
    *,
    scope: str = "files",
    secret: str = "s",  # noqa: S107 - nobody's
) -> None:
    """What MSAL does when a token has come."""
    person = {"uid": str(partition.entra_object_id), "utid": str(partition.entra_tenant_id)}
    cache.add(
        {
            "client_id": "api",
            "scope": [scope],
            "token_endpoint": f"https://127.0.0.1/{partition.entra_tenant_id}/oauth2/v2.0/token",
            "response": {
                "access_token": secret,
                "refresh_token": f"refresh-{secret}",
                "expires_in": 3600,
                "client_info": _packed(person),
                "id_token_claims": {"oid": person["uid"], "tid": person["utid"]},
            },
        }
    )


def _packed(value: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def secrets_in(cache: msal.SerializableTokenCache) -> set[str]:
    content: Cache = json.loads(cache.serialize())
    return {entry["secret"] for entry in content.get("AccessToken", {}).values()}


@pytest.fixture
def caches(database: TestDatabase, keyring: LocalKeyring) -> TokenCaches:
    """The caches of one process."""
    return TokenCaches(database.app, TenantKeys(database.app, keyring))


@pytest.fixture
def another(database: TestDatabase, keyring: LocalKeyring) -> Callable[[], TokenCaches]:
    """Makes the caches of another process: with keys of its own."""
    return lambda: TokenCaches(database.app, TenantKeys(database.app, keyring))


async def rows(database: TestDatabase) -> list[dict[str, Any]]:
    async with database.owner.system() as session:
        found = await session.execute(text("SELECT * FROM token_caches ORDER BY id"))
        return [dict(row) for row in found.mappings()]


async def test_what_msal_puts_in_is_there_for_the_next_process_and_sealed_at_rest(
    database: TestDatabase, caches: TokenCaches, another: Callable[[], TokenCaches]
) -> None:
    partition = partition_of(database)
    async with caches.open(partition) as cache:
        remember(cache, partition, secret="a-secret-canary")
    async with another().open(partition) as cache:
        assert secrets_in(cache) == {"a-secret-canary"}
    (row,) = await rows(database)
    assert (row["version"], row["session_key"]) == (1, "session:one")
    assert b"canary" not in bytes(row["sealed_cache"])
    assert b"refresh" not in bytes(row["sealed_cache"])


async def test_a_cache_that_was_only_read_is_not_written(database: TestDatabase, caches: TokenCaches) -> None:
    partition = partition_of(database)
    async with caches.open(partition) as cache:
        assert secrets_in(cache) == set()
    assert await rows(database) == []


async def test_partitions_of_members_and_sessions_share_nothing(
    database: TestDatabase, caches: TokenCaches
) -> None:
    partition = partition_of(database)
    async with caches.open(partition) as cache:
        remember(cache, partition)
    for other in (
        replace(partition, session_key="session:two"),
        replace(partition, member_id=database.colleague_id),
        replace(partition, tenant_id=database.other_tenant_id, member_id=database.other_member_id),
    ):
        async with caches.open(other) as cache:
            assert secrets_in(cache) == set()


async def test_tokens_of_another_person_are_neither_kept_nor_read(
    database: TestDatabase, caches: TokenCaches
) -> None:
    partition = partition_of(database)
    stranger = replace(partition, entra_object_id=new_id())
    with pytest.raises(ForeignAccount):
        async with caches.open(partition) as cache:
            remember(cache, stranger)
    assert await rows(database) == []
    # A row that holds a stranger's tokens all the same (moved there by hand) is as good as empty.
    async with caches.open(stranger) as cache:
        remember(cache, stranger)
    async with caches.open(partition) as cache:
        assert secrets_in(cache) == set()
        remember(cache, partition, secret="own")
    async with caches.open(partition) as cache:
        assert secrets_in(cache) == {"own"}


def test_a_guest_is_known_by_where_they_work_not_by_where_they_come_from() -> None:
    guest = Partition(new_id(), new_id(), "s", ENTRA_TENANT, OBJECT_ID, 1.0)
    home = f"{new_id()}.{new_id()}"
    account = {"home_account_id": home, "realm": str(ENTRA_TENANT), "local_account_id": str(OBJECT_ID)}
    token = {"home_account_id": home, "secret": "x"}
    check_accounts({"Account": {"a": account}, "AccessToken": {"t": token}, "AppMetadata": {"m": {}}}, guest)
    bads: list[Cache] = [
        {"AccessToken": {"t": token}},
        {"Account": {"a": {**account, "local_account_id": str(new_id())}}},
        {"Account": {"a": {**account, "realm": str(new_id())}}},
        {"Account": {"a": account}, "RefreshToken": {"t": {**token, "home_account_id": "somebody"}}},
        {"Account": {"a": account}, "IdToken": {"t": {}}},
    ]
    for bad in bads:
        with pytest.raises(ForeignAccount):
            check_accounts(bad, guest)


async def test_of_two_that_write_at_once_neither_loses_its_tokens(
    database: TestDatabase, caches: TokenCaches, another: Callable[[], TokenCaches]
) -> None:
    partition = partition_of(database)
    async with caches.open(partition) as first, another().open(partition) as second:
        remember(first, partition, scope="files", secret="first")
        remember(second, partition, scope="mail", secret="second")
    async with caches.open(partition) as cache:
        assert secrets_in(cache) == {"first", "second"}
    (row,) = await rows(database)
    assert row["version"] == 2


async def test_twenty_that_write_at_once_lose_nothing(
    database: TestDatabase, another: Callable[[], TokenCaches]
) -> None:
    partition = partition_of(database)
    ready = asyncio.Barrier(20)

    async def write(number: int) -> None:
        async with another().open(partition) as cache:
            await ready.wait()
            remember(cache, partition, scope=f"scope-{number}", secret=f"secret-{number}")

    await asyncio.gather(*(write(number) for number in range(20)))
    async with another().open(partition) as cache:
        assert len(secrets_in(cache)) == 20


_RACER = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from app import tables
from app.core.keyring import LocalKeyring
from app.core.database import Database
from app.identity.token_caches import Partition, TokenCaches
from app.tenants.keys import TenantKeys
from tests.identity.test_token_caches import remember

async def main(url, keyring, tenant, member, entra, person, name):
    database = Database(url)
    caches = TokenCaches(database, TenantKeys(database, LocalKeyring.load(Path(keyring))))
    partition = Partition(UUID(tenant), UUID(member), "session:one", UUID(entra), UUID(person), 3600.0)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(15):
        async with caches.open(partition) as cache:
            remember(cache, partition, scope=f"{name}-{number}", secret=f"{name}-{number}")
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_two_processes_that_race_lose_nothing(
    database: TestDatabase, caches: TokenCaches, tmp_path: Path
) -> None:
    partition = partition_of(database)
    racers = [
        subprocess.Popen(  # noqa: ASYNC220 - starting two takes no time; what waits is in threads
            [
                sys.executable,
                "-c",
                _RACER,
                database.app_url,
                str(tmp_path / "keyring.json"),
                *(str(one) for one in (partition.tenant_id, partition.member_id, ENTRA_TENANT, OBJECT_ID)),
                name,
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("left", "right")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert await asyncio.to_thread(racer.stdout.readline) == "ready\n"
    await asyncio.gather(*(asyncio.to_thread(racer.communicate, "go\n", timeout=60) for racer in racers))
    assert [racer.returncode for racer in racers] == [0, 0]
    async with caches.open(partition) as cache:
        assert secrets_in(cache) == {f"{name}-{n}" for name in ("left", "right") for n in range(15)}
    (row,) = await rows(database)
    # Every write counted once: nobody wrote over what they had not read.
    assert row["version"] == 30


async def test_what_was_revoked_does_not_come_back_by_a_late_write(
    database: TestDatabase, caches: TokenCaches, another: Callable[[], TokenCaches]
) -> None:
    partition = partition_of(database)
    async with caches.open(partition) as cache:
        remember(cache, partition)
    async with caches.open(partition) as late:
        remember(late, partition, scope="mail")
        await another().forget(partition)
    assert await rows(database) == []


async def test_a_row_that_cannot_be_opened_costs_a_sign_in_and_is_said(
    database: TestDatabase, caches: TokenCaches
) -> None:
    partition = partition_of(database)
    async with caches.open(partition) as cache:
        remember(cache, partition)
    async with database.owner.system() as session:
        await session.execute(
            text("UPDATE token_caches SET sealed_cache = overlay(sealed_cache PLACING 'zz'::bytea FROM 20)")
        )
    with capture_logs() as logs:
        async with caches.open(partition) as cache:
            assert secrets_in(cache) == set()
            remember(cache, partition, secret="new")
    (said,) = [one for one in logs if one["event"] == "token cache not usable"]
    assert said["reason"] == "SealBroken"
    async with caches.open(partition) as cache:
        assert secrets_in(cache) == {"new"}


async def test_partitions_whose_time_is_up_are_removed(database: TestDatabase, caches: TokenCaches) -> None:
    for name, seconds in (("over", -1.0), ("good", 60.0)):
        partition = partition_of(database, session_key=name, lifetime_seconds=seconds)
        async with caches.open(partition) as cache:
            remember(cache, partition)
    async with database.system.system() as session:
        assert await remove_expired(session) == 1
    assert [row["session_key"] for row in await rows(database)] == ["good"]


_ENTRIES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.fixed_dictionaries({"secret": st.sampled_from(["1", "2", "3"]), "cached_at": st.integers(0, 3)}),
)


@given(base=_ENTRIES, ours=_ENTRIES, theirs=_ENTRIES)
def test_merging_keeps_everybodys_changes(base: Any, ours: Any, theirs: Any) -> None:
    merged = merge({"T": base}, {"T": ours}, {"T": theirs}).get("T", {})
    for key in {*base, *ours, *theirs}:
        before, mine, other = base.get(key), ours.get(key), theirs.get(key)
        if mine == before:
            assert merged.get(key) == other
        elif other == before:
            assert merged.get(key) == mine
        else:
            # Both have changed it: a token that somebody has just got is never dropped for an older one.
            known = [one["cached_at"] for one in (mine, other) if one is not None]
            assert merged.get(key, {}).get("cached_at") == (max(known) if known else None)
