"""Days as they are written in several languages, each read as one: `3 May 2024`, `03.05.2024`, `5/3/2024`, `2024-05-03`.

With points the day comes first, with four digits in front the year. With slashes or hyphens either may be the day, so
such a date has two readings and is like both. A month beside a day is a date without a year, too.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.copilot.figures import month_numbers

_MONTHS = month_numbers()
_NAMES = "|".join(sorted(_MONTHS, key=lambda name: (-len(name), name)))
_DATE = re.compile(
    r"(?<![\w.,/-])(?:"
    r"(?P<a>\d{1,4})(?P<sep>[./-])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{1,4})(?![\w/-]|[.,]\d)"
    r"|(?P<day>\d{1,2})(?:\.|st|nd|rd|th|er|º)?\s{0,2}(?:of\s|de\s|di\s|del\s|d['’])?"
    rf"(?P<month>{_NAMES})(?!\w)\.?(?:,?\s{{0,2}}(?:of\s|de\s|del\s)?(?P<year>\d{{4}})(?!\d))?"
    rf"|(?P<month2>{_NAMES})(?!\w)\.?\s{{1,2}}(?:the\s)?(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?!\w|[.,:]\d)"
    r"(?:,?\s{1,2}(?P<year2>\d{4})(?!\d))?"
    r"|(?:(?P<year3>\d{4})[年년]\s?)?(?P<month3>\d{1,2})[月월]\s?(?P<day3>\d{1,2})[日일号]"
    r"|(?P<day4>\d{1,2})\.\s?(?P<month4>\d{1,2})\.(?!\d)"
    r")",
    re.IGNORECASE,
)
_DAYS, _MONTHS_A_YEAR, _CENTURY = 31, 12, 100


@dataclass(frozen=True)
class Date:
    """A day: (month, day) as it may be read, its year or None, and where it stands."""

    readings: frozenset[tuple[int, int]]
    year: int | None
    start: int
    end: int
    is_sure: bool = True
    """False for `3.5.`, which may be a number that ends a sentence."""

    def is_like(self, other: "Date") -> bool:
        """Whether both may be the same day."""
        return self._same_year(other) and bool(self.readings & other.readings)

    def is_swap_of(self, other: "Date") -> bool:
        """Whether the other has this one's day as its month and its month as its day, and is no other reading of it."""
        swapped = {(day, month) for month, day in self.readings}
        return self._same_year(other) and bool(swapped & other.readings) and not self.is_like(other)

    def _same_year(self, other: "Date") -> bool:
        if self.year is None or other.year is None:
            return True
        if min(self.year, other.year) < _CENTURY:
            return self.year % _CENTURY == other.year % _CENTURY
        return self.year == other.year


def find_dates(text: str) -> list[Date]:
    """The dates of a text in order; what may be a number as well is none."""
    return [one for one in _dates(text) if one.is_sure]


def has_changed_date(source: str, target: str) -> bool:
    """Whether a date of `source` is another one in `target`: day and month swapped, or as many dates and not the same.

    A date that is written in a way that nobody reads here tells nothing.
    """
    before, after = find_dates(source), find_dates(target)
    if has_swapped_date(before, after):
        return True
    full = [[one for one in each if one.year is not None] for each in (before, after)]
    return len(full[0]) == len(full[1]) and bool(_unlike(*full) or _unlike(full[1], full[0]))


def has_swapped_date(source: Sequence[Date], target: Sequence[Date]) -> bool:
    """Whether a date of the target is none of the source's, but one with day and month swapped."""
    return any(one.is_swap_of(other) for one in _unlike(target, source) for other in source)


def without_same_dates(source: str, target: str) -> tuple[str, str]:
    """Both without their dates, where each has the same days: how they are written is the language's."""
    before, after = list(_dates(source)), list(_dates(target))
    if any(one.is_sure for one in (*_unlike(before, after), *_unlike(after, before))):
        return source, target
    return without(source, _same_dates(before, after)), without(target, _same_dates(after, before))


def _same_dates(dates: Sequence[Date], others: Sequence[Date]) -> list[Date]:
    """The dates, what may be a number only where both texts have as many of it."""

    def is_said_as_often(one: Date) -> bool:
        return sum(map(one.is_like, dates)) == sum(map(one.is_like, others))

    return [one for one in dates if one.is_sure or is_said_as_often(one)]


def without(text: str, dates: Sequence[Date]) -> str:
    """The text with blanks for its dates."""
    starts = [0, *(one.end for one in dates)]
    ends = [*(one.start for one in dates), len(text)]
    return " ; ".join(text[start:end] for start, end in zip(starts, ends, strict=True))


def _unlike(dates: Sequence[Date], others: Sequence[Date]) -> list[Date]:
    return [one for one in dates if not any(one.is_like(other) for other in others)]


def _dates(text: str) -> Iterator[Date]:
    for found in _DATE.finditer(text):
        readings, year = _numeric(found) if found["a"] else _named(found)
        valid = {(m, d) for m, d in readings if 1 <= m <= _MONTHS_A_YEAR and 1 <= d <= _DAYS}
        if valid:
            yield Date(frozenset(valid), year, *found.span(), is_sure=not found["day4"])


def _numeric(found: re.Match[str]) -> tuple[set[tuple[int, int]], int | None]:
    first, second, third = (int(found[name]) for name in "abc")
    if len(found["a"]) == len("2024"):
        return {(second, third)}, first
    if len(found["a"]) > len("31") or len(found["c"]) not in {len("24"), len("2024")}:
        return set(), None
    return {(second, first)} if found["sep"] == "." else {(second, first), (first, second)}, third


def _named(found: re.Match[str]) -> tuple[set[tuple[int, int]], int | None]:
    for end in ("", "2", "3"):
        month, day, year = (found[name + end] for name in ("month", "day", "year"))
        if month:
            number = int(month) if month.isdigit() else int(_MONTHS[month.casefold()])
            return {(number, int(day))}, int(year) if year else None
    return {(int(found["month4"]), int(found["day4"]))}, None
