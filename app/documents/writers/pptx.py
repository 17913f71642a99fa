"""Presentations: text of shapes, groups and tables, charts, diagrams, and the notes of each slide shown."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

from app.documents.readers.drawing import paragraphs
from app.documents.readers.package import Package
from app.documents.readers.pptx import slide_parts
from app.documents.readers.pptx_shapes import shapes
from app.documents.readers.xml import attribute, name_of
from app.documents.segments import PowerPointAnchor
from app.documents.writers.graphics import Text, drawing_spot, graphic_texts
from app.documents.writers.pieces import Spot, Writable
from app.vocabulary import SegmentKind

_NUMBERS = frozenset({"sldNum", "dt", "sldImg"})


def open_document(package: Package, notes: Counter[str]) -> Writable:
    """Every text of the slides that are shown. Raises: documents.errors."""
    found: list[Spot] = []
    for slide, part in slide_parts(package, package.main_part() or ""):
        if package.xml(part).get("show") in {"0", "false"}:
            notes["hidden_slides"] += 1
            continue
        found += _spots(package, part, slide, None)
        for other in package.relationships(part):
            if other.kind == "notesSlide" and package.has(other.part):
                found += _spots(package, other.part, slide, "notes")
    return Writable(found)


def _spots(package: Package, part: str, slide: int, story: str | None) -> Iterator[Spot]:
    relationships = {each.id: (each.kind, each.part) for each in package.relationships(part)}
    drawn = [each for each in relationships.values() if each[0] == "diagramDrawing" and package.has(each[1])]
    kind = SegmentKind.PARAGRAPH if story is None else SegmentKind.NOTES
    for shape in shapes(package.xml(part)):
        if shape.is_hidden or shape.placeholder in _NUMBERS:
            continue
        texts = [Text(part, each) for each in paragraphs([shape.element])]
        shown = [
            relationships.get(attribute(each, "r:dm" if name_of(each) == "dgm:relIds" else "r:id") or "")
            for each in shape.element.iter("{*}chart", "{*}relIds")
        ]
        held = [each for each in shown if each is not None and package.has(each[1])]
        for _, more in graphic_texts(package, [*held, *drawn] if held else []):
            texts += more
        for number, text in enumerate(texts):
            spot = drawing_spot(text, kind, partial(_same, PowerPointAnchor(slide, shape.id, number, story)))
            if spot is not None:
                yield spot


def _same(anchor: PowerPointAnchor, _: str) -> PowerPointAnchor:
    return anchor
