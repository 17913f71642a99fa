"""PowerPoint presentations, slide by slide: an own walker over the parts, as for Word.

Read: titles as headings, text, points, tables, charts' figures, diagrams, descriptions of pictures, notes,
footers once at the end. Counted and left out: hidden slides and shapes, comments, pictures. python-pptx would
hold every picture of the file in memory and does not open strict files.
"""

from collections.abc import Callable, Mapping
from functools import partial

from app.documents.errors import UnreadableFile
from app.documents.readers.charts import chart_texts, diagram_texts
from app.documents.readers.collecting import Collector
from app.documents.readers.hiding import count_hidden, count_instructions, text_within
from app.documents.readers.labels import package_labels
from app.documents.readers.package import Package
from app.documents.readers.pptx_shapes import Shape, is_listed, links, paragraphs, shapes, text_of
from app.documents.readers.pptx_unseen import UnseenRuns, text_of_runs
from app.documents.readers.xml import Element, attribute, child, name_of, whole_number
from app.documents.segments import Extracted, PowerPointAnchor
from app.vocabulary import SegmentKind

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_TITLES = ("title", "ctrTitle")
_UNREAD = frozenset({"sldNum", "dt", "hdr", "sldImg"})
_NOTES = "notes"
_BESIDE: Mapping[str | None, tuple[str, ...]] = {
    None: (),
    _NOTES: ("notesSlide",),
    "layout": ("slideLayout",),
    "master": ("slideLayout", "slideMaster"),
}


def read(content: bytes) -> Extracted:
    """Segments of a .pptx. Raises: documents.errors."""
    package = Package(content)
    main = package.main_part()
    if main is None:
        raise UnreadableFile("The file holds no presentation; save it anew in PowerPoint and send that.")
    collector = Collector()
    collector.labels = package_labels(package)
    footers: dict[str, PowerPointAnchor] = {}
    for number, (slide_id, part) in enumerate(slide_parts(package, main), start=1):
        root = package.xml(part)
        if root.get("show") in {"0", "false"}:
            collector.notes["hidden_slides"] += 1
        else:
            _Slide(package, part, slide_id, collector, footers).read(root, number)
    collector.leave(1)
    for text, anchor in footers.items():
        collector.add(SegmentKind.HEADER, text, anchor)
    return collector.extracted(
        MEDIA_TYPE, nothing="The presentation holds no text on a slide that is shown; pictures are not read."
    )


def slide_parts(package: Package, main: str) -> list[tuple[int, str]]:
    """The slides' ids and parts in the order in which they are shown."""
    targets = {each.id: each.part for each in package.relationships(main) if each.kind == "slide"}
    listed = child(package.xml(main), "p:sldIdLst")
    found: list[tuple[int, str]] = []
    for each in () if listed is None else listed:
        part = targets.get(attribute(each, "r:id") or "", "")
        number = whole_number(each.get("id"))
        if package.has(part) and number is not None:
            found.append((number, part))
    return found


def beside(package: Package, slide: str, part: str | None) -> str | None:
    """The part of a slide's notes, layout or master as an anchor names it; the slide's own for `None`."""
    found: str | None = slide
    for kind in _BESIDE.get(part, ("",)):
        related = () if found is None else package.relationships(found)
        found = next((each.part for each in related if each.kind == kind and package.has(each.part)), None)
    return found


