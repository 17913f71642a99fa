"""What can go wrong with wordings, in words."""

from app.core.errors import Conflict, NotFound


class WordingNotFound(NotFound):
    """The organisation has no such text."""

    code = "wording_not_found"
    title = "No such text"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"Your organisation has no {kind.replace('_', ' ')} {name!r}.".replace(" ''", ""))


class TooManyWordings(Conflict):
    """Each kind has a limit."""

    code = "too_many_wordings"
    title = "Too many texts"

    def __init__(self, kind: str, most: int) -> None:
        super().__init__(
            f"Your organisation has {most} texts of the kind {kind}, the most there may be; delete one first."
        )
