"""Word documents: an own walker, because each library that was measured loses some of the content.

Read: the accepted state of tracked changes, lists, tables row by row, text boxes, content controls,
fields' results, foot- and endnotes after the paragraph that refers to them, charts, diagrams and descriptions
of pictures there too, headers and footers once at the end. Counted and left out: hidden text, comments,
placeholders, pictures.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lxml import etree

from app.documents.errors import NoText, UnreadableFile
from app.documents.normalize import text_hash
from app.documents.readers.charts import Graphics
from app.documents.readers.docx_blocks import (
    LAYOUT_ROW_CHARACTERS,
    Row,
    blocks,
    read_table,
    text_length,
)
from app.documents.readers.docx_inline import Inline, InlineReader
from app.documents.readers.docx_styles import Styles
from app.documents.readers.docx_units import items
from app.documents.readers.hiding import count_instructions, text_within
from app.documents.readers.labels import package_labels
from app.documents.readers.limits import check_size
from app.documents.readers.outline import Outline
from app.documents.readers.package import Package
from app.documents.readers.xml import Element, attribute, child, name_of
from app.documents.runs import Stretch, runs_of, stretches
from app.documents.segments import Extracted, Run, Segment, WordAnchor
from app.vocabulary import SegmentKind

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_CELL_JOINT = " | "


@dataclass(frozen=True)
class _Story:
    """Where the walker is: the part, the positions of its paragraphs, and what everything there is."""

    part: str
    ordinals: Mapping[Element, int]
    kind: SegmentKind | None = None
    host: int | None = None
    """Position of the paragraph that a text box hangs on."""

    def ordinal(self, paragraph: Element | None) -> int:
        if self.host is not None or paragraph is None:
            return self.host or 0
        return self.ordinals.get(paragraph, 0)


@dataclass(frozen=True)
class Place:
    """Where the text of a segment stands: its paragraphs, and its runs with what they were made of."""

    part: str
    paragraphs: tuple[tuple[Element, Inline], ...]
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True)
class _Draft:
    """A segment before its neighbours are known."""

    kind: SegmentKind
    text: str
    part: str
    ordinal: int
    para_id: str | None
    path: tuple[str, ...]
    level: int | None = None
    header: str | None = None
    paragraphs: tuple[str, ...] = ()
    """A table row's paragraphs that have text; the anchor points at the first. Empty: the text is one."""
    runs: tuple[Run, ...] = ()
    place: Place | None = None

    def hashes(self) -> tuple[str, str, str | None]:
        """Hashes of the first paragraph, of the last, and of the second if there are several."""
        found = [text_hash(text) for text in self.paragraphs or (self.text,)]
        return found[0], found[-1], found[1] if len(found) > 1 else None


def read(content: bytes) -> Extracted:
    """Segments of a .docx. Raises: documents.errors."""
    package = Package(content)
    reader = _read(package, traced=False)
    if not reader.drafts:
        raise NoText("The document holds no text that is shown; text in pictures is not read.")
    return Extracted(
        media_type=MEDIA_TYPE,
        segments=_finish(reader.drafts),
        notes={name: count for name, count in sorted(reader.counts.items()) if count},
        labels=package_labels(package),
    )


def places(package: Package) -> list[tuple[Segment, list[Place]]]:
    """The segments of a .docx and where each stands, a header in every part. Raises: documents.errors."""
    reader = _read(package, traced=True)
    headers = {SegmentKind.HEADER: reader.repeated}
    # The first header of a text has its other places; a paragraph of the body that says the same has none.
    return [
        (segment, [draft.place, *headers.get(draft.kind, {}).pop((draft.text, draft.runs), ())])
        for segment, draft in zip(_finish(reader.drafts), reader.drafts, strict=True)
        if draft.place is not None and draft.place.paragraphs
    ]


def _read(package: Package, *, traced: bool) -> "_Reader":
    main = package.main_part()
    if main is None:
        raise UnreadableFile("The file holds no Word document; save it anew in Word and send that.")
    reader = _Reader(package, main, traced=traced)
    reader.read()
    return reader


