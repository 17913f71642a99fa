"""The units of a Word paragraph, and the items that they make: text with its formatting, opaque things.

Bookmarks, the ranges of comments and fields that are links are formatting too as far as they end within the paragraph: text
inside one is told from text outside, so that a translation can put the range around the right words.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from lxml import etree

from app.documents.readers.xml import Element, attribute, child, name_of
from app.documents.runs import Item
from app.documents.segments import RunKind


class Role(Enum):
    """What a unit is to a paragraph."""

    TEXT = auto()
    TAB = auto()
    BREAK = auto()
    NOTE = auto()
    OBJECT = auto()
    BEGIN = auto()
    """The first mark of a field that is worked out by Word."""
    FINISH = auto()
    """Its last."""
    START = auto()
    """Where a bookmark or the range of a comment begins."""
    END = auto()
    """Where it ends."""
    POINT = auto()
    """Shows nothing; stays beside what it stands at."""
    STALE = auto()
    """What Word noted of the old text (spelling, pages); goes when the text changes."""
    REMOVED = auto()
    """Removed by a tracked change: gone from the accepted text."""


@dataclass(slots=True, eq=False)
class Unit:
    """One child of a run, or something beside the runs. `text` is what it shows."""

    element: Element
    run: Element | None
    chain: tuple[Element, ...]
    text: str
    role: Role
    range: int = 0
    """The number of the link that it begins or ends, where a field is one."""


_KINDS = {
    Role.TEXT: RunKind.TEXT,
    Role.TAB: RunKind.TAB,
    Role.BREAK: RunKind.BREAK,
    Role.NOTE: RunKind.NOTE,
    Role.OBJECT: RunKind.OBJECT,
}
_NO_LOOK = frozenset({"w:lang", "w:noProof", "w:rPrChange", "w:ins", "w:moveTo"})
"""Properties of a run that change nothing on the page."""


def items(units: Sequence[Unit]) -> list[Item]:
    """The items of a paragraph, each with its units as source. Marks that show nothing are none."""
    if len(units) == 1 and units[0].role is Role.TEXT:
        return [Item(units[0].text, source=(units[0],))]
    plain = len({unit.run for unit in units if unit.role is Role.TEXT}) <= 1
    ranges = [()] * len(units) if plain else _ranges(units)
    looks: dict[Element, bytes] = {}
    found: list[Item] = []
    at = 0
    while at < len(units):
        unit = units[at]
        end = _field_end(units, at) if unit.role is Role.BEGIN else at
        if end > at:
            field = tuple(units[at : end + 1])
            found.append(Item("".join(each.text for each in field), RunKind.FIELD, source=field))
        elif unit.role is Role.TEXT:
            key = None if plain else (unit.chain, _look(unit.run, looks), ranges[at])
            is_within = bool(unit.chain or ranges[at])
            found.append(Item(unit.text, key=key, source=(unit,), is_within=is_within))
        elif unit.role in _KINDS:
            kind = RunKind.FIELD if name_of(unit.element) == "w:fldSimple" else _KINDS[unit.role]
            found.append(Item(unit.text, kind, source=(unit,)))
        at = end + 1
    return found


def is_link(instruction: str) -> bool:
    """Whether a field is a link: its result is text like any other, which Word never works out anew."""
    return instruction.split()[:1] == ["HYPERLINK"]


def open_links(units: Sequence[Unit]) -> None:
    """Make of each field that is a link the range of one, so that its text can be written."""
    at = 0
    while at < len(units):
        end = _field_end(units, at) if units[at].role is Role.BEGIN else at
        head = _link_head(units, at, end) if end > at else []
        for unit in head:
            unit.role, unit.range = Role.START, at + 1
        if head:
            units[end].role, units[end].range = Role.END, at + 1
        # In a link there may be another field, as the number of its page.
        at = at + 1 if head else end + 1


def _link_head(units: Sequence[Unit], start: int, end: int) -> list[Unit]:
    """The marks before the text of a field that is a link, else none."""
    head = [units[start]]
    for unit in units[start + 1 : end]:
        if unit.role is Role.BEGIN:
            break
        if name_of(unit.element) in {"w:instrText", "w:fldChar"}:
            head.append(unit)
        if name_of(unit.element) == "w:fldChar":
            told = "".join(each.element.text or "" for each in head[1:-1])
            return head if is_link(told) else []
    return []


def identity(unit: Unit) -> tuple[str, str]:
    """What the start and the end of one range have in common."""
    if unit.range:
        return "field", str(unit.range)
    kind = name_of(unit.element).removesuffix("Start").removesuffix("End")
    return kind, attribute(unit.element, "w:id") or ""


def _field_end(units: Sequence[Unit], start: int) -> int:
    """Where the field that begins there ends in this paragraph, else `start`."""
    depth = 0
    for at in range(start, len(units)):
        depth += (units[at].role is Role.BEGIN) - (units[at].role is Role.FINISH)
        if not depth:
            return at
    return start


def _ranges(units: Sequence[Unit]) -> list[Hashable]:
    """For each unit the ranges that it lies in."""
    marks = [
        (at, unit.role, identity(unit))
        for at, unit in enumerate(units)
        if unit.role in {Role.START, Role.END}
    ]
    inside: list[set[tuple[str, str]]] = [set() for _ in units] if marks else []
    if not marks:
        return [()] * len(units)
    starts = {name: at for at, role, name in marks if role is Role.START}
    ends = {name: at for at, role, name in marks if role is Role.END}
    for name in starts.keys() | ends.keys():
        for each in inside[starts.get(name, 0) : ends.get(name, len(units))]:
            each.add(name)
    return [frozenset(each) for each in inside]


def _look(run: Element | None, looks: dict[Element, bytes]) -> bytes:
    """What the properties of a run say of its look, comparable."""
    properties = None if run is None else child(run, "w:rPr")
    if properties is None:
        return b""
    if properties not in looks:
        looks[properties] = b"".join(
            [etree.tostring(each, with_tail=False) for each in properties if name_of(each) not in _NO_LOOK]
        )
    return looks[properties]
