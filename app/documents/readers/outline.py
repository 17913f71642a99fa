"""The headings that stand above a place in a document."""


class Outline:
    """Call `enter` at each heading, in reading order; `path` is what stands above the next segment."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    @property
    def path(self) -> tuple[str, ...]:
        """The open headings from the outermost in."""
        return tuple(text for _, text in self._open)

    def leave(self, level: int) -> None:
        """Close headings of that level and below."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()

    def enter(self, level: int, text: str) -> tuple[str, ...]:
        """Open a heading; gives the path above it, itself not included."""
        self.leave(level)
        above = self.path
        self._open.append((level, " ".join(text.split())[:200]))
        return above
