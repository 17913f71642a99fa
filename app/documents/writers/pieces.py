"""What the formats' writers have in common: a place to write, the runs that fit it, and the XML around."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lxml import etree

from app.documents.readers.xml import Element
from app.documents.runs import Stretch
from app.documents.segments import Run, RunKind, Segment

_ILLEGAL = {
    code: None
    for code in (*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF)
    if code not in {0x09, 0x0A, 0x0D}
}
"""Characters that XML cannot hold."""


@dataclass(frozen=True, eq=False)
class Spot:
    """A text of a file that an operation may replace: how it reads, the parts it stands in, and how to write it."""

    segment: Segment
    parts: tuple[str, ...]
    write: Callable[[Sequence[Run]], None]


@dataclass(frozen=True)
class Writable:
    """A file's spots. `finish` is called when all are written, and names the parts that it touched."""

    spots: list[Spot]
    finish: Callable[[], Iterable[str]] = tuple


class UsualTexts:
    """A paragraph's stretches of usual text, and which of them each new one is like."""

    def __init__(self, source: Iterable[Stretch]) -> None:
        self._usual = [each for each in source if each.run.kind is RunKind.TEXT and not each.run.tag]
        self._same: defaultdict[str, deque[Stretch]] = defaultdict(deque)
        for each in self._usual:
            self._same[each.run.text].append(each)
        self._met = 0

    def like(self, text: str) -> Stretch | None:
        """That for the next usual text: the first of the same words, each once, else the one in its place."""
        place, self._met = self._met, self._met + 1
        if same := self._same.get(text):
            return same.popleft()
        return self._usual[min(place, len(self._usual) - 1)] if self._usual else None


def fits(runs: Sequence[Run], source: Sequence[Run]) -> bool:
    """Whether all that is opaque in the source is there once and in its paragraph, and no other tag."""
    formatted = {run.tag for run in source if run.kind is RunKind.TEXT} | {0}
    new, old = by_paragraph(runs), by_paragraph(source)
    return (
        _opaque([run for run in runs if run.kind is RunKind.JOINT])
        == _opaque([run for run in source if run.kind is RunKind.JOINT])
        and all(sorted(_opaque(here)) == sorted(_opaque(there)) for here, there in zip(new, old, strict=True))
        and all(run.tag in formatted for run in runs if run.kind is RunKind.TEXT)
    )


def _opaque(runs: Sequence[Run]) -> list[tuple[int, str]]:
    return [(run.tag, run.kind) for run in runs if run.kind is not RunKind.TEXT]


def by_paragraph(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs of each paragraph, borders left out."""
    found: list[list[Run]] = [[]]
    for run in runs:
        if run.kind is RunKind.JOINT:
            found.append([])
        else:
            found[-1].append(run)
    return found


def source_paragraphs(stretches: Sequence[Stretch]) -> list[list[Stretch]]:
    """The stretches of each paragraph, borders left out; none for one before a border that opens the text."""
    found: list[list[Stretch]] = [[]]
    for stretch in stretches:
        if stretch.run.kind is RunKind.JOINT:
            found.append([])
        else:
            found[-1].append(stretch)
    return found


def clean(text: str) -> str:
    """The text without what XML cannot hold."""
    return text.translate(_ILLEGAL)


def serialize(element: Element) -> bytes:
    """The part that an element is of, as bytes."""
    tree = element.getroottree()
    standalone = b' standalone="yes"' if tree.docinfo.standalone else b""
    inside = etree.tostring(tree, encoding="UTF-8", xml_declaration=False)
    return b'<?xml version="1.0" encoding="UTF-8"' + standalone + b"?>\r\n" + inside
