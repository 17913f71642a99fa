"""Segments in reading order with the headings above them, for readers whose anchors are ready at once."""

from collections import Counter

from app.documents.errors import NoText
from app.documents.readers.limits import check_size
from app.documents.readers.outline import Outline
from app.documents.segments import Anchor, Extracted, Segment, SensitivityLabel
from app.vocabulary import SegmentKind


class Collector:
    """Collects segments and counts notes. Texts of white space alone are left out."""

    def __init__(self) -> None:
        self.notes: Counter[str] = Counter()
        self.labels: tuple[SensitivityLabel, ...] = ()
        self._outline = Outline()
        self._segments: list[Segment] = []
        self._characters = 0

    def __len__(self) -> int:
        return len(self._segments)

    def add(
        self,
        kind: SegmentKind,
        text: str,
        anchor: Anchor,
        *,
        level: int | None = None,
        header: str | None = None,
    ) -> None:
        """Add a segment; one with a level is a heading. Raises: `TooComplex`."""
        text = text.strip()
        if not text:
            return
        self._characters += len(text)
        check_size(len(self._segments), self._characters)
        path = self._outline.path if level is None else self._outline.enter(level, text)
        self._segments.append(
            Segment(
                index=len(self._segments),
                kind=kind,
                text=text,
                anchor=anchor,
                heading_path=path,
                level=level,
                table_header=header,
            )
        )

    def enter(self, level: int, text: str) -> None:
        """Put what follows below a heading that the document does not write ("Slide 7")."""
        self._outline.enter(level, text)

    def leave(self, level: int) -> None:
        """What follows stands below headings above that level only."""
        self._outline.leave(level)

    def withdraw(self) -> None:
        """Take back the last segment: a heading that nothing followed."""
        self._characters -= len(self._segments.pop().text)

    def extracted(self, media_type: str, *, nothing: str) -> Extracted:
        """The outcome of the reader. Raises: `NoText` in these words."""
        if not self._segments:
            raise NoText(nothing)
        return Extracted(
            media_type=media_type,
            segments=tuple(self._segments),
            notes={name: count for name, count in sorted(self.notes.items()) if count},
            labels=self.labels,
        )
