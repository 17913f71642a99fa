"""Compares the reviewed table with the OpenAPI document: what is new there must be judged here first."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.isolation.actors import Guard
from tests.isolation.document import Document, operations
from tests.isolation.places import Entry, Exempt, Plain

ROOT = Path(__file__).resolve().parents[2]
_CREDENTIALS = {
    Guard.OPEN: None,
    Guard.PEOPLE: "HTTPBearer",
    Guard.PROGRAMS: "HTTPBearer",
}


def unreviewed(document: Document, table: Mapping[str, Entry]) -> list[str]:
    """What the table does not say, or says of what is not there."""
    there = operations(document)
    missing = [f"{one}: not in tests/isolation/table.py" for one in there.keys() - table.keys()]
    gone = [f"{one}: in the table, not in the document" for one in table.keys() - there.keys()]
    found = [
        f"{operation}: {problem}"
        for operation in there.keys() & table.keys()
        for problem in _problems(document, operation, there[operation], table[operation])
    ]
    return sorted(missing + gone + found)


def _problems(document: Document, operation: str, places: list[str], entry: Entry) -> Iterator[str]:
    for place in sorted(set(places) - entry.places.keys()):
        yield f"{place}: may hold an id or another handle; say in the table which, or why not"
    for place in sorted(entry.places.keys() - set(places)):
        yield f"{place}: in the table, not in the document"
    if not entry.handles and entry.whole is None:
        yield "no handle stands in it: say whether it is asked as it is (Whole), or why not (Exempt)"
    method, path = operation.split(" ")
    schemes = {name for one in document["paths"][path][method.lower()].get("security", []) for name in one}
    wanted = _CREDENTIALS.get(entry.guard, "APIKeyCookie")
    if schemes != ({wanted} if wanted else set()):
        yield f"asks for {sorted(schemes)}, and the table says it is for {entry.guard}"
    for judged in [*entry.places.values(), entry.whole]:
        if isinstance(judged, Plain | Exempt):
            yield from _doubts(judged.why)


def _doubts(why: str) -> Iterator[str]:
    if len(why.split()) < 2:
        yield f"{why!r} is no reason"
    for named in re.findall(r"tests/\S+\.py", why):
        if not (ROOT / named).exists():
            yield f"{named} is not there"
