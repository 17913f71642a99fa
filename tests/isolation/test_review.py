"""The generator sees what is new, and the table leaves nothing out."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.isolation.actors import Guard
from tests.isolation.places import Entry, Plain, cases
from tests.isolation.review import unreviewed
from tests.isolation.table import TABLE

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "openapi.json").read_text()
)
JOBS = "/addin/v1/jobs"
STRING = {"type": "string"}


def test_so_many_cases_are_generated() -> None:
    generated = cases(TABLE)
    per_guard = {guard.name: sum(one.entry.guard is guard for one in generated) for guard in Guard}
    print(f"{len(generated)} cases over {len(TABLE)} operations: {per_guard}")
    assert len(generated) >= 800
    assert min(per_guard.values()) > 0
    assert {one.operation for one in generated if one.handle} >= {one for one in TABLE if "{" in one}


def test_every_handle_is_asked_for_by_strangers_of_each_kind() -> None:
    for operation, entry in TABLE.items():
        if entry.handles and entry.guard is not Guard.OPEN:
            asking = {str(one.kind) for one in entry.strangers}
            assert asking == {"person", "program", "nobody"}, operation
            assert {one.tenant for one in entry.strangers} >= {"fabrikam.example", ""}, operation


def _add_parameter(document: dict[str, Any], where: str, schema: dict[str, Any]) -> None:
    parameters = document["paths"][JOBS]["get"]["parameters"]
    parameters.append({"in": where, "name": "after", "schema": schema})


def _add_property(document: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    document["components"]["schemas"][name]["properties"]["batch"] = schema


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "an operation": (
        lambda document: document["paths"][JOBS].update(put={"security": [{"HTTPBearer": []}]}),
        f"PUT {JOBS}: not in",
    ),
    "a cursor": (
        lambda document: _add_parameter(document, "query", STRING),
        f"GET {JOBS}: query after: may hold",
    ),
    "a header": (
        lambda document: _add_parameter(document, "header", {"anyOf": [STRING, {"type": "null"}]}),
        f"GET {JOBS}: header after: may hold",
    ),
    "an id in a body": (
        lambda document: _add_property(document, "NewJobRequest", {**STRING, "format": "uuid"}),
        f"POST {JOBS}: body batch: may hold",
    ),
    "ids in an array within a body": (
        lambda document: _add_property(document, "JobInput", {"type": "array", "items": STRING}),
        f"POST {JOBS}: body input.batch[]: may hold",
    ),
    "a part of an array's items": (
        lambda document: _add_property(document, "DriveItem", STRING),
        f"POST {JOBS}: body input.drive_items[].batch: may hold",
    ),
    "an object of any form": (
        lambda document: _add_property(
            document, "JobInput", {"type": "object", "additionalProperties": True}
        ),
        f"POST {JOBS}: body input.batch: may hold",
    ),
    "something of any kind": (
        lambda document: _add_property(document, "JobInput", {}),
        f"POST {JOBS}: body input.batch: may hold",
    ),
    "an operation that is there no more": (
        lambda document: document["paths"].pop(JOBS),
        f"GET {JOBS}: in the table, not in",
    ),
    "an operation without a guard": (
        lambda document: document["paths"][JOBS]["get"].pop("security"),
        f"GET {JOBS}: asks for []",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_new_in_the_document_is_seen(change: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    make, told = CHANGES[change]
    make(document)
    assert any(one.startswith(told) for one in unreviewed(document, TABLE)), unreviewed(document, TABLE)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": "boolean"},
        {"enum": ["a", "b"], "type": "string"},
        {"format": "date-time", "type": "string"},
        {"$ref": "#/components/schemas/JobState"},
        {"anyOf": [{"type": "number"}, {"type": "null"}]},
    ],
)
def test_what_cannot_be_a_handle_needs_no_word(schema: dict[str, Any]) -> None:
    document = copy.deepcopy(DOCUMENT)
    _add_parameter(document, "query", schema)
    assert unreviewed(document, TABLE) == []


def test_a_reason_is_a_reason() -> None:
    operation = "GET /addin/v1/task-types"
    for why, told in (("", "is no reason"), ("see tests/isolation/nowhere.py", "is not there")):
        entry = Entry(Guard.PEOPLE, TABLE[operation].owner, {"header accept-language": Plain(why)})
        (first, second) = unreviewed(DOCUMENT, {**TABLE, operation: entry})
        assert told in second or told in first
        assert "asked as it is" in first or "asked as it is" in second
