"""Presentations: text of shapes, groups and tables, charts, diagrams, and the notes of each slide shown."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

from app.documents.readers.drawing import paragraphs
from app.documents.readers.package import Package
from app.documents.readers.xml import Element, attribute, child, name_of
from app.documents.segments import PowerPointAnchor
from app.documents.writers.graphics import Text, drawing_spot, graphic_texts
from app.documents.writers.pieces import Spot, Writable
from app.vocabulary import SegmentKind

_SHAPES = frozenset({"p:sp", "p:graphicFrame", "p:cxnSp"})


def open_document(package: Package, notes: Counter[str]) -> Writable:
    """Every text of the slides that are shown. Raises: documents.errors."""
    main = package.main_part() or ""
    targets = {each.id: each.part for each in package.relationships(main)}
    listed = child(package.xml(main), "p:sldIdLst")
    found: list[Spot] = []
    for each in () if listed is None else listed:
        part, slide = targets.get(attribute(each, "r:id") or "", ""), each.get("id", "")
        if not package.has(part) or not slide.isdigit():
            continue
        if package.xml(part).get("show") in {"0", "false"}:
            notes["hidden_slides"] += 1
            continue
        found += _spots(package, part, int(slide), None)
        for other in package.relationships(part):
            if other.kind == "notesSlide" and package.has(other.part):
                found += _spots(package, other.part, int(slide), "notes")
    return Writable(found)


def _spots(package: Package, part: str, slide: int, story: str | None) -> Iterator[Spot]:
    relationships = {each.id: (each.kind, each.part) for each in package.relationships(part)}
    drawn = [each for each in relationships.values() if each[0] == "diagramDrawing" and package.has(each[1])]
    kind = SegmentKind.PARAGRAPH if story is None else SegmentKind.NOTES
    for shape in _shapes(package.xml(part)):
        identity = next((each.get("id", "") for each in shape.iter("{*}cNvPr")), "")
        if not identity.isdigit():
            continue
        texts = [Text(part, each) for each in paragraphs([shape])]
        shown = [
            relationships.get(attribute(each, "r:dm" if name_of(each) == "dgm:relIds" else "r:id") or "")
            for each in shape.iter("{*}chart", "{*}relIds")
        ]
        held = [each for each in shown if each is not None and package.has(each[1])]
        for _, more in graphic_texts(package, [*held, *drawn] if held else []):
            texts += more
        for number, text in enumerate(texts):
            anchor = PowerPointAnchor(slide, int(identity), number, story)
            spot = drawing_spot(text, kind, partial(_same, anchor))
            if spot is not None:
                yield spot


def _same(anchor: PowerPointAnchor, _: str) -> PowerPointAnchor:
    return anchor


def _shapes(container: Element) -> Iterator[Element]:
    """Shapes that can hold text, those in groups too; of alternatives the first."""
    for each in container:
        match name_of(each):
            case name if name in _SHAPES:
                yield each
            case "p:cSld" | "p:spTree" | "p:grpSp":
                yield from _shapes(each)
            case "mc:AlternateContent":
                chosen = child(each, "mc:Choice")
                chosen = child(each, "mc:Fallback") if chosen is None else chosen
                if chosen is not None:
                    yield from _shapes(chosen)
            case _:
                pass
