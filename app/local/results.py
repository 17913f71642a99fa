"""What a job gave, for people: each part of a result that the catalogue's task types have, and whatever else comes.

A result is drawn by the parts it has, not by its task type. It must be clean already.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from app.local.places import source, sources

_MOST_CHANGES = 40
_COMMON = frozenset(
    {"coverage", "method", "language", "missing", "notes", "citations", "file", "operations", "diff"}
)
"""What tells of the result, or is for programs."""
_CHANGES = {"name": "changes a name", "term": "changes a term"}


def answer(result: Mapping[str, Any], documents: Sequence[str] = ()) -> list[RenderableType]:
    """The parts of a result, in the order to read them; `documents` are the names of several."""
    found: list[RenderableType] = []
    for name, draw in _PARTS.items():
        if name in result:
            found += draw(result, documents)
    rest = {name: value for name, value in result.items() if name not in _PARTS and name not in _COMMON}
    if not found and any(value not in (None, "", [], {}) for value in rest.values()):
        found.append(Text(json.dumps(rest, ensure_ascii=False, indent=2)))
    return found


def _text(result: Mapping[str, Any], _documents: Sequence[str]) -> Iterator[RenderableType]:
    if result["text"] or "changes" not in result:
        yield Text(str(result["text"]))


def _formula(result: Mapping[str, Any], _documents: Sequence[str]) -> Iterator[RenderableType]:
    yield Text(str(result["formula"]), style="bold")
    localized = result.get("localized")
    if localized and localized != result["formula"]:
        yield Text(f"{localized}   (as it is typed in {result.get('locale')})", style="bold")
    yield Text(f"\n{result.get('explanation') or ''}")


def _slides(result: Mapping[str, Any], documents: Sequence[str]) -> Iterator[RenderableType]:
    for number, slide in enumerate(result["slides"], 1):
        yield Text(f"{'' if number == 1 else chr(10)}{number}. {slide.get('title', '')}", style="bold")
        for mark, name, style in (("•", "bullets", ""), ("Notes:", "notes", "italic")):
            for line in slide.get(name) or ():
                said = Text(f"{mark} {line.get('text', '')}", style=style)
                yield _indented(said + _places(line.get("sources") or (), documents))


def _actions(result: Mapping[str, Any], documents: Sequence[str]) -> Iterator[RenderableType]:
    actions, decisions = result["actions"], result.get("decisions") or ()
    if not actions and not decisions:
        yield Text("No actions and no decisions are in there.")
    if actions:
        table = _table("Action", "Owner", "Due", "Place")
        for one in actions:
            places = sources(one.get("citations") or (), documents)
            _row(table, one.get("text"), one.get("owner"), one.get("due"), places)
        yield table
    if decisions:
        yield Text("\nDecisions" if actions else "Decisions", style="bold")
    for one in decisions:
        yield _indented(Text(f"• {one.get('text', '')}") + _places(one.get("citations") or (), documents))


def _issues(result: Mapping[str, Any], documents: Sequence[str]) -> Iterator[RenderableType]:
    if not result["issues"]:
        yield Text("Nothing to correct was found.")
        return
    table = _table("Place", "Before → after", "Kind")
    for one in result["issues"]:
        kind = ", ".join(filter(None, [one.get("kind"), _CHANGES.get(one.get("changes") or "")]))
        _row(table, source(one, documents), _became(one.get("find"), one.get("suggestion")), kind)
    yield table


def _labels(result: Mapping[str, Any], documents: Sequence[str]) -> Iterator[RenderableType]:
    table = _table("Row", "Label")
    for one in result["rows"]:
        error = Text(str(one.get("error") or "").replace("_", " "), style="yellow")
        _row(table, one.get("client_ref") or source(one, documents), one.get("label") or error)
    yield table


def _changes(result: Mapping[str, Any], documents: Sequence[str]) -> Iterator[RenderableType]:
    changes = result["changes"]
    if not changes:
        yield Text("Nothing has changed.")
        return
    table = _table("", "Change", "Place", "Before → after")
    for number, one in enumerate(changes[:_MOST_CHANGES], 1):
        before, after = one.get("before") or {}, one.get("after") or {}
        _row(
            table,
            str(number),
            one.get("kind"),
            change_place(one, documents),
            _became(before.get("text"), after.get("text")),
        )
    if result.get("text"):
        yield Text()
    yield table
    if len(changes) > _MOST_CHANGES:
        yield Text(f"and {len(changes) - _MOST_CHANGES} more: --json has all of them", style="dim")


def change_place(change: Mapping[str, Any], documents: Sequence[str]) -> str:
    """Where a change stands: in the later document, or in the earlier one where it is no more."""
    side = change.get("after") or change.get("before") or {}
    return source(side, documents)


def _became(before: object, after: object) -> Text:
    """Earlier words, an arrow, later words; what is on one side only stands alone beside its arrow."""
    old, new = Text(str(before or ""), style="red"), Text(str(after or ""), style="green")
    return Text(" → ").join([old, new]) if before and after else old + Text(" → ") + new


def _places(citations: Sequence[Mapping[str, Any]], documents: Sequence[str]) -> Text:
    return Text(f" ({sources(citations, documents)})" if citations else "", style="dim")


def _indented(line: Text) -> RenderableType:
    return Padding(line, (0, 0, 0, 3))


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="bold")


def _row(table: Table, *cells: object) -> None:
    """In plain strings Rich would read markup."""
    table.add_row(*(one if isinstance(one, Text) else Text(str(one or "–")) for one in cells))


_Draw = Callable[[Mapping[str, Any], Sequence[str]], Iterator[RenderableType]]
_PARTS: Mapping[str, _Draw] = {
    "text": _text,
    "formula": _formula,
    "slides": _slides,
    "actions": _actions,
    "issues": _issues,
    "rows": _labels,
    "changes": _changes,
}
