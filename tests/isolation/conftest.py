"""The portal with everything that the doors need: a Graph, pools, three customers and one of them the operator's."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.local.graph.drives import DOWNLOAD_HOST
from app.tenants.seed import import_tenants
from tests.conftest import TestDatabase
from tests.entra import RunningEntra, operators_tenant
from tests.imported import platform_imported
from tests.isolation.actors import (
    ALAN,
    EDSGER,
    EVERYBODY,
    FOREIGN_PROGRAM,
    OPERATOR_TENANT,
    PROGRAM,
    SECOND_PROGRAM,
    Kind,
)
from tests.isolation.places import Shape
from tests.isolation.world import World
from tests.portal.browsers import Portal
from tests.portal.conftest import portal
from tests.trust import PLAIN

__all__ = ["portal"]


@pytest.fixture
def changes(entra: RunningEntra) -> dict[str, Any]:
    """No case is to meet a limit."""
    limits = ("rate_limit_member", "rate_limit_tenant", "rate_limit_sign_ins", "max_upload_sessions")
    return {
        **dict.fromkeys(limits, 1_000_000),
        "operator_tenant": UUID(OPERATOR_TENANT),
        "graph_url": entra.app.graph.url,
        "graph_download_hosts": (DOWNLOAD_HOST,),
    }


@pytest.fixture
async def world(portal: Portal, database: TestDatabase) -> AsyncIterator[World]:
    """Everybody has been here before, and the programs are registered."""
    async with database.owner.system() as session:
        await import_tenants(session, [operators_tenant()])
    await platform_imported(database)
    http = httpx.AsyncClient(base_url=portal.origin, trust_env=False, verify=PLAIN, timeout=20.0)
    async with World(portal, database, http) as made:
        for admin, program in ((ALAN, PROGRAM), (ALAN, SECOND_PROGRAM), (EDSGER, FOREIGN_PROGRAM)):
            registered = Shape(body={"client_id": program.name, "name": "a program"})
            answer = await made.made(admin, "POST", "/portal/v1/app-clients", registered)
            made.members[program] = answer["member_id"]
        for actor in EVERYBODY:
            if actor.kind is Kind.PERSON and actor.is_customer:
                me = await made.made(actor, "GET", "/addin/v1/me")
                made.members[actor], made.tenants[actor.tenant] = me["member_id"], me["tenant_id"]
        yield made
