"""Word documents: paragraphs of all stories, text boxes in both of their versions, charts and diagrams."""

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import partial

from app.documents.normalize import text_hash
from app.documents.readers import docx
from app.documents.readers.package import Package
from app.documents.readers.xml import Element, child, name_of
from app.documents.segments import Run, WordAnchor
from app.documents.writers.docx_paragraph import rewrite
from app.documents.writers.graphics import diagrams, drawing_spot, graphic_texts, reachable
from app.documents.writers.pieces import Spot, Writable, by_paragraph, source_paragraphs
from app.vocabulary import SegmentKind


def open_document(package: Package, notes: Counter[str], language: str | None = None) -> Writable:
    """Every text of the document that can be written, new ones in `language`. Raises: documents.errors."""
    found: list[Spot] = []
    for segment, places in docx.places(package):
        parts = tuple(dict.fromkeys(place.part for place in places))
        found.append(Spot(segment, parts, partial(_write, places, notes, language)))
    main = package.main_part() or ""
    reached = list(reachable(package, main))
    shown = diagrams(package, [main, *(part for _, part in reached)])
    for part, texts in graphic_texts(package, reached, shown):
        for ordinal, text in enumerate(texts):
            spot = drawing_spot(
                text,
                SegmentKind.PARAGRAPH,
                partial(_anchor, part, ordinal),
                language=language,
            )
            found += [] if spot is None else [spot]
    return Writable(found)


def _anchor(part: str, ordinal: int, shown: str) -> WordAnchor:
    return WordAnchor(part, ordinal, text_hash(shown), "", "")


def _write(
    places: Sequence[docx.Place], notes: Counter[str], language: str | None, runs: Sequence[Run]
) -> None:
    for place in places:
        tagged = {each.run.tag: each for each in place.stretches if each.run.tag}
        before = source_paragraphs(place.stretches)
        after = by_paragraph(runs)
        # A border that opens the text (an empty first cell) has no paragraph before it.
        skip = len(before) - len(place.paragraphs)
        for (paragraph, inline), source, new in zip(
            place.paragraphs, before[skip:], after[skip:], strict=True
        ):
            if [each.run for each in source] != new:
                tracked = rewrite(paragraph, inline.units, source, new, tagged, language)
                notes["tracked_changes_accepted"] += tracked
                _follow(paragraph)


def _follow(paragraph: Element) -> None:
    """Keep the older version of a text box (for programs that do not know the newer) like the one written."""
    for alternate in paragraph.iterancestors("{*}AlternateContent"):
        chosen, fallback = child(alternate, "mc:Choice"), child(alternate, "mc:Fallback")
        if chosen is None or fallback is None:
            continue
        new, old = list(_boxes(chosen)), list(_boxes(fallback))
        if len(new) == len(old):
            for box, other in zip(new, old, strict=True):
                other[:] = [deepcopy(each) for each in box]


def _boxes(element: Element) -> Iterator[Element]:
    return (each for each in element.iter("{*}txbxContent") if name_of(each) == "w:txbxContent")
