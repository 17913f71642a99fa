"""What a column of a large table holds, in figures: never all of its values at once."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from app.documents.readers.cells import Value, shown

_MOST_VALUES = 1_000
"""Different texts of a column that are counted; beyond, only how many there are at least is said."""
_SHOWN_VALUES = 5
_Ordered = TypeVar("_Ordered", int, float, str)


class Column:
    """Figures over one column. `add` takes its values in batches, blank ones as ""."""

    def __init__(self) -> None:
        self._blank = 0
        self._numbers = 0
        self._sums: list[float] = []
        self._span: tuple[float, float] | None = None
        self._dates = 0
        self._days: tuple[str, str] | None = None
        self._texts = 0
        self._values: Counter[str] | None = Counter()

    def add(self, values: Sequence[Value]) -> None:
        """Take further values."""
        kinds = set(map(type, values))
        if kinds <= {float, int}:
            self._add_numbers(values)  # type: ignore[arg-type]
            return
        if kinds == {str}:
            self._add_texts(values)  # type: ignore[arg-type]
            return
        self._add_numbers([value for value in values if type(value) in {float, int}])  # type: ignore[misc]
        self._add_texts([shown(value) for value in values if isinstance(value, bool | str)])
        self._add_dates([shown(value) for value in values if not isinstance(value, bool | str | int | float)])

    def _add_numbers(self, values: Sequence[float]) -> None:
        if values:
            self._numbers += len(values)
            self._sums.append(math.fsum(values))
            self._span = _wider(self._span, values)

    def _add_dates(self, values: Sequence[str]) -> None:
        if values:
            self._dates += len(values)
            self._days = _wider(self._days, values)

    def _add_texts(self, values: Sequence[str]) -> None:
        filled = [value for value in values if value]
        self._blank += len(values) - len(filled)
        self._texts += len(filled)
        if self._values is not None:
            self._values.update(value[:80] for value in filled)
            if len(self._values) > _MOST_VALUES:
                self._values = None

    @property
    def is_blank(self) -> bool:
        """Whether it holds nothing."""
        return not (self._numbers or self._dates or self._texts)

    def described(self) -> str:
        """All that was found, locale-neutral: numbers with a point, dates as ISO 8601 writes them."""
        said: list[str] = []
        if self._span is not None:
            total = math.fsum(self._sums)
            low, high, mean = (shown(value) for value in (*self._span, total / self._numbers))
            said.append(
                f"{self._numbers} numbers, minimum {low}, maximum {high}, mean {mean}, sum {shown(total)}"
            )
        if self._days is not None:
            said.append(f"{self._dates} dates, first {self._days[0]}, last {self._days[1]}")
        if self._texts:
            said.append(self._texts_described())
        if self._blank:
            said.append(f"{self._blank} empty")
        return "; ".join(said)

    def _texts_described(self) -> str:
        if self._values is None:
            return f"{self._texts} texts, more than {_MOST_VALUES} different"
        most = ", ".join(f"{text} ({count})" for text, count in self._values.most_common(_SHOWN_VALUES))
        return f"{self._texts} texts, {len(self._values)} different, most often {most}"


def _wider(span: tuple[_Ordered, _Ordered] | None, values: Iterable[_Ordered]) -> tuple[_Ordered, _Ordered]:
    ordered = sorted((min(values), max(values), *(span or ())))
    return ordered[0], ordered[-1]
