"""Texts in DrawingML as spots, and the charts and diagrams whose texts lie in parts of their own."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
    text: Text,
    kind: SegmentKind,
    anchor: Callable[[str], Anchor],
    path: tuple[str, ...] = (),
    *,
    language: str | None = None,
) -> Spot | None:
    """The spot of a text; none for one that shows nothing. `anchor` is given what it shows.

    What is written there is marked as being in `language`.
    """
    found = _stretches(text)
    shown = shown_text([each.run for each in found])
    if not any(each.run.kind is RunKind.TEXT and each.run.text.strip() for each in found):
        return None
    every = [text, *text.copies]
    own = [each.run for each in found]

    def write(runs: Sequence[Run]) -> None:
        for each in every:
            is_alike = [one.run for one in _stretches(each)] == own
            # What was drawn may be formatted otherwise; then there is no place in it for the text's tags.
            _write(each, runs if is_alike else [Run(shown_text(runs))], language)

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


def diagrams(package: Package, hosts: Iterable[str]) -> dict[str, list[Text]]:
    """The texts of the diagrams that these parts show, by the part of each, with what was drawn of them.

    A diagram names its own drawing. Where none does, a text goes with the next that was drawn of the same words.
    """
    said: dict[str, list[Text]] = {}
    nameless: list[Text] = []
    drawings: dict[str, None] = {}
    for host in hosts:
        related = [each for each in package.relationships(host) if package.has(each.part)]
        drawings.update(dict.fromkeys(each.part for each in related if each.kind == "diagramDrawing"))
        named = {each.id: each.part for each in related if each.kind == "diagramDrawing"}
        for part in [each.part for each in related if each.kind == "diagramData"]:
            if part in said:
                continue
            root = package.xml(part)
            said[part] = _texts_of(package, part)
            drawing = next((named.get(each.get("relId", "")) for each in root.iter("{*}dataModelExt")), None)
            if drawing is None:
                nameless += said[part]
            elif drawing in drawings:
                del drawings[drawing]
                _pair(said[part], _texts_of(package, drawing))
    _pair(nameless, [text for drawing in drawings for text in _texts_of(package, drawing)])
    return said


def graphic_texts(
    package: Package,
    parts: Iterable[tuple[str, str]],
    shown: Mapping[str, list[Text]],
    *,
    with_names: bool = True,
) -> Iterator[tuple[str, list[Text]]]:
    """The texts of the charts and diagrams among these parts (kind, name), by part; `shown` are all `diagrams`.

    `with_names`: also what a chart keeps of its data's names, which a workbook renews from its cells.
    """
    for kind, part in parts:
        if kind in {"chart", "chartEx"}:
            yield (
                part,
                _once(Text(part, each) for each in chart_texts(package.xml(part), with_names=with_names)),
            )
            for each in package.relationships(part):
                if each.kind == "chartUserShapes" and package.has(each.part):
                    yield each.part, _texts_of(package, each.part)
        elif kind == "diagramData":
            yield part, shown.get(part, [])


def _once(texts: Iterable[Text]) -> list[Text]:
    """The texts of a chart, each name once: a chart keeps its categories with every series."""
    found: list[Text] = []
    names: dict[str, Text] = {}
    for text in texts:
        first = text if name_of(text.element) == "a:p" else names.setdefault(_words(text), text)
        (found if first is text else first.copies).append(text)
    return found


def _texts_of(package: Package, part: str) -> list[Text]:
    return [Text(part, each) for each in paragraphs([package.xml(part)])]


def _pair(said: Sequence[Text], drawn: Sequence[Text]) -> None:
    """Give each drawn text to the next of the same words, what is drawn oftener than said to the last."""
    by_words: dict[str, list[Text]] = {}
    for text in said:
        by_words.setdefault(_words(text), []).append(text)
    taken: Counter[str] = Counter()
    for text in drawn:
        words = _words(text)
        of_them = by_words.get(words, [])
        if words and of_them:
            of_them[min(taken[words], len(of_them) - 1)].copies.append(text)
            taken[words] += 1


def _words(text: Text) -> str:
    return " ".join(shown_text([each.run for each in _stretches(text)]).split())


def _stretches(text: Text) -> list[Stretch]:
    if name_of(text.element) != "a:p":
        return [Stretch(Run((text.element.text or "").strip()), (), 0)]
    return stretches([items(text.element, text.unseen)])


def _write(text: Text, runs: Sequence[Run], language: str | None) -> None:
    if name_of(text.element) == "a:p":
        rewrite(text.element, _stretches(text), runs, language)
    else:
        text.element.text = clean(shown_text(runs))
