"""What a chart says: its title, and each series by name with its categories and values; and what a diagram does."""

import datetime as dt
import re
from collections.abc import Iterator

from app.documents.readers.cells import shown
from app.documents.readers.package import Package
from app.documents.readers.xml import Element, child, name_of

_MOST_POINTS = 200
_CATEGORIES = ("c:cat", "c:xVal")
_VALUES = ("c:val", "c:yVal")
_NO_FORMAT = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]|general', re.IGNORECASE)
"""Of a format code what is shown as it is, or says nothing of days."""
_DAYS, _TIMES = re.compile("[yd]", re.IGNORECASE), re.compile("[hs]", re.IGNORECASE)
_EPOCH, _EPOCH_1904 = dt.datetime(1899, 12, 30), dt.datetime(1904, 1, 1)  # noqa: DTZ001 - a cell knows no zone
_MOST_DAYS = 2_900_000
"""Until the year 9839."""


class Graphics:
    """The graphics that parts of a package show."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._targets: dict[str, dict[str, str]] = {}
        """By part: the parts that its relationships lead to."""

    def texts(self, what: str, value: str, part: str) -> list[str]:
        """Of the "chart" or "diagram" of that relationship of a part; a "description" is its own text."""
        if what == "description":
            return [value] if value.strip() else []
        if part not in self._targets:
            self._targets[part] = {each.id: each.part for each in self._package.relationships(part)}
        target = self._targets[part].get(value, "")
        if not self._package.has(target):
            return []
        root = self._package.xml(target)
        return chart_texts(root, with_values=True) if what == "chart" else diagram_texts(root)


def chart_texts(root: Element, *, with_values: bool) -> list[str]:
    """The title and one line a series ("Revenue: Q1 10; Q2 20"), from the copy of the data in the chart."""
    found = [" ".join(_paragraphs(title)) for title in _all(root, "c:title")]
    since_1904 = any(each.get("val", "1") in {"1", "true"} for each in _all(root, "c:date1904"))
    epoch = _EPOCH_1904 if since_1904 else _EPOCH
    for series in _all(root, "c:ser"):
        named = child(series, "c:tx")
        name = "" if named is None else " ".join(_values(named) or _paragraphs(named))
        points = _points(series, epoch) if with_values else ""
        found.append(f"{name}: {points}" if name and points else name or points)
    return [text for text in found if text.strip()]


def diagram_texts(root: Element) -> list[str]:
    """The texts of a diagram's points in their order; what is drawn from them says nothing more."""
    listed = child(root, "dgm:ptLst")
    told = ("\n".join(_paragraphs(each)) for each in (() if listed is None else listed))
    return [text for text in told if text.strip()]


def _all(root: Element, name: str) -> Iterator[Element]:
    return (each for each in root.iter("{*}" + name[2:]) if name_of(each) == name)


def _paragraphs(element: Element) -> list[str]:
    return ["".join(run.text or "" for run in _all(each, "a:t")) for each in _all(element, "a:p")]


def _values(element: Element | None, epoch: dt.datetime = _EPOCH) -> list[str]:
    if element is None:
        return []
    code = next((each.text or "" for each in _all(element, "c:formatCode")), "")
    return [_plain(value.text or "", code, epoch) for value in _all(element, "c:v")]


def _points(series: Element, epoch: dt.datetime) -> str:
    categories = _values(next((each for each in series if name_of(each) in _CATEGORIES), None), epoch)
    values = _values(next((each for each in series if name_of(each) in _VALUES), None), epoch)
    if len(categories) != len(values):
        categories = [""] * len(values)
    pairs = zip(categories[:_MOST_POINTS], values[:_MOST_POINTS], strict=True)
    more = "; …" if len(values) > _MOST_POINTS else ""
    return "; ".join(f"{category} {value}".strip() for category, value in pairs) + more


def _plain(text: str, code: str, epoch: dt.datetime) -> str:
    try:
        number = float(text)
    except ValueError:
        return " ".join(text.split())
    said = _NO_FORMAT.sub("", code)
    if not _DAYS.search(said) or not 1 <= number < _MOST_DAYS:
        return shown(number)
    # Days since then, their fraction the time of day; to the second, for a fraction in decimals is none in binary.
    at = epoch + dt.timedelta(seconds=round(number * 86_400))
    return shown(at if _TIMES.search(said) else at.date())
