"""Graph's refusals, in its own envelope. Source: Microsoft Graph, "Error responses and resource types"."""

import base64
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.responses import JSONResponse


class GraphRefused(Exception):
    """A request that Graph does not answer as asked."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The answer."""
        inner = {
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "request-id": str(uuid.uuid4()),
            "client-request-id": str(uuid.uuid4()),
        }
        body = {"error": {"code": self.code, "message": self.message, "innerError": inner}}
        return JSONResponse(body, self.status, headers=self.headers)


def unauthorized(message: str, *, authority: str, claims: str | None = None) -> GraphRefused:
    """401; with `claims` it is a challenge: continuous access evaluation wants a fresher token."""
    parts = ['realm=""', f'authorization_uri="{authority}/common/oauth2/authorize"']
    if claims is not None:
        encoded = base64.b64encode(claims.encode()).decode()
        parts += ['error="insufficient_claims"', f'claims="{encoded}"']
    header = {"WWW-Authenticate": f"Bearer {', '.join(parts)}"}
    return GraphRefused(401, "InvalidAuthenticationToken", message, headers=header)


def denied(message: str) -> GraphRefused:
    """403: the token does not allow it."""
    return GraphRefused(403, "accessDenied", message)


def not_found() -> GraphRefused:
    """404: it is not there, or not for this person."""
    return GraphRefused(404, "itemNotFound", "The resource could not be found.")
