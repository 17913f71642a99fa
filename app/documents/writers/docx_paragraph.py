"""A Word paragraph made anew from runs in their new order, out of the parts it was made of.

Runs whose text stays are moved as they are. Opaque things are moved, never copied. Marks that show nothing
stay beside what they stood at; bookmarks and comments go around what they were around. Tracked changes in
a paragraph that changes are accepted, because the accepted text is what was read.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from math import inf

from app.documents.readers.docx_units import Role, Unit, identity
from app.documents.readers.xml import Element, attribute, name_of
from app.documents.runs import Stretch
from app.documents.segments import Run, RunKind
from app.documents.writers.docx_runs import Placed, RunMaker, Slot, wrapped
from app.documents.writers.pieces import UsualTexts

_TRACKED = frozenset({"w:ins", "w:del", "w:moveFrom", "w:moveTo"})
_RANGE = frozenset({Role.START, Role.END})
_MARKS = frozenset(
    {"w:bookmarkStart", "w:bookmarkEnd", "w:commentRangeStart", "w:commentRangeEnd", "w:commentReference"}
)


def rewrite(
    paragraph: Element,
    units: Sequence[Unit],
    source: Sequence[Stretch],
    runs: Sequence[Run],
    tagged: Mapping[int, Stretch],
    language: str | None = None,
) -> bool:
    """Put `runs` in place of the paragraph's; whether tracked changes were accepted by that.

    `source` are the paragraph's own stretches, `tagged` those of the whole segment by tag.
    New text is marked as being in `language`.
    """
    tracked = any(_is_tracked(unit) for unit in units)
    homes = {id(unit): at for at, unit in enumerate(units)}
    slots = list(_slots(source, runs, tagged, homes))
    _keep_ends(slots, source)
    ordered = _with_marks(slots, _left_over(units, source))
    maker = RunMaker(paragraph, units, language)
    placed: list[Placed] = list(chain.from_iterable(maker.elements(slot) for slot in ordered))
    made = wrapped(placed)
    for each in list(paragraph):
        if name_of(each) != "w:pPr":
            paragraph.remove(each)
    paragraph.extend(made)
    return tracked


def units_of(stretch: Stretch) -> list[Unit]:
    """The units that a stretch was made of."""
    return [unit for item in stretch.items if isinstance(item.source, tuple) for unit in item.source]


def _slots(
    source: Sequence[Stretch], runs: Sequence[Run], tagged: Mapping[int, Stretch], homes: Mapping[int, int]
) -> Iterator[Slot]:
    usual = UsualTexts(source)
    free = {id(each) for each in source}
    for run in runs:
        like = tagged[run.tag] if run.tag else usual.like(run.text)
        units = [] if like is None else units_of(like)
        home = homes.get(id(units[0]), 0) if units else 0
        if run.kind is not RunKind.TEXT:
            yield Slot(units, home=home)
        elif like is not None and like.run.text == run.text and id(like) in free:
            free.discard(id(like))
            yield Slot(units, home=home)
        else:
            look = () if like is None or not isinstance(like.lead.source, tuple) else like.lead.source
            yield Slot(look, text=run.text, home=home)


def _keep_ends(slots: Sequence[Slot], source: Sequence[Stretch]) -> None:
    """Give new text at the ends the white space that was not shown there."""
    texts = [each for each in source if each.run.kind is RunKind.TEXT]
    shown = [slot for slot in slots if slot.text is not None or any(unit.text for unit in slot.units)]
    if not texts or not shown:
        return
    raw = "".join(unit.text for unit in units_of(texts[0]))
    if shown[0].text is not None and texts[0].run.text[:1].strip():
        shown[0].text = raw[: len(raw) - len(raw.lstrip())] + shown[0].text
    raw = "".join(unit.text for unit in units_of(texts[-1]))
    if shown[-1].text is not None and texts[-1].run.text[-1:].strip():
        shown[-1].text += raw[len(raw.rstrip()) :]


def _left_over(units: Sequence[Unit], source: Sequence[Stretch]) -> list[tuple[int, Unit]]:
    """The units that no stretch is made of and that are to stay, by position."""
    covered = {id(unit) for stretch in source for unit in units_of(stretch)}
    found: list[tuple[int, Unit]] = []
    for at, unit in enumerate(units):
        if id(unit) in covered or unit.role is Role.STALE:
            continue
        if unit.role is Role.REMOVED:
            # What hangs on removed text is not removed with it.
            for mark in [each for each in unit.element.iter() if name_of(each) in _MARKS]:
                run = mark.getparent() if name_of(mark) == "w:commentReference" else None
                found.append((at, Unit(mark, run, unit.chain, "", Role.POINT)))
        else:
            found.append((at, unit))
    return found


def _with_marks(slots: Sequence[Slot], marks: Sequence[tuple[int, Unit]]) -> Iterator[Slot]:
    """The slots with the marks before and after them."""
    before: dict[int, list[Unit]] = {}
    after: dict[int, list[Unit]] = {}
    spans = _spans(marks)
    comment_ends: dict[str | None, int] = {}
    for at, unit in marks:
        start, end = spans.get(identity(unit), (0, -1)) if unit.role in _RANGE else (0, -1)
        inside = [number for number, slot in enumerate(slots) if start <= slot.home <= end]
        comment = attribute(unit.element, "w:id")
        if inside and unit.role is Role.START:
            before.setdefault(inside[0], []).append(unit)
            continue
        if inside:
            place = inside[-1]
            comment_ends[comment] = place
        elif name_of(unit.element) == "w:commentReference" and comment in comment_ends:
            place = comment_ends[comment]
        else:
            place = _beside(slots, at)
        (after if place >= 0 else before).setdefault(max(place, 0), []).append(unit)
    for number, slot in enumerate(slots):
        yield Slot(before.get(number, ()))
        yield slot
        yield Slot(after.get(number, ()))
    if not slots:
        yield Slot([unit for _, unit in marks])


def _spans(marks: Sequence[tuple[int, Unit]]) -> dict[tuple[str, str], tuple[float, float]]:
    """Where each range starts and ends in the old paragraph; beyond it if another paragraph says."""
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for at, unit in marks:
        if unit.role in _RANGE:
            start, end = found.get(identity(unit), (-inf, inf))
            found[identity(unit)] = (at, end) if unit.role is Role.START else (start, at)
    return found


def _beside(slots: Sequence[Slot], at: int) -> int:
    """The slot after which a mark goes: the one it followed, the last if it ended the paragraph; -1 for none."""
    earlier = [number for number, slot in enumerate(slots) if slot.home < at]
    if len(earlier) == len(slots):
        return len(slots) - 1
    return max(earlier, key=lambda number: (slots[number].home, number), default=-1)


def _is_tracked(unit: Unit) -> bool:
    parent = (unit.element if unit.run is None else unit.run).getparent()
    return unit.role is Role.REMOVED or (parent is not None and name_of(parent) in _TRACKED)
