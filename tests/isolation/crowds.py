"""Customers with people and programs before an API; and, afterwards, whose each row is."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from app.core.keyring import LocalKeyring
from app.http.services import Services
from app.local.entra.registrations import AUTOMATION_CLIENT_ID
from app.tenants.app_clients import register_app_client
from tests import entra as people
from tests.conftest import TestDatabase
from tests.entra import RunningEntra
from tests.house import serve_with_services
from tests.imported import tenants_imported
from tests.isolation.askers import Asker, Crowd
from tests.isolation.watched_pool import WatchedPool
from tests.processes import System, system
from tests.trust import PLAIN

_PEOPLE = {
    people.ADA: "abelmosk",
    people.ALAN: "bdellium",
    people.GRACE: "cardamom",
    people.EDSGER: "dulcimer",
}
_PROGRAMS = {"contoso.example": "eglantine", "fabrikam.example": "frankincense"}


@asynccontextmanager
async def customers(
    database: TestDatabase,
    redis_url: str,
    folder: Path,
    keyring: LocalKeyring,
    entra: RunningEntra,
    **settings: str,
) -> AsyncIterator[System]:
    """Tenants, programs and pools; processes that are started get the settings."""
    entra.reset()
    await tenants_imported(database)
    with system(database, redis_url, folder, keyring, extra=settings) as made:
        await made.configure()
        for name in _PROGRAMS:
            found = await made.rows(
                "SELECT id FROM tenants WHERE entra_tenant_id = CAST(:entra AS uuid)",
                entra=entra.app.people.tenant_id(name),
            )
            async with database.app.tenant(found[0]["id"]) as session:
                await register_app_client(
                    session, tenant_id=found[0]["id"], client_id=UUID(AUTOMATION_CLIENT_ID), name="Archive"
                )
        yield made


@asynccontextmanager
async def crowd(
    running: System, entra: RunningEntra, **settings: Any
) -> AsyncIterator[tuple[Crowd, Services]]:
    """Everybody before an API with these settings, each with a few things of their own."""
    askers = [
        Asker(login, "/addin/v1", word, {"Authorization": f"Bearer {entra.token(login)}"})
        for login, word in _PEOPLE.items()
    ]
    for tenant, word in _PROGRAMS.items():
        token = entra.application_token(tenant)
        askers.append(Asker(tenant, "/automation/v1", word, {"Authorization": f"Bearer {token}"}))
    async with (
        serve_with_services(running, entra, **settings) as (api, services),
        httpx.AsyncClient(base_url=api, trust_env=False, verify=PLAIN, timeout=30.0) as http,
    ):
        with WatchedPool(services.database) as pool:
            made = Crowd(askers, http, pool, random.Random(20261125))
            for asker in askers:
                await made.settle(asker)
            yield made, services


async def owners(running: System) -> dict[str, tuple[str, str | None]]:
    """Whose each row is that has an id of its own: tenant and, where there is one, member."""
    rows = await running.rows(
        " UNION ALL ".join(
            f"SELECT id::text AS id, tenant_id::text AS tenant, member_id::text AS member FROM {table}"
            for table in ("documents", "jobs", "job_steps", "upload_sessions")
        )
        + " UNION ALL SELECT id::text, tenant_id::text, id::text FROM members"
        " UNION ALL SELECT id::text, id::text, NULL FROM tenants"
    )
    return {row["id"]: (row["tenant"], row["member"]) for row in rows}


async def check_owners(running: System, everybody: Crowd) -> None:
    """Each id in what somebody was given is their own, or their tenant's, or nobody's."""
    whose = await owners(running)
    assert len({whose[asker.jobs[0]] for asker in everybody.askers}) == len(everybody.askers)
    for asker in everybody.askers:
        tenant, member = whose[asker.jobs[0]]
        seen = {one: whose[one] for one in asker.seen & whose.keys()}
        assert set(seen.values()) <= {(tenant, member), (tenant, None)}, (asker.name, seen)
        assert len(seen) >= 4
