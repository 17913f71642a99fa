"""Texts in DrawingML as spots, and the charts and diagrams whose texts lie in parts of their own."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from app.documents.readers.drawing import chart_texts, items, paragraphs
from app.documents.readers.package import Package
from app.documents.readers.xml import Element, name_of
from app.documents.runs import Stretch, runs_of, shown_text, stretches
from app.documents.segments import Anchor, Run, RunKind, Segment
from app.documents.writers.drawing import rewrite
from app.documents.writers.pieces import Spot, clean
from app.vocabulary import SegmentKind


@dataclass(frozen=True)
class Text:
    """A paragraph (or a name in a chart) in a part; `copies` are the same text in what was drawn of it.

    Runs that nobody sees (`unseen`) stay as they are, and are shown to nobody.
    """

    part: str
    element: Element
    copies: list["Text"] = field(default_factory=list)
    unseen: Collection[Element] = ()


def drawing_spot(
    text: Text, kind: SegmentKind, anchor: Callable[[str], Anchor], path: tuple[str, ...] = ()
) -> Spot | None:
    """The spot of a text; none for one that shows nothing. `anchor` is given what it shows."""
    found = _stretches(text)
    shown = shown_text([each.run for each in found])
    if not any(each.run.kind is RunKind.TEXT and each.run.text.strip() for each in found):
        return None
    every = [text, *text.copies]

    def write(runs: Sequence[Run]) -> None:
        for each in every:
            _write(each, runs)

    segment = Segment(0, kind, shown, anchor(shown), heading_path=path, runs=runs_of(found))
    return Spot(segment, tuple(dict.fromkeys(each.part for each in every)), write)


def reachable(package: Package, part: str) -> Iterator[tuple[str, str]]:
    """Kind and name of each part that is reached from one, once each, nearest first."""
    seen = {part}
    waiting = [part]
    for each in waiting:
        for target in package.relationships(each):
            if target.part not in seen and package.has(target.part):
                seen.add(target.part)
                waiting.append(target.part)
                yield target.kind, target.part


def graphic_texts(
    package: Package, parts: Iterable[tuple[str, str]], *, with_names: bool = True
) -> Iterator[tuple[str, list[Text]]]:
    """The texts of the charts and diagrams among these parts (kind, name), by part.

    `with_names`: also what a chart keeps of its data's names, which a workbook renews from its cells.
    """
    listed = list(parts)
    drawn = [
        Text(part, each)
        for kind, part in listed
        if kind == "diagramDrawing"
        for each in paragraphs([package.xml(part)])
    ]
    for kind, part in listed:
        if kind in {"chart", "chartEx"}:
            found = chart_texts(package.xml(part), with_names=with_names)
            yield part, [Text(part, each) for each in found]
        elif kind == "diagramData":
            said = [Text(part, each) for each in paragraphs([package.xml(part)])]
            yield part, [replace(each, copies=_copies(each, drawn)) for each in said]


def _copies(text: Text, drawn: list[Text]) -> list[Text]:
    """The first text drawn of that text that no other has taken."""
    wanted = _stretches(text)
    for number, each in enumerate(drawn):
        if [one.run for one in _stretches(each)] == [one.run for one in wanted]:
            return [drawn.pop(number)]
    return []


def _stretches(text: Text) -> list[Stretch]:
    if name_of(text.element) != "a:p":
        return [Stretch(Run((text.element.text or "").strip()), (), 0)]
    return stretches([items(text.element, text.unseen)])


def _write(text: Text, runs: Sequence[Run]) -> None:
    if name_of(text.element) == "a:p":
        rewrite(text.element, _stretches(text), runs)
    else:
        text.element.text = clean(shown_text(runs))
