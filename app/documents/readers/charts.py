"""What a chart says: its title, and each series by name with its categories and values."""

from collections.abc import Iterator

from app.documents.readers.cells import shown
from app.documents.readers.xml import Element, child, name_of

_MOST_POINTS = 200
_CATEGORIES = ("c:cat", "c:xVal")
_VALUES = ("c:val", "c:yVal")


def chart_texts(root: Element, *, with_values: bool) -> list[str]:
    """The title and one line a series ("Revenue: Q1 10; Q2 20"), from the copy of the data in the chart."""
    found = [" ".join(_paragraphs(title)) for title in _all(root, "c:title")]
    for series in _all(root, "c:ser"):
        named = child(series, "c:tx")
        name = "" if named is None else " ".join(_values(named) or _paragraphs(named))
        points = _points(series) if with_values else ""
        found.append(f"{name}: {points}" if name and points else name or points)
    return [text for text in found if text.strip()]


def _all(root: Element, name: str) -> Iterator[Element]:
    return (each for each in root.iter("{*}" + name[2:]) if name_of(each) == name)


def _paragraphs(element: Element) -> list[str]:
    return ["".join(run.text or "" for run in _all(each, "a:t")) for each in _all(element, "a:p")]


def _values(element: Element | None) -> list[str]:
    return [] if element is None else [_plain(value.text or "") for value in _all(element, "c:v")]


def _points(series: Element) -> str:
    categories = _values(next((each for each in series if name_of(each) in _CATEGORIES), None))
    values = _values(next((each for each in series if name_of(each) in _VALUES), None))
    if len(categories) != len(values):
        categories = [""] * len(values)
    pairs = zip(categories[:_MOST_POINTS], values[:_MOST_POINTS], strict=True)
    more = "; …" if len(values) > _MOST_POINTS else ""
    return "; ".join(f"{category} {value}".strip() for category, value in pairs) + more


def _plain(text: str) -> str:
    try:
        return shown(float(text))
    except ValueError:
        return " ".join(text.split())
