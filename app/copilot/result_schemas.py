"""Parts of results that several task types share, as JSON Schema."""

from collections.abc import Mapping
from typing import Any

METHODS = ("generative", "extractive", "mixed", "none")
"""Who wrote a result; `none` where nobody was asked."""
CITATION: Mapping[str, Any] = {
    "type": "object",
    "required": ["document", "segment", "anchor", "quote", "sentence"],
    "properties": {
        "document": {"type": "integer", "description": "which of the input's documents, from 0"},
        "segment": {"type": "integer"},
        "anchor": {"type": "object"},
        "quote": {"type": "string"},
        "sentence": {"type": "integer", "description": "position in the text, from 0"},
    },
}
SOURCE: Mapping[str, Any] = {
    "type": "object",
    "required": ["document", "segment", "anchor", "quote"],
    "properties": {name: of for name, of in CITATION["properties"].items() if name != "sentence"},
}
"""A citation of something that is no sentence of a text."""
COVERAGE: Mapping[str, Any] = {
    "type": "object",
    "required": ["segments", "not_asked", "processed", "cited", "ratio"],
    "properties": {
        "segments": {"type": "integer", "description": "those that say anything"},
        "not_asked": {
            "type": "integer",
            "description": "of them, those that stay as they are: outside the scope, or without a letter to write otherwise",
        },
        "processed": {"type": "integer"},
        "cited": {"type": "integer"},
        "ratio": {"type": "number", "description": "processed of what was asked about; 1.0 is all of it"},
        "cited_ratio": {"type": "number"},
        "rows_only_in_statistics": {
            "type": "integer",
            "description": "rows of large tables of which only the figures over their columns were read",
        },
    },
}
TEXT: Mapping[str, Any] = {"type": "string", "description": "[n] is the n-th citation, counted from 1"}


def list_of(items: Mapping[str, Any]) -> dict[str, Any]:
    """An array of such items."""
    return {"type": "array", "items": dict(items)}


MISSING_AT: Mapping[str, Any] = {
    **list_of(
        {
            "type": "object",
            "required": ["document", "segment", "anchor", "client_ref", "reason"],
            "properties": {
                "document": {"type": "integer"},
                "segment": {"type": "integer"},
                "anchor": {"type": "object"},
                "client_ref": {"type": ["string", "null"]},
                "reason": {
                    "type": "string",
                    "description": "the code of an error, as in GET /addin/v1/errors",
                },
            },
        }
    ),
    "description": "where the missing segments stand, and why nobody answered for them",
}
"""Of task types that answer part by part."""


def reading_result(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """A result with these properties, all required, beside what every reading type tells of itself."""
    every: dict[str, Any] = {
        **properties,
        "coverage": COVERAGE,
        "method": {"enum": list(METHODS)},
        "language": {"type": "string"},
        "missing": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "segments that were not read",
        },
        "notes": {"type": "object", "additionalProperties": {"type": "integer"}},
    }
    return {"type": "object", "required": list(every), "properties": every}
