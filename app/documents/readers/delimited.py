"""Comma separated values: the delimiter found out, records as table rows, large files told in figures.

An anchor is the records' place in the text, so that the source there is what was read.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from app.documents.readers.cells import Value, column_name
from app.documents.readers.collecting import Collector
from app.documents.readers.grid import Grid, Place, Row
from app.documents.readers.limits import MAX_CHARACTERS
from app.documents.readers.plain import decode, units
from app.documents.segments import Extracted, TextAnchor

MEDIA_TYPE = "text/csv"
_DELIMITERS = ",;\t|"
_SAMPLE_RECORDS = 50
_SAMPLE_CHARACTERS = 100_000
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?")
_DECIMAL_COMMA = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,14})(?:,[0-9]{1,15})?")


def read(content: bytes) -> Extracted:
    """Segments of a .csv. Raises: documents.errors."""
    collector = Collector()
    text = decode(content, collector.notes)
    records = _Records(text)
    Grid(collector, Place(records.anchor, _range), worth=records.worth).read(records)
    return collector.extracted(MEDIA_TYPE, nothing="The file holds no values; send one that does.")


class _Records:
    """The records of a text as rows, and where each stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        first = text[:20].split("\n", 1)[0].strip()
        # Excel's own way to say it, a line that is no data.
        said = first[4:5] if first.lower().startswith("sep=") and len(first) == 5 else ""
        self._skip = text.find("\n") + 1 if said else 0
        self._delimiter = said or _delimiter(text)
        self._places: list[tuple[int, int, int]] = []
        """By record: first character, the one beyond, line from 1."""
        self._known = (0, 0)

    def __iter__(self) -> Iterator[Row]:
        csv.field_size_limit(MAX_CHARACTERS)
        start, line = self._skip, 2 if self._skip else 1
        ends = _Ends(self._text[self._skip :])
        for at, record in enumerate(csv.reader(ends, delimiter=self._delimiter)):
            end = self._skip + ends.characters
            self._places.append((start, end, line))
            start, line = end, line + ends.lines
            ends.lines = 0
            yield at, [*record]

    def worth(self, values: Sequence[Value]) -> Sequence[Value]:
        """A column's values as numbers where they look like such, for statistics."""
        number = _DECIMAL_COMMA if self._delimiter == ";" else _NUMBER
        return [_value(value, number) if isinstance(value, str) else value for value in values]

    def anchor(self, first: int, last: int, _left: int, _right: int) -> TextAnchor:
        """The place of records `first` to `last`."""
        start, _, line = self._places[first]
        end = self._places[last][1]
        body = self._text[start:end].rstrip("\r\n")
        return TextAnchor(offset=self._utf16(start), length=units(body), line=line)

    def _utf16(self, place: int) -> int:
        characters, counted = self._known
        if place < characters:
            characters = counted = 0
        counted += units(self._text[characters:place])
        self._known = place, counted
        return counted


class _Ends:
    """The lines of a text, and how much of it was handed out."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.characters = 0
        self.lines = 0

    def __iter__(self) -> "_Ends":
        return self

    def __next__(self) -> str:
        line = self._lines.readline()
        if not line:
            raise StopIteration
        self.characters += len(line)
        self.lines += 1
        return line


def _value(value: str, number: re.Pattern[str]) -> Value:
    return float(value.replace(",", ".")) if number.fullmatch(value) else value


def _delimiter(text: str) -> str:
    """Of those in use the one by which most of the first records have the same number of fields."""

    def fit(delimiter: str) -> tuple[float, int]:
        sample = csv.reader(io.StringIO(text[:_SAMPLE_CHARACTERS], newline=""), delimiter=delimiter)
        try:
            widths = Counter(len(record) for record in islice(sample, _SAMPLE_RECORDS) if record)
        except csv.Error:
            return 0.0, 0
        widths.pop(1, None)
        if not widths:
            return 0.0, 0
        width, records = widths.most_common(1)[0]
        return records / widths.total(), width

    return max(_DELIMITERS, key=fit)


def _range(first: int, last: int, left: int, right: int) -> str:
    rows = f"records {first + 1}-{last + 1}" if last > first else f"record {first + 1}"
    columns = (
        f"columns {column_name(left)}-{column_name(right)}" if right > left else f"column {column_name(left)}"
    )
    return f"{rows}, {columns}"
