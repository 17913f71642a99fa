"""The row that names a table's columns is known as such from the row below it, whatever the format."""

import pytest

from app.documents.reading import read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("full.csv", b"Name,City\nAnna,Rome\n"),
        ("first-empty.csv", b",City,Age\nAnna,Rome,5\n"),
        ("last-empty.csv", b"Name,City,\nAnna,Rome,5\n"),
        ("table.md", b"| Name | City |\n|---|---|\n| Anna | Rome |\n"),
        ("table.html", b"<table><tr><th></th><th>City</th></tr><tr><td>Anna</td><td>Rome</td></tr></table>"),
    ],
)
def test_a_row_below_has_its_header_above(name: str, content: bytes) -> None:
    header, row = read(name, content).segments
    assert header.is_header_of(row)
    assert not row.is_header_of(header)
    assert not row.is_header_of(row)
