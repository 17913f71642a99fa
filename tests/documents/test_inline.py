"""What the pane sends itself, as segments."""

import pytest

from app.documents.inline import CellRange, InlineSegment, place_of, read_cells, read_inline_segments
from app.documents.normalize import text_hash
from app.documents.segments import ExcelAnchor, PaneAnchor, Run


def test_a_piece_of_the_open_document_keeps_its_name_its_runs_and_the_hash_of_its_text() -> None:
    runs = (Run("Pay "), Run("now", 1))
    (segment,) = read_inline_segments([InlineSegment("p17", "Pay now", runs)]).segments
    assert segment.anchor == PaneAnchor("p17", text_hash("Pay now"))
    assert (segment.text, segment.runs) == ("Pay now", runs)


def test_each_filled_cell_is_a_segment_at_its_place() -> None:
    cells = CellRange("Umsatz", "Y9", [["Month", "Sum"], ["May", 1200.0], [None, True], ["", -0.5]])
    found = {s.anchor.a1: s.text for s in read_cells(cells).segments if isinstance(s.anchor, ExcelAnchor)}
    assert found == {"Y9": "Month", "Z9": "Sum", "Y10": "May", "Z10": "1200", "Z11": "TRUE", "Z12": "-0.5"}


def test_columns_go_on_after_z() -> None:
    found = read_cells(CellRange("S", "Z1", [["a", "b"]])).segments
    assert [s.anchor.a1 for s in found if isinstance(s.anchor, ExcelAnchor)] == ["Z1", "AA1"]


@pytest.mark.parametrize(
    ("a1", "place"), [("A1", (0, 0)), ("AA10", (9, 26)), ("$B$2", (1, 1)), ("b2", (1, 1))]
)
def test_the_name_of_a_cell_is_a_row_and_a_column(a1: str, place: tuple[int, int]) -> None:
    assert place_of(a1) == place


@pytest.mark.parametrize("wrong", ["", "A", "1", "A0", "A1:B2", "AAAA1"])
def test_what_names_no_cell_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="names no cell"):
        place_of(wrong)
