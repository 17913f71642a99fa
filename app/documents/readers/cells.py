"""A cell's value as text that means the same in every country, and the names of cells."""

import datetime as dt
import math
import re

Value = str | int | float | bool | dt.date | dt.datetime | dt.time | dt.timedelta
"""What a cell holds; "" is an empty one."""


_RANGE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})(?::([A-Z]{1,3})([0-9]{1,7}))?")


def shown(value: Value) -> str:
    """The value as text: numbers with a point and at most 15 digits as Excel keeps them, dates in ISO 8601."""
    match value:
        case str():
            return " ".join(value.split())
        case bool():
            return str(value).upper()
        case float():
            return _number(value)
        case dt.datetime() if value.time() != dt.time():
            return value.replace(microsecond=0).isoformat(" ")
        case dt.datetime() | dt.date():
            return value.isoformat()[:10]
        case _:
            return _remaining(value)


def _remaining(value: int | dt.time | dt.timedelta) -> str:
    if isinstance(value, dt.time):
        return value.isoformat("seconds")
    if isinstance(value, int):
        return str(value)
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}"


def column_name(column: int) -> str:
    """The letters of a column counted from 0. Raises: `ValueError` below 0."""
    if column < 0:
        raise ValueError("columns are counted from 0")
    letters = ""
    column += 1
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


def column_number(letters: str) -> int:
    """The column of these letters, from 0."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def range_of(name: str) -> tuple[int, int, int, int]:
    """First and last row, first and last column of "B2:C7" or "B2", from 0. Raises: `ValueError`."""
    found = _RANGE.fullmatch(name)
    if found is None:
        raise ValueError("this is no range of cells")
    column, row, last_column, last_row = found.groups()
    top, left = int(row) - 1, column_number(column)
    if last_row is None:
        return top, top, left, left
    return top, int(last_row) - 1, left, column_number(last_column)


def range_name(first_row: int, last_row: int, first_column: int, last_column: int) -> str:
    """A range as Excel writes it; rows and columns from 0. One cell is named alone."""
    first = f"{column_name(first_column)}{first_row + 1}"
    last = f"{column_name(last_column)}{last_row + 1}"
    return first if first == last else f"{first}:{last}"
