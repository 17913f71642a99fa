"""The OpenAPI document says of every operation how it refuses, and with which body.

What follows from an operation's shape is told here once: who asks for credentials can refuse them, who takes a
body can find it too large. What only its handler knows stands at the handler, as `responses=refused(409)`.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

_JSON = "application/json"
_REF = {"$ref": "#/components/schemas/Problem"}
_SECONDS = {"description": "After so many seconds.", "schema": {"type": "integer", "minimum": 1}}
_TEXT = {"type": "string"}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "How to sign in, or which claims to bring.", "schema": _TEXT}},
    429: {"Retry-After": _SECONDS},
    503: {"Retry-After": _SECONDS},
}
_MEANINGS = {
    400: "The request cannot be understood.",
    401: "Sign in: the token or session is missing, is over, or needs more claims.",
    403: "The caller is known and may not do this.",
    404: "There is no such thing, or it is somebody else's.",
    409: "The thing is not in a state that allows this.",
    412: "Somebody changed the thing since the version that `If-Match` names.",
    413: "More bytes than we take.",
    416: "Not the range that is expected next.",
    422: "The request is understood and something in it is wrong; see `details`.",
    429: "Too much at once.",
    503: "Something we depend on is away.",
}


class ProblemDetail(BaseModel):
    """One of several things that are wrong."""

    code: str
    message: str
    target: str | None


class InnerError(BaseModel):
    """What helps to find the request again in our logs, and a code that may say more."""

    request_id: str = Field(alias="request-id")
    date: str = Field(json_schema_extra={"format": "date-time"})
    code: str


class ProblemError(BaseModel):
    """`target` names the place in the request that is wrong."""

    code: str
    message: str
    target: str = ""
    details: list[ProblemDetail]
    innererror: InnerError


class Problem(BaseModel):
    """Every error, as Microsoft Graph writes it: `message` says what is wrong and what to do about it."""

    error: ProblemError


def refused(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route whose handler refuses in these ways, besides those that every route knows."""
    return {status: {"description": _MEANINGS[status], "model": Problem} for status in statuses}


class Application(FastAPI):
    """FastAPI, with refusals in its document."""

    published: Sequence[type[BaseModel]] = ()
    """What the document shows besides what operations take and give."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is not None:
            return self.openapi_schema
        document = super().openapi()
        _add_components(document["components"], self.published)
        for path, methods in document["paths"].items():
            for operation in methods.values():
                _complete(path, operation)
        return document


def _add_components(components: dict[str, Any], published: Sequence[type[BaseModel]]) -> None:
    schemas = components["schemas"]
    # FastAPI's own shape of a 422, which nobody here answers.
    for theirs in ("HTTPValidationError", "ValidationError"):
        schemas.pop(theirs, None)
    models: Sequence[type[BaseModel]] = (Problem, *published)
    for model in models:
        made = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(made.pop("$defs", {}))
        schemas[model.__name__] = made
    components["responses"] = {
        HTTPStatus(status).name: {
            "description": meaning,
            "content": {_JSON: {"schema": _REF}},
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
        }
        for status, meaning in _MEANINGS.items()
    }


def _complete(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    theirs = {int(status) for status, one in responses.items() if _is_problem(one)}
    for status in sorted(theirs | _implied(path, operation)):
        responses[str(status)] = {"$ref": f"#/components/responses/{HTTPStatus(status).name}"}


def _is_problem(response: dict[str, Any]) -> bool:
    schema = response.get("content", {}).get(_JSON, {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith(("/Problem", "/HTTPValidationError"))


def _implied(path: str, operation: dict[str, Any]) -> set[int]:
    """What an operation of this shape can answer, whatever its handler does."""
    found: set[int] = set()
    if "security" in operation:
        found |= {401, 403, 429, 503}
    if "requestBody" in operation:
        found |= {400, 413, 422}
    # A change names the version that it changes.
    if any(one["name"].lower() == "if-match" for one in operation.get("parameters", [])):
        found |= {400, 412}
    # A portal without a registration of its own has nothing at its addresses.
    if "{" in path or path.startswith("/portal/"):
        found.add(404)
    return found
