"""Liveness: the loop turns. Readiness: database at head, Redis, keys; with what is missing."""

import asyncio
from functools import lru_cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.http.guards import InProcess
from app.http.services import Services

router = APIRouter(prefix="/health", tags=["health"])
_SECONDS = 3.0


@lru_cache(maxsize=1)
def newest_migration() -> str | None:
    """The revision that this code expects."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).resolve().parents[2] / "migrations"))
    return ScriptDirectory.from_config(config).get_current_head()


@router.get("/live")
async def live() -> dict[str, str]:
    """Answer as long as the event loop turns."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(state: InProcess) -> JSONResponse:
    """Whether requests can be served now; 503 says what is missing."""
    database, redis = await asyncio.gather(_database(state), _redis(state))
    checks = {"database": database, "redis": redis}
    missing = any(value != "ok" for value in checks.values())
    return JSONResponse({"status": "unavailable" if missing else "ok", **checks}, 503 if missing else 200)


async def _database(state: Services) -> str:
    try:
        async with asyncio.timeout(_SECONDS), state.database.system() as session:
            found = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except (SQLAlchemyError, TimeoutError, OSError):
        return "unreachable"
    if found != newest_migration():
        return f"schema is at {found}, not at {newest_migration()}: run `switchboard migrate`"
    return "ok"


async def _redis(state: Services) -> str:
    try:
        async with asyncio.timeout(_SECONDS):
            await state.redis.ping()
    except (RedisError, TimeoutError, OSError):
        return "unreachable"
    return "ok"
