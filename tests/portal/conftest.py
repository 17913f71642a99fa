"""The portal over real HTTP, with the development Entra, a fresh database and Valkey."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from app.core.keyring import LocalKeyring
from app.local.entra.registrations import (
    ADDIN_CLIENT_ID,
    API_CLIENT_ID,
    DEVELOPMENT_SECRET,
    PORTAL_CLIENT_ID,
)
from app.local.state import free_port
from app.main import create_app
from app.settings import Settings
from tests.conftest import TestDatabase
from tests.entra import RunningEntra
from tests.imported import tenants_imported
from tests.portal.browsers import Browser, Portal


@pytest.fixture
def changes() -> dict[str, Any]:
    """Settings that a test module wants otherwise."""
    return {}


@pytest.fixture
async def portal(
    database: TestDatabase,
    redis_url: str,
    tmp_path: Path,
    keyring: LocalKeyring,
    entra: RunningEntra,
    changes: dict[str, Any],
) -> AsyncIterator[Portal]:
    """The API with a portal registration; the seed's tenants are its customers."""
    entra.reset()
    await tenants_imported(database)
    port = free_port()
    settings = Settings.model_validate(
        {
            "env": "development",
            "database_url": database.app_url,
            "redis_url": redis_url,
            "keyring": tmp_path / "keyring.json",
            "entra_authority": entra.url,
            "entra_ca": entra.ca,
            "graph_url": f"{entra.url}/graph",
            "entra_client_secret": DEVELOPMENT_SECRET,
            "api_client_id": API_CLIENT_ID,
            "portal_client_id": PORTAL_CLIENT_ID,
            "addin_client_ids": (ADDIN_CLIENT_ID,),
            # Few tests send a document; theirs waits.
            "extraction_processes_ahead": 0,
            "api_port": port,
            **changes,
        }
    )
    app = create_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False)
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the API did not start"
        await asyncio.sleep(0.01)
    yield Portal(f"http://localhost:{port}", entra, app.state.services)
    server.should_exit = True
    await task


@pytest.fixture
async def browser(portal: Portal) -> AsyncIterator[Browser]:
    """A browser without cookies."""
    async with portal.browser() as made:
        yield made
