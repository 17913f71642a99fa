"""New files out of old ones: operations written into the XML, everything else as it was.

Parts that no operation touches are the same bytes in the same order. A part that is touched is the same
XML outside the changed paragraphs and cells. Only for a process with limits: see `Extractor.produce`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.documents.errors import NoText, UnsupportedFormat
from app.documents.normalize import text_hash
from app.documents.operations import Operation, Produced, produced
from app.documents.readers import docx as docx_reader
from app.documents.readers import pptx as pptx_reader
from app.documents.readers import xlsx as xlsx_reader
from app.documents.readers.package import Package
from app.documents.segments import Anchor, ExcelAnchor, Extracted, PowerPointAnchor, Run, Segment, WordAnchor
from app.documents.writers import docx, pptx, xlsx
from app.documents.writers.container import repack
from app.documents.writers.pieces import Spot, Writable, fits, serialize


@dataclass(frozen=True)
class _Writer:
    open: Callable[[Package, Counter[str], str | None], Writable]
    media_type: str


_WRITERS: Mapping[str, _Writer] = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml": _Writer(
        docx.open_document, docx_reader.MEDIA_TYPE
    ),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml": _Writer(
        xlsx.open_document, xlsx_reader.MEDIA_TYPE
    ),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml": _Writer(
        pptx.open_document, pptx_reader.MEDIA_TYPE
    ),
}
"""By the content type of the main part."""


def writable(content: bytes) -> Extracted:
    """Every text of a file that can be written, as segments with anchors and runs. Raises: documents.errors.

    More than a reader gives a model: every cell of text, every name in a chart, each in its own segment.
    """
    package = Package(content, whole=True)
    writer = _writer(package)
    notes: Counter[str] = Counter()
    found = writer.open(package, notes, None).spots
    if not found:
        raise NoText("The file holds no text that can be written anew; what it holds has to stay as it is.")
    segments = tuple(replace(spot.segment, index=index) for index, spot in enumerate(found))
    return Extracted(media_type=writer.media_type, segments=segments, notes=_counted(notes))


def apply(content: bytes, operations: Sequence[Operation], *, language: str | None = None) -> Produced:
    """The file with these operations applied, and what became of each. Raises: documents.errors.

    `language` (ISO 639-1): what the new texts are in, so that Word and PowerPoint check their spelling by it.
    """
    notes: Counter[str] = Counter()
    package = Package(content, whole=True)
    by_anchor: dict[tuple[object, ...], list[Spot]] = {}
    document = _writer(package).open(package, notes, language)
    for spot in document.spots:
        by_anchor.setdefault(_key(spot.segment.anchor), []).append(spot)
    taken: set[Spot] = set()
    refused: list[tuple[int, str]] = []
    touched: dict[str, None] = {}
    for index, operation in enumerate(operations):
        chosen, reason = _choose(by_anchor.get(_key(operation.anchor), []), operation, taken)
        if chosen is None:
            refused.append((index, reason))
            continue
        taken.add(chosen)
        if operation.runs != _runs(chosen.segment):
            chosen.write(operation.runs)
            touched.update(dict.fromkeys(chosen.parts))
    touched.update(dict.fromkeys(document.finish()))
    changed = {package.entry_name(part): serialize(package.xml(part)) for part in touched}
    if changed and package.is_signed():
        notes["signatures_invalid"] = 1
    return produced(repack(content, changed), operations, refused, _counted(notes))


def _counted(notes: Counter[str]) -> dict[str, int]:
    return {note: count for note, count in sorted(notes.items()) if count}


def _writer(package: Package) -> _Writer:
    found = _WRITERS.get(package.main_content_type() or "")
    if found is None or package.holds_macros():
        raise UnsupportedFormat(
            "A file of this kind cannot be written; documents of Word, Excel and PowerPoint without macros can."
        )
    return found


def _choose(spots: Sequence[Spot], operation: Operation, taken: set[Spot]) -> tuple[Spot | None, str]:
    """The spot of an operation, else why there is none."""
    if not spots:
        return None, "no_such_place"
    same = [spot for spot in spots if text_hash(spot.segment.text) == operation.text_hash]
    if not same:
        return None, "text_changed"
    free = [spot for spot in same if spot not in taken]
    if not free:
        return None, "taken"
    fitting = (spot for spot in free if fits(operation.runs, _runs(spot.segment)))
    return next(fitting, None), "formatting_changed"


def _runs(segment: Segment) -> tuple[Run, ...]:
    return segment.runs or (Run(segment.text),)


def _key(anchor: Anchor) -> tuple[object, ...]:
    """What of an anchor says where; the rest helps to find it again in another version."""
    match anchor:
        case WordAnchor():
            return anchor.part, anchor.ordinal
        case PowerPointAnchor():
            return anchor.slide_id, anchor.shape_id, anchor.paragraph, anchor.part
        case ExcelAnchor():
            return anchor.worksheet, anchor.a1
        case _:
            return ("",)
