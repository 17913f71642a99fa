"""The address of a list's next page."""

from urllib.parse import urlencode


def next_link(path: str, **query: object) -> str:
    """The list at this path under `/portal/v1`, with what was asked for; what is None is left out."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in query.items()
        if value is not None
    }
    return f"/portal/v1{path}?{urlencode(given)}"
