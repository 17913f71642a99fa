"""Liveness: the loop turns. Readiness: database at head, Redis, keys; with what is missing."""

import asyncio

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.http.guards import InProcess
from app.http.services import Services
from migrations import HEAD

router = APIRouter(prefix="/health", tags=["health"])
_SECONDS = 3.0


@router.get("/live")
async def live() -> dict[str, str]:
    """Answer as long as the event loop turns."""
    return {"status": "ok"}


@router.get(
    "/ready",
    response_model=dict[str, str],
    responses={503: {"model": dict[str, str], "description": "What is missing."}},
)
async def ready(state: InProcess) -> JSONResponse:
    """Whether requests can be served now; 503 says what is missing."""
    database, redis = await asyncio.gather(_database(state), _redis(state))
    checks = {"database": database, "redis": redis}
    missing = any(value != "ok" for value in checks.values())
    status = {"status": "unavailable" if missing else "ok", **checks}
    if state.settings.instance:
        status["instance"] = state.settings.instance
    return JSONResponse(status, 503 if missing else 200)


async def _database(state: Services) -> str:
    try:
        async with asyncio.timeout(_SECONDS), state.database.system() as session:
            found = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except (SQLAlchemyError, TimeoutError, OSError):
        return "unreachable"
    if found != HEAD:
        return f"schema is at {found}, not at {HEAD}: run `switchboard migrate`"
    return "ok"


async def _redis(state: Services) -> str:
    try:
        async with asyncio.timeout(_SECONDS):
            await state.redis.ping()
    except (RedisError, TimeoutError, OSError):
        return "unreachable"
    return "ok"
