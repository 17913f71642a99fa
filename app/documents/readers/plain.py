"""What text and Markdown share: decoding, lines, and segments anchored by UTF-16 offsets."""

import codecs
import re
from bisect import bisect_right
from collections import Counter

from app.documents.errors import NoText, UnreadableFile
from app.documents.readers.limits import LONGEST_CHARACTER_BYTES, check_size
from app.documents.readers.pieces import pieces
from app.documents.segments import Extracted, Segment, TextAnchor
from app.vocabulary import SegmentKind

_NEWLINE = re.compile(r"\r\n?|\n")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MOST_CONTROLS = 0.02
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def decode(content: bytes, notes: Counter[str]) -> str:
    """The text without its byte order mark: by the mark, else UTF-8, else Windows-1252, which is noted.

    Raises: `UnreadableFile` if it is no text, `TooComplex` if it is too much.
    """
    # The shortest text of these bytes: refuse before decoding.
    check_size(0, len(content) // LONGEST_CHARACTER_BYTES)
    text = _decoded(content, notes)
    check_size(0, len(text))
    if "\x00" in text or len(_CONTROLS.findall(text[:100_000])) > _MOST_CONTROLS * min(len(text), 100_000):
        raise UnreadableFile("The file is not plain text; save it as UTF-8 text and send that.")
    return text


def _decoded(content: bytes, notes: Counter[str]) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return content[len(mark) :].decode(encoding)
            except UnicodeDecodeError as error:
                raise UnreadableFile(
                    f"The file says it is {encoding.upper()} text and is not; save it as UTF-8 and send that."
                ) from error
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
        notes["encoding_guessed"] = 1
        notes["characters_unreadable"] = text.count("\ufffd")
        return text


class Lines:
    """A text's lines by number from 0, as spans without their ends."""

    def __init__(self, text: str) -> None:
        self.text = text
        breaks = [found.span() for found in _NEWLINE.finditer(text)]
        self.starts = [0, *(end for _, end in breaks)]
        self._ends = [*(start for start, _ in breaks), len(text)]

    def __len__(self) -> int:
        return len(self.starts)

    def span(self, first: int, beyond: int) -> tuple[int, int]:
        """From the start of line `first` to the end of the line before `beyond`."""
        return self.starts[first], self._ends[beyond - 1]

    def blank(self, number: int) -> bool:
        """Whether there is nothing but white space on the line."""
        start, end = self.span(number, number + 1)
        return not self.text[start:end].strip()

    def paragraphs(self, first: int, beyond: int) -> list[tuple[int, int]]:
        """Runs of lines that are not blank, as (first, beyond)."""
        found: list[tuple[int, int]] = []
        for number in range(first, beyond):
            if self.blank(number):
                continue
            if found and found[-1][1] == number:
                found[-1] = (found[-1][0], number + 1)
            else:
                found.append((number, number + 1))
        return found


class Segments:
    """Collects segments in order of their place in the text."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._segments: list[Segment] = []
        self._characters = 0
        self._known = (0, 0)
        """A place that was counted already: characters before it, UTF-16 units before it."""

    def add(
        self,
        kind: SegmentKind,
        span: tuple[int, int],
        *,
        path: tuple[str, ...] = (),
        level: int | None = None,
        header: str | None = None,
    ) -> None:
        """Add the text of a span without white space around it, in pieces if it is overlong."""
        for start, end in pieces(self._lines.text, *span):
            body = self._lines.text[start:end]
            # An indented first line of code keeps its indentation.
            lead = body.lstrip("\r\n") if kind is SegmentKind.CODE else body.lstrip()
            place = start + len(body) - len(lead)
            text = lead.rstrip()
            if not text.strip():
                continue
            self._characters += len(text)
            check_size(len(self._segments), self._characters)
            self._segments.append(
                Segment(
                    index=len(self._segments),
                    kind=kind,
                    text=text,
                    anchor=TextAnchor(
                        offset=self._utf16(place),
                        length=units(text),
                        line=bisect_right(self._lines.starts, place),
                    ),
                    heading_path=path,
                    level=level,
                    table_header=header,
                )
            )

    def extracted(self, media_type: str, notes: Counter[str]) -> Extracted:
        """The outcome of the reader. Raises: `NoText`."""
        if not self._segments:
            raise NoText
        return Extracted(
            media_type=media_type,
            segments=tuple(self._segments),
            notes={name: count for name, count in sorted(notes.items()) if count},
        )

    def _utf16(self, place: int) -> int:
        characters, counted = self._known
        counted += units(self._lines.text[characters:place])
        self._known = (place, counted)
        return counted


def units(text: str) -> int:
    """How many UTF-16 code units a text has."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
