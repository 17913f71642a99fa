from typing import get_args

import pytest

from app.documents.segments import (
    Anchor,
    ExcelAnchor,
    OutlookAnchor,
    PaneAnchor,
    PdfAnchor,
    PowerPointAnchor,
    Segment,
    TextAnchor,
    WordAnchor,
    anchor_json,
    dump_segments,
    load_segments,
)
from app.vocabulary import SegmentKind

_ANCHORS: tuple[Anchor, ...] = (
    WordAnchor("word/document.xml", 3, "aa", "bb", "cc"),
    PdfAnchor(2, (1.0, 2.0, 3.5, 4.0)),
    TextAnchor(7, 4, 1),
    ExcelAnchor("Umsatz '26", "A2:F2"),
    PowerPointAnchor(256, 4, 0),
    PowerPointAnchor(256, 2, 1, part="notes"),
    OutlookAnchor("2/body", "Dear all,"),
    OutlookAnchor("headers", "From: a@b.example", item_id="AAMk="),
    PaneAnchor("paragraph-17", "ab12"),
)


@pytest.mark.parametrize("anchor", _ANCHORS, ids=lambda anchor: anchor.type)
def test_each_anchor_comes_back_from_the_blob_as_it_was(anchor: Anchor) -> None:
    segment = Segment(0, SegmentKind.PARAGRAPH, "text", anchor)
    assert load_segments(dump_segments([segment])) == (segment,)
    assert None not in anchor_json(anchor).values()


def test_every_type_of_anchor_is_among_those() -> None:
    assert {type(anchor) for anchor in _ANCHORS} == set(get_args(Anchor))


def test_each_kind_comes_back_from_the_blob() -> None:
    segments = tuple(Segment(at, kind, "text", TextAnchor(0, 4, 1)) for at, kind in enumerate(SegmentKind))
    assert load_segments(dump_segments(segments)) == segments
