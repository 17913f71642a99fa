"""Microsoft's library for Node.js, which knows nothing of ours, gets in at the doors with the development Entra."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.identity.registrations import FILES_PERMISSION
from app.local.entra.registrations import (
    ADDIN_CLIENT_ID,
    API_CLIENT_ID,
    AUTOMATION_CLIENT_ID,
    DEVELOPMENT_SECRET,
    GRAPH_CLIENT_ID,
    GRAPH_RESOURCE,
    SCOPE,
)
from app.tenants.app_clients import register_app_client
from tests.conftest import TestDatabase
from tests.entra import ADA, RunningEntra
from tests.house import House
from tests.local.entra_clients import CONTOSO
from tests.tenants.administration import rows

CLIENT = Path(__file__).parent / "msal_node"
pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(
        os.environ.get("SWITCHBOARD_TEST_MARKED") != "1",
        reason="installs a package of npm's: set SWITCHBOARD_TEST_MARKED=1",
    ),
    pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm here"),
]


async def run(*command: str, folder: Path, **environment: str) -> str:
    """What a command writes. Raises: `AssertionError` with its errors."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def seen_by_node(house: House, entra: RunningEntra, folder: Path) -> dict[str, Any]:
    """What the script tells of each way to sign in."""
    for file in CLIENT.iterdir():
        shutil.copy(file, folder)
    await run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
    given = {
        "authority": entra.url,
        "tenant": CONTOSO,
        "api": house.api,
        "addin": ADDIN_CLIENT_ID,
        "automation": AUTOMATION_CLIENT_ID,
        "apiClient": API_CLIENT_ID,
        "secret": DEVELOPMENT_SECRET,
        "login": ADA,
        "scope": SCOPE,
        "graphScope": f"{GRAPH_RESOURCE}/{FILES_PERMISSION}",
    }
    script = ("node", "sign-in.mjs", json.dumps(given))
    seen: dict[str, Any] = json.loads(await run(*script, folder=folder, NODE_EXTRA_CA_CERTS=str(entra.ca)))
    return seen


async def test_each_way_to_sign_in_opens_its_door_and_no_other(
    house: House, database: TestDatabase, entra: RunningEntra, tmp_path: Path
) -> None:
    ((tenant_id,),) = await rows(
        database, "SELECT id FROM tenants WHERE entra_tenant_id = CAST(:id AS uuid)", id=CONTOSO
    )
    async with database.app.tenant(tenant_id) as session:
        await register_app_client(
            session, tenant_id=tenant_id, client_id=UUID(AUTOMATION_CLIENT_ID), name="Nightly"
        )
    folder = tmp_path / "client"
    folder.mkdir()

    seen = await seen_by_node(house, entra, folder)

    let_in = {"status": 200, "tenant": str(tenant_id)}
    assert seen["code"] == let_in | {"nonce": True, "login": ADA, "scopes": [SCOPE]}
    assert seen["cache"] == {"fromCache": True, "same": True}
    assert seen["refresh"] == let_in | {"fromCache": False}
    assert seen["device"] == let_in | {"login": ADA}
    assert seen["program"] == {"status": 200}
    assert (seen["programAtAddin"]["status"], seen["onBehalf"]["status"]) == (401, 401)
    on_behalf = seen["onBehalf"]
    assert on_behalf["audience"] == GRAPH_CLIENT_ID
    # Graph knows the token, which is for files and not for profiles.
    assert (on_behalf["graph"], on_behalf["login"]) == (403, ADA)
    assert seen["refused"] == "invalid_grant"
