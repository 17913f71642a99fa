"""What every result says of how its documents were read."""

from typing import Any

import pytest

from app.copilot.document_findings import with_readings
from app.documents.service import DocumentReading

_READ = DocumentReading((), {"tracked_changes": 3})
_LARGE = DocumentReading((), {"rows_only_in_statistics": 1_480})


def test_each_document_says_what_was_left_out_of_it_or_read_in_a_certain_way() -> None:
    result = with_readings({"text": "x"}, [_READ, DocumentReading((), {})], [])
    assert result == {
        "text": "x",
        "findings": [],
        "documents": [{"notes": {"tracked_changes": 3}}, {"notes": {}}],
    }


@pytest.mark.parametrize(
    ("result", "rows"),
    [
        ({"coverage": {"ratio": 1.0}}, {"rows_only_in_statistics": 2_960}),
        ({"coverage": {"ratio": 1.0}, "file": {"name": "a.de.xlsx"}}, {}),
    ],
    ids=["read", "written cell by cell"],
)
def test_rows_that_only_the_statistics_cover_are_told_beside_the_coverage(
    result: dict[str, Any], rows: dict[str, int]
) -> None:
    told = with_readings(result, [_LARGE, _READ, _LARGE], [])
    assert told["coverage"] == {"ratio": 1.0, **rows}
    assert result["coverage"] == {"ratio": 1.0}


def test_what_has_no_coverage_gets_none() -> None:
    assert "coverage" not in with_readings({"formula": "=1"}, [_LARGE], [])
