"""Every error as Microsoft Graph's envelope: one place that turns exceptions into responses."""

import base64
import math
import re
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.clock import now
from app.core.errors import AppError, ErrorDetail, TemporarilyUnavailable, Unauthenticated
from app.core.logging import get_logger
from app.http.request_ids import current_request_id
from app.identity.errors import ClaimsChallenge, SessionRequired

_log = get_logger(__name__)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_CODES = {404: "not_found", 405: "method_not_allowed", 400: "bad_request"}


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(AppError, _expected)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _by_framework)
    for kind in (OperationalError, InterfaceError, PoolExhausted, DBAPIError, RedisError, ConnectionError):
        app.add_exception_handler(kind, _store_away)


class Bugs:
    """ASGI middleware: answers for what nothing else caught, inside of what gives responses their fields.

    Starlette's own place for this is outside of all middleware, where ids and security fields are not added.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever breaks is logged as a bug and answered with a 500."""
        started = False

        async def noticing(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            await _bug(Request(scope), error)(scope, receive, send)


def problem(error: AppError) -> JSONResponse:
    """An expected error as a response."""
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_seconds)))
    if isinstance(error, ClaimsChallenge):
        headers["WWW-Authenticate"] = claims_challenge(error.claims)
    elif isinstance(error, SessionRequired):
        # Not a scheme of the registry: browsers must not ask the person for a password.
        headers["WWW-Authenticate"] = "Session"
    elif isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return _envelope(
        error.status,
        error.code,
        error.message,
        target=error.target,
        details=error.details,
        inner_code=error.inner_code or error.code,
        headers=headers,
    )


def claims_challenge(claims: str) -> str:
    """The header of a claims challenge, as clients of Entra read it: the claims in base64, whatever they hold.

    Source: Microsoft, "Claims challenges, claims requests, and client capabilities".
    """
    # What is base64 already goes on as it is; anything else cannot leave the quotes once it is encoded.
    encoded = claims if _BASE64.fullmatch(claims) else base64.b64encode(claims.encode()).decode()
    return f'Bearer error="insufficient_claims", claims="{encoded}"'


def _envelope(
    status: int,
    code: str,
    message: str,
    *,
    target: str | None = None,
    details: Sequence[ErrorDetail] = (),
    inner_code: str | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    inner = {"request-id": current_request_id(), "date": now().isoformat(), "code": inner_code or code}
    shown = [{"code": one.code, "message": one.message, "target": one.target} for one in details]
    body: dict[str, Any] = {"code": code, "message": message, "details": shown, "innererror": inner}
    if target is not None:
        body["target"] = target
    return JSONResponse({"error": body}, status, headers)


async def _expected(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, AppError):
        raise error
    _log.info("refused", status=error.status, code=error.code)
    return problem(error)


async def _malformed(_request: Request, error: Exception) -> JSONResponse:
    """Where the request is wrong, without repeating what it said: that may be content."""
    if not isinstance(error, RequestValidationError):
        raise error
    details = [
        ErrorDetail(one["type"], one["msg"], ".".join(str(part) for part in one["loc"][1:]) or None)
        for one in error.errors()
    ]
    message = "The request is not what this address takes; see `details` for each place."
    return _envelope(
        422, "malformed", message, target=details[0].target if details else None, details=details
    )


async def _by_framework(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    message = str(error.detail)
    if error.status_code == 404:
        message = "There is nothing at this address; see /openapi.json for what there is."
    code = _CODES.get(error.status_code, "http_error")
    return _envelope(error.status_code, code, message, headers=dict(error.headers or {}))


async def _store_away(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, DBAPIError):
        lost = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
        if not lost:
            return _bug(_request, error)
    _log.info("a store is away", reason=type(error).__name__)
    message = "We cannot reach our storage just now; send the request again. Nothing of it was kept."
    return problem(TemporarilyUnavailable(message, retry_after_seconds=2))


def _bug(_request: Request, error: Exception) -> JSONResponse:
    _log.error("bug", exc_info=error)
    message = "Something went wrong on our side; send the request again, or report the request-id."
    return _envelope(500, "internal_error", message)
