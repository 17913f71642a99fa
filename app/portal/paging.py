"""The address of a list's next page."""

from app.http import paging


def next_link(path: str, **query: object) -> str:
    """The list at this path under `/portal/v1`, with what was asked for; what is None is left out."""
    return paging.next_link(f"/portal/v1{path}", **query)