class _Reader:
    """One document's walk. `drafts` and `counts` are its outcome."""

    def __init__(self, package: Package, main: str, *, traced: bool = False) -> None:
        self._traced = traced
        self.drafts: list[_Draft] = []
        self.counts: Counter[str] = Counter()
        self.repeated: dict[tuple[str, tuple[Run, ...]], list[Place]] = {}
        """Where else the text of a header stands."""
        self._package = package
        self._graphics = Graphics(package)
        self._main = main
        self._relationships = [each for each in package.relationships(main) if package.has(each.part)]
        styles = self._part("styles")
        self._styles = Styles(None if styles is None else package.xml(styles))
        self._inline = InlineReader(self._styles, self.counts)
        self._outline = Outline()
        self._carried: list[tuple[Element, Inline]] = []
        self._characters = 0
        self._notes: dict[tuple[str, str], tuple[Element, _Story]] = {}

    def read(self) -> None:
        root = self._package.xml(self._main)
        body = child(root, "w:body")
        if name_of(root) != "w:document" or body is None:
            raise UnreadableFile("The file's main part is not a Word document; save it anew in Word.")
        for kind in ("footnote", "endnote"):
            self._collect_notes(kind)
        self._walk(body, _Story(self._main, ordinals(root)))
        self._read_headers()
        comments = self._part("comments")
        if comments is not None:
            said = [each for each in self._package.xml(comments) if name_of(each) == "w:comment"]
            self.counts["comments"] = len(said)
            for each in said:
                count_instructions(self.counts, text_within(each))

    def _part(self, kind: str) -> str | None:
        return next((each.part for each in self._relationships if each.kind == kind), None)

    def _collect_notes(self, kind: str) -> None:
        part = self._part(f"{kind}s")
        if part is None:
            return
        root = self._package.xml(part)
        story = _Story(part, ordinals(root), SegmentKind.FOOTNOTE)
        for note in root:
            identity = attribute(note, "w:id")
            if identity is not None:
                self._notes[kind, identity] = (note, story)

    def _read_headers(self) -> None:
        """Headers and footers of all sections, each text once."""
        self._outline = Outline()
        for part in dict.fromkeys(
            each.part for each in self._relationships if each.kind in {"header", "footer"}
        ):
            start = len(self.drafts)
            root = self._package.xml(part)
            self._walk(root, _Story(part, ordinals(root), SegmentKind.HEADER))
            fresh = self.drafts[start:]
            del self.drafts[start:]
            seen = {(draft.text, draft.runs) for draft in self.drafts if draft.kind is SegmentKind.HEADER}
            for draft in fresh:
                if not any(character.isalpha() for character in draft.text):
                    # Page numbers and rules are no content.
                    continue
                if (draft.text, draft.runs) not in seen:
                    self.drafts.append(draft)
                elif draft.place is not None:
                    self.repeated.setdefault((draft.text, draft.runs), []).append(draft.place)

    def _walk(self, container: Element, story: _Story) -> None:
        for block in blocks(container, self.counts):
            if name_of(block) == "w:p":
                self._paragraph(block, story)
            else:
                self._table(block, story)
        # A removed paragraph mark at the end has nothing to join.
        self._emit_carried(story)

    def _paragraph(self, paragraph: Element, story: _Story) -> None:
        found = self._inline.read(paragraph)
        together = [*self._carried, (paragraph, found)]
        text = "".join(inline.text for _, inline in together)
        self._carried = []
        if child(paragraph, "w:pPr", "w:rPr", "w:del") is not None:
            # Accepting a removed paragraph mark joins this paragraph with the next.
            self.counts["tracked_changes"] += 1
            self._carried = together
        elif text.strip():
            level = self._styles.heading_level(paragraph)
            kind = self._kind(paragraph, story, level)
            level = level if kind is SegmentKind.HEADING else None
            self._emit(text, kind, story, paragraph, together, level=level)
        self._attached([found], story, story.ordinal(paragraph))

    def _kind(self, paragraph: Element, story: _Story, level: int | None) -> SegmentKind:
        if story.kind is not None:
            return story.kind
        if level is not None:
            return SegmentKind.HEADING
        if self._styles.is_list_item(paragraph):
            return SegmentKind.LIST_ITEM
        return SegmentKind.PARAGRAPH

    def _table(self, element: Element, story: _Story) -> None:
        self._emit_carried(story)
        table = read_table(element, self.counts)
        headers = 0 if table.lays_out else table.header_rows()
        header: list[str] = []
        for number, row in enumerate(table.rows):
            if table.lays_out or text_length(row) > LAYOUT_ROW_CHARACTERS:
                for cell in row.cells:
                    if cell is not None:
                        self._walk(cell, story)
                continue
            named = "\n".join(header) if number >= headers else ""
            text = self._row(row, story, header=named or None)
            if number < headers and text:
                header.append(text)

    def _row(self, row: Row, story: _Story, *, header: str | None) -> str:
        """Emit one row, then the tables, notes and text boxes in its cells; gives the row's text."""
        texts: list[str] = []
        inlines: list[Inline] = []
        nested: list[Element] = []
        first: Element | None = None
        own: list[str] = []
        places: list[tuple[Element, Inline]] = []
        joints: list[str] = []
        joint = ""
        for number, cell in enumerate(row.cells):
            paragraphs: list[str] = []
            joint += _CELL_JOINT if number else ""
            for block in () if cell is None else blocks(cell, self.counts):
                if name_of(block) == "w:tbl":
                    nested.append(block)
                    continue
                inlines.append(self._inline.read(block))
                paragraphs.append(" ".join(inlines[-1].text.split()))
                if first is None or not own:
                    # The first with text, or one without if the row has nothing else.
                    first = block
                if paragraphs[-1]:
                    own.append(paragraphs[-1])
                    places.append((block, inlines[-1]))
                    joints.append(joint)
                    joint = " "
            texts.append(" ".join(filter(None, paragraphs)))
            joint = "" if texts[-1] else joint
        while texts and not texts[-1]:
            texts.pop()
        text = _CELL_JOINT.join(texts)
        if any(texts):
            kind = story.kind or SegmentKind.TABLE_ROW
            self._emit(text, kind, story, first, places, joints=joints, header=header, paragraphs=own)
        for table in nested:
            self._table(table, story)
        self._attached(inlines, story, story.ordinal(first))
        return text

    def _attached(self, inlines: list[Inline], story: _Story, ordinal: int) -> None:
        """Notes that these texts refer to, once each, and their text boxes."""
        for found in inlines:
            for reference in found.notes:
                note = self._notes.pop(reference, None)
                if note is not None:
                    self._aside(*note)
            for box in found.boxes:
                self._aside(box, replace(story, host=ordinal))
            for what, value in found.graphics:
                for text in self._graphics.texts(what, value, story.part):
                    self._emit(text, SegmentKind.SLIDE, replace(story, host=ordinal), None, ())

    def _aside(self, container: Element, story: _Story) -> None:
        """Walk something that hangs on a paragraph, without joining it to what is carried."""
        carried, self._carried = self._carried, []
        self._walk(container, story)
        self._carried = carried

    def _emit_carried(self, story: _Story) -> None:
        carried, self._carried = self._carried, []
        text = "".join(inline.text for _, inline in carried)
        if text.strip():
            self._emit(text, story.kind or SegmentKind.PARAGRAPH, story, None, carried)

    def _emit(
        self,
        text: str,
        kind: SegmentKind,
        story: _Story,
        paragraph: Element | None,
        places: Sequence[tuple[Element, Inline]],
        *,
        joints: Sequence[str] | None = None,
        level: int | None = None,
        header: str | None = None,
        paragraphs: Sequence[str] = (),
    ) -> None:
        text = text.strip()
        self._characters += len(text)
        check_size(len(self.drafts), self._characters)
        path = self._outline.path if level is None else self._outline.enter(level, text)
        found = stretches(
            [items(inline.units) for _, inline in places],
            [""] * len(places) if joints is None else joints,
            collapse=joints is not None,
        )
        self.drafts.append(
            _Draft(
                kind=kind,
                text=text,
                part=story.part,
                ordinal=story.ordinal(paragraph),
                para_id=None if paragraph is None else attribute(paragraph, "w14:paraId"),
                path=path,
                level=level,
                header=header,
                paragraphs=tuple(paragraphs),
                runs=runs_of(found),
                place=Place(story.part, tuple(places), tuple(found)) if self._traced else None,
            )
        )