class _Slide:
    """One slide's walk."""

    def __init__(
        self,
        package: Package,
        part: str,
        slide_id: int,
        collector: Collector,
        footers: dict[str, PowerPointAnchor],
    ) -> None:
        self._package = package
        self._slide_id = slide_id
        self._collector = collector
        self._footers = footers
        self._unseen = UnseenRuns(package, part)
        self._relationships = [each for each in package.relationships(part) if package.has(each.part)]
        self._targets = {each.id: each.part for each in self._relationships}

    def read(self, root: Element, number: int) -> None:
        found = [shape for shape in shapes(root) if not self._hidden(shape)]
        titles = [shape for shape in found if shape.placeholder in _TITLES]
        before = len(self._collector)
        for shape in titles:
            self._text(shape)
        if len(self._collector) == before:
            self._collector.enter(1, f"Slide {number}")
        for shape in found:
            if shape.placeholder not in _TITLES:
                self._shape(shape)
        for each in self._relationships:
            if each.kind == "notesSlide":
                self._notes(self._package.xml(each.part))
            elif each.kind == "comments":
                for said in self._package.xml(each.part).iter("{*}cm", "{*}reply"):
                    self._collector.notes["comments"] += 1
                    count_instructions(self._collector.notes, text_within(said))

    def _hidden(self, shape: Shape) -> bool:
        if shape.is_hidden:
            self._collector.notes["hidden_text"] += 1
            count_instructions(self._collector.notes, text_within(shape.element))
        return shape.is_hidden or shape.placeholder in _UNREAD

    def _shape(self, shape: Shape) -> None:
        match name_of(shape.element):
            case "p:graphicFrame":
                self._described(shape)
                self._frame(shape)
            case "p:pic":
                self._collector.notes["images"] += 1
                self._described(shape)
            case _ if shape.placeholder == "ftr":
                for at, paragraph in enumerate(paragraphs(child(shape.element, "p:txBody"))):
                    if any(character.isalpha() for character in text_of(paragraph)):
                        self._footers.setdefault(text_of(paragraph).strip(), self._anchor(shape, at))
            case _:
                self._text(shape)
        self._collector.notes["links"] += links(shape.element)

    def _anchor(self, shape: Shape, paragraph: int = 0, part: str | None = None) -> PowerPointAnchor:
        return PowerPointAnchor(self._slide_id, shape.id, paragraph, part)

    def _text(self, shape: Shape) -> None:
        is_title = shape.placeholder in _TITLES
        for at, paragraph in enumerate(paragraphs(child(shape.element, "p:txBody"))):
            kind = SegmentKind.LIST_ITEM if is_listed(paragraph, shape.placeholder) else SegmentKind.PARAGRAPH
            self._collector.add(
                SegmentKind.HEADING if is_title else kind,
                self._shown(paragraph, shape),
                self._anchor(shape, at),
                # A title of several paragraphs is one after the other, not one below the other.
                level=1 if is_title else None,
            )

    def _shown(self, paragraph: Element, shape: Shape | None = None) -> str:
        """What a paragraph says to whoever looks at it; the rest is counted."""
        unseen = self._unseen.of(paragraph, shape)
        count_hidden(self._collector.notes, text_of_runs(unseen))
        return text_of(paragraph, unseen)

    def _described(self, shape: Shape) -> None:
        self._collector.add(SegmentKind.SLIDE, shape.description, self._anchor(shape))

    def _frame(self, shape: Shape) -> None:
        for element in shape.element.iter("{*}tbl", "{*}chart", "{*}relIds"):
            match name_of(element):
                case "a:tbl":
                    self._table(element, shape)
                case "c:chart":
                    self._graphic(attribute(element, "r:id"), shape, partial(chart_texts, with_values=True))
                case "dgm:relIds":
                    self._graphic(attribute(element, "r:dm"), shape, diagram_texts)
                case _:
                    pass

    def _graphic(self, target: str | None, shape: Shape, texts: Callable[[Element], list[str]]) -> None:
        part = self._targets.get(target or "")
        for text in [] if part is None else texts(self._package.xml(part)):
            self._collector.add(SegmentKind.SLIDE, text, self._anchor(shape))

    def _table(self, table: Element, shape: Shape) -> None:
        rows = [each for each in table if name_of(each) == "a:tr"]
        header: str | None = None
        place = 0
        for number, row in enumerate(rows):
            texts: list[str] = []
            first = place
            for cell in (each for each in row if name_of(each) == "a:tc"):
                inside = paragraphs(child(cell, "a:txBody"))
                place += len(inside)
                merged = "1" in {cell.get("hMerge"), cell.get("vMerge")}
                texts.append("" if merged else " ".join(" ".join(map(self._shown, inside)).split()))
            text = " | ".join(texts).rstrip(" |")
            self._collector.add(SegmentKind.TABLE_ROW, text, self._anchor(shape, first), header=header)
            if number == 0 and len(rows) > 1:
                header = text or None

    def _notes(self, root: Element) -> None:
        for shape in shapes(root):
            if shape.placeholder == "body" and not self._hidden(shape):
                for at, paragraph in enumerate(paragraphs(child(shape.element, "p:txBody"))):
                    anchor = self._anchor(shape, at, _NOTES)
                    self._collector.add(SegmentKind.NOTES, self._shown(paragraph), anchor)
