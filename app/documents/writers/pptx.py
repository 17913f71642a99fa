"""Presentations: text of shapes, groups and tables, charts, diagrams, the notes of each slide shown, and
what its layout and master show on it.

What nobody sees on a slide (hidden shapes, runs that are minute, clear or in the colour of their ground) is as a
reader leaves it: counted, and told to no model.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial

from app.documents.readers.drawing import paragraphs
from app.documents.readers.package import Package
from app.documents.readers.pptx import beside, slide_parts
from app.documents.readers.pptx_shapes import Shape, shapes
from app.documents.readers.pptx_unseen import UnseenRuns, text_of_runs
from app.documents.readers.xml import attribute, name_of
from app.documents.segments import PowerPointAnchor
from app.documents.writers.graphics import Text, diagrams, drawing_spot, graphic_texts
from app.documents.writers.pieces import Spot, Writable
from app.vocabulary import SegmentKind

_KINDS = {None: SegmentKind.PARAGRAPH, "notes": SegmentKind.NOTES}
_NUMBERS = frozenset({"sldNum", "dt", "sldImg"})


def open_document(package: Package, notes: Counter[str], language: str | None = None) -> Writable:
    """Every text of the slides that are shown, new ones in `language`. Raises: documents.errors."""
    found: list[Spot] = []
    seen: set[str] = set()
    for slide, part in slide_parts(package, package.main_part() or ""):
        if package.xml(part).get("show") in {"0", "false"}:
            notes["hidden_slides"] += 1
            continue
        found += _spots(package, part, slide, None, notes, seen, language)
        for story in ("notes", *_beneath(package, part)):
            other = beside(package, part, story)
            if other is not None and other not in seen:
                seen.add(other)
                found += _spots(package, other, slide, story, notes, seen, language)
    return Writable(found)


def _beneath(package: Package, slide: str) -> Iterator[str]:
    """What is shown beneath a slide: its layout and their master, unless one of them hides what is beneath it."""
    layout = beside(package, slide, "layout")
    if layout is not None and package.xml(slide).get("showMasterSp") not in {"0", "false"}:
        yield "layout"
        if package.xml(layout).get("showMasterSp") not in {"0", "false"}:
            yield "master"


def _spots(
    package: Package,
    part: str,
    slide: int,
    story: str | None,
    notes: Counter[str],
    seen: set[str],
    language: str | None,
) -> Iterator[Spot]:
    """The spots of a part; `seen` are the parts met so far, which slides may share."""
    relationships = {each.id: (each.kind, each.part) for each in package.relationships(part)}
    drawn = diagrams(package, [part])
    kind = _KINDS.get(story, SegmentKind.HEADER)
    unseen = UnseenRuns(package, part)
    for shape in shapes(package.xml(part)):
        notes["hidden_text"] += shape.is_hidden
        # A placeholder of a layout or a master is shown on no slide.
        if shape.is_hidden or shape.placeholder in _NUMBERS or (shape.placeholder and story not in _KINDS):
            continue
        texts = list(_texts(part, shape, unseen, story))
        notes["hidden_text"] += sum(any(map(str.strip, text_of_runs(each.unseen))) for each in texts)
        shown = [
            relationships.get(attribute(each, "r:dm" if name_of(each) == "dgm:relIds" else "r:id") or "")
            for each in shape.element.iter("{*}chart", "{*}relIds")
        ]
        held = [each for each in shown if each is not None and package.has(each[1])]
        held = [each for each in dict.fromkeys(held) if each[1] not in seen]
        seen.update(name for _, name in held)
        for _, more in graphic_texts(package, held, drawn):
            texts += more
        for number, text in enumerate(texts):
            anchor = PowerPointAnchor(slide, shape.id, number, story)
            spot = drawing_spot(text, kind, partial(_same, anchor), language=language)
            if spot is not None:
                yield spot


def _texts(part: str, shape: Shape, unseen: UnseenRuns, story: str | None) -> Iterator[Text]:
    """The paragraphs of a shape. What is behind those of a table or of notes is not known."""
    is_on_its_own = story is None and name_of(shape.element) != "p:graphicFrame"
    for each in paragraphs([shape.element]):
        yield Text(part, each, unseen=unseen.of(each, shape if is_on_its_own else None))


def _same(anchor: PowerPointAnchor, _: str) -> PowerPointAnchor:
    return anchor
