"""What every result says of how its documents were read."""

from typing import Any

import pytest

from app.copilot.catalog import task_types
from app.copilot.document_findings import with_readings
from app.copilot.types import TaskType
from app.documents.segments import Segment, TextAnchor
from app.documents.service import DocumentReading
from app.documents.suspicion import Finding, FindingKind
from app.vocabulary import SegmentKind

_READ = DocumentReading((), {"tracked_changes": 3})
_LARGE = DocumentReading((), {"rows_only_in_statistics": 1_480})


_FOUND = DocumentReading(
    (Finding(FindingKind.INSTRUCTION, 2, 1), Finding(FindingKind.HIDDEN_INSTRUCTION, 1)), {}
)
_TEXTS = [
    Segment(at, SegmentKind.PARAGRAPH, "text", TextAnchor(at, 4, 1), document=document)
    for at, document in enumerate((0, 1, 1))
]


def test_each_document_says_how_it_was_read_and_where_something_was_found() -> None:
    found = [{"kind": "instruction", "count": 2}, {"kind": "hidden_instruction", "count": 1}]
    placed = {**found[0], "segment": 2, "anchor": {"type": "text", "offset": 2, "length": 4, "line": 1}}
    read = {"notes": {"tracked_changes": 3}, "findings": []}
    # What a task type itself finds is another thing.
    own = {"findings": ["May was better."]}
    result = with_readings(own, [_READ, _FOUND], _TEXTS)
    assert result == {**own, "documents": [read, {"notes": {}, "findings": [placed, found[1]]}]}
    # The segments of a job that writes a file are others.
    result = with_readings({"file": {"name": "a.de.docx"}}, [_READ, _FOUND], _TEXTS)
    assert result["documents"][1]["findings"] == found


@pytest.mark.parametrize("task_type", task_types().values(), ids=lambda one: str(one.name))
def test_no_task_type_says_by_the_same_name_something_else(task_type: TaskType) -> None:
    assert "documents" not in task_type.result["properties"]


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
