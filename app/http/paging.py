"""The address of a list's next page."""

from urllib.parse import urlencode


def next_link(path: str, **query: object) -> str:
    """The list at this path with what was asked for: a list says its name each time, what is None is left out."""
    given = {
        name: [_shown(one) for one in value] if isinstance(value, list) else _shown(value)
        for name, value in query.items()
        if value is not None
    }
    return f"{path}?{urlencode(given, doseq=True)}"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
