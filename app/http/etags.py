"""ETags of resources that several people may change: a resource's version, named by whoever changes it."""

from typing import Annotated

from fastapi import Header, Response

from app.core.errors import BadRequest, ChangedMeanwhile

IfMatch = Annotated[str | None, Header(max_length=64, description="The ETag of what this changes.")]


def show_version(response: Response, version: int) -> None:
    """Send a resource's version as its ETag."""
    response.headers["ETag"] = f'"{version}"'


def expected_version(if_match: str | None, what: str) -> int:
    """The version that a change of `what` (such as "pool") names.

    Raises: `BadRequest` without one, `ChangedMeanwhile` for a tag that we never gave.
    """
    if if_match is None:
        raise BadRequest(
            f"Send the ETag of the {what} you read as `If-Match`, so that nobody's change is lost.",
            target="If-Match",
        )
    digits = if_match.strip().strip('"')
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        # Not one that we ever gave, so certainly not the one that stands.
        raise ChangedMeanwhile(what)
    return int(digits)