def ordinals(root: Element) -> dict[Element, int]:
    """Position of each paragraph of a part, as Word counts: tables included, text boxes not."""
    found: dict[Element, int] = {}
    steps = etree.iterwalk(root, events=("start",), tag=("{*}p", "{*}txbxContent", "{*}Fallback"))
    for _, element in steps:
        match name_of(element):
            case "w:p":
                found[element] = len(found)
            case "w:txbxContent" | "mc:Fallback":
                steps.skip_subtree()
            case _:
                pass
    return found


def _finish(drafts: list[_Draft]) -> tuple[Segment, ...]:
    """Number the segments and give each the hashes of its neighbouring paragraphs in the same part."""
    hashes = [draft.hashes() for draft in drafts]
    before: list[str] = []
    near: dict[str, str] = {}
    for draft, (_, last, _) in zip(drafts, hashes, strict=True):
        before.append(near.get(draft.part, ""))
        near[draft.part] = last
    after: list[str] = []
    near = {}
    for draft, (first, _, second) in zip(reversed(drafts), reversed(hashes), strict=True):
        after.append(near.get(draft.part, "") if second is None else second)
        near[draft.part] = first
    after.reverse()
    return tuple(
        Segment(
            index=index,
            kind=draft.kind,
            text=draft.text,
            anchor=WordAnchor(
                part=draft.part,
                ordinal=draft.ordinal,
                text_hash=hashes[index][0],
                before_hash=before[index],
                after_hash=after[index],
                para_id=draft.para_id,
            ),
            heading_path=draft.path,
            level=draft.level,
            table_header=draft.header,
            runs=draft.runs,
        )
        for index, draft in enumerate(drafts)
    )
