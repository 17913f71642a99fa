"""What the OpenAPI document says of every operation: each place where a caller may put an id or another handle.

A place is named "path job_id", "query before", "header if-match", or "body input.documents[]". What only holds
numbers, booleans, times or words of a list is none: none of our ids or handles looks so.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
_NO_HANDLE = frozenset({"boolean", "integer", "number", "null"})


def operations(document: Document) -> dict[str, list[str]]:
    """Places by operation ("POST /addin/v1/jobs")."""
    return {
        f"{method.upper()} {path}": sorted(set(_places(document, operation)))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def _places(document: Document, operation: Mapping[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", []):
        for _ in _leaves(document, parameter["schema"], ""):
            yield f"{parameter['in']} {parameter['name']}"
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        # A file is content, not a reference to something; whatever else is sent has parts with names.
        if media_type != "application/octet-stream":
            for leaf in _leaves(document, content["schema"], ""):
                yield f"body {leaf}"


def _leaves(document: Document, schema: Mapping[str, Any], name: str) -> Iterator[str]:
    """Names of the parts of a schema that could hold a handle."""
    if "$ref" in schema:
        yield from _leaves(document, _resolved(document, schema["$ref"]), name)
        return
    branches = [one for word in ("anyOf", "oneOf", "allOf") for one in schema.get(word, [])]
    for branch in branches:
        yield from _leaves(document, branch, name)
    for inner, described in schema.get("properties", {}).items():
        yield from _leaves(document, described, f"{name}.{inner}".lstrip("."))
    if "items" in schema:
        yield from _leaves(document, schema["items"], f"{name}[]")
    inside = branches or "properties" in schema or "items" in schema
    if schema.get("additionalProperties", False) is not False or (not inside and _may_be_a_handle(schema)):
        yield name


def _may_be_a_handle(schema: Mapping[str, Any]) -> bool:
    closed_object = schema.get("type") == "object" and schema.get("additionalProperties") is False
    listed = "enum" in schema or "const" in schema or schema.get("format") == "date-time"
    return not (closed_object or listed or schema.get("type") in _NO_HANDLE)


def _resolved(document: Document, reference: str) -> Mapping[str, Any]:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    schema: Mapping[str, Any] = found
    return schema
