"""From lines with boxes to paragraphs: what a page does not say and a person sees at once."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

_LIST_ITEM = re.compile(r"[•●▪◦‣–*·o-]\s+\S|\(?(?:\d{1,3}|[a-z])[.)]\s+\S")
_SENTENCE_END = (".", "!", "?", ":", "。", "！", "？", '"', "”", ")")
_DIGITS = re.compile(r"\d+")
_EDGE = 0.09
"""Share of a page's height at top and bottom in which running headers stand."""
_HEADING_RATIO = 1.15
_LONGEST_HEADING = 200


@dataclass(frozen=True)
class Line:
    """A line of text on a page from 1; box as left, bottom, right, top in points."""

    text: str
    page: int
    box: tuple[float, float, float, float]
    page_height: float
    text_index: int = 0
    """Of its first character in the page's text, in UTF-16 units."""

    @property
    def size(self) -> float:
        """Height of the line's font."""
        return self.box[3] - self.box[1]


@dataclass
class Block:
    """A paragraph: its lines, all on one page."""

    lines: list[Line] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The lines as one text; a word cut by a hyphen at a line's end is put together with it."""
        joined = ""
        for line in self.lines:
            glue = "" if not joined or (joined[-1] in "-\u00ad" and joined[-2:-1].isalpha()) else " "
            joined += glue + line.text
        return joined

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The box around all lines, rounded to tenths of a point."""
        lefts, bottoms, rights, tops = zip(*(line.box for line in self.lines), strict=True)
        return (
            round(min(lefts), 1),
            round(min(bottoms), 1),
            round(max(rights), 1),
            round(max(tops), 1),
        )

    @property
    def is_list_item(self) -> bool:
        """Whether it begins with a bullet or a number."""
        return _LIST_ITEM.match(self.lines[0].text) is not None


def without_running_headers(pages: Sequence[Sequence[Line]]) -> tuple[list[list[Line]], list[Line]]:
    """The pages without lines that stand at the edge of most pages, and each of those lines once.

    Numbers count as equal, so that page numbers do not hide a header. Only from three pages on.
    """
    found: Counter[str] = Counter()
    for page in pages:
        found.update({_pattern(line) for line in page if _at_edge(line)})
    running = {pattern for pattern, count in found.items() if count >= 3 and count * 2 > len(pages)}
    once: dict[str, Line] = {}
    body: list[list[Line]] = []
    for page in pages:
        kept: list[Line] = []
        for line in page:
            if _at_edge(line) and _pattern(line) in running:
                once.setdefault(_pattern(line), line)
            else:
                kept.append(line)
        body.append(kept)
    return body, list(once.values())


def paragraphs(lines: Sequence[Line]) -> list[Block]:
    """The paragraphs of one page, in the order of its content."""
    if not lines:
        return []
    gaps = [upper.box[1] - lower.box[3] for upper, lower in pairwise(lines)]
    usual_gap = median([gap for gap in gaps if 0 <= gap < 3 * lines[0].size] or [0.0])
    right_margin = max(line.box[2] for line in lines)
    blocks = [Block([lines[0]])]
    for line in lines[1:]:
        block = blocks[-1]
        if _starts_paragraph(block, line, usual_gap=usual_gap, right_margin=right_margin):
            blocks.append(Block([line]))
        else:
            block.lines.append(line)
    return blocks


def heading_levels(blocks: Sequence[Block]) -> dict[int, int]:
    """Heading level by position in `blocks`: short texts in a font clearly larger than the body's."""
    weights: Counter[float] = Counter()
    for block in blocks:
        for line in block.lines:
            weights[_rounded(line.size)] += len(line.text)
    if not weights:
        return {}
    body = max(weights, key=lambda size: weights[size])
    sizes = {
        number: _rounded(block.lines[0].size)
        for number, block in enumerate(blocks)
        if block.lines[0].size > body * _HEADING_RATIO and _could_be_heading(block.text)
    }
    ranks = {size: rank for rank, size in enumerate(sorted(set(sizes.values()), reverse=True), start=1)}
    return {number: min(ranks[size], 6) for number, size in sizes.items()}


def _starts_paragraph(block: Block, line: Line, *, usual_gap: float, right_margin: float) -> bool:
    last = block.lines[-1]
    gap = last.box[1] - line.box[3]
    if -gap > 0.5 * min(last.size, line.size):
        # Beside the last line is the same row; above it is a new column.
        return line.box[3] > last.box[3] + 0.5 * last.size
    larger, smaller = max(last.size, line.size), max(min(last.size, line.size), 0.1)
    if larger / smaller > _HEADING_RATIO or gap > usual_gap + 0.35 * last.size:
        return True
    if _LIST_ITEM.match(line.text):
        return True
    indented = line.box[0] - last.box[0] > 0.8 * line.size
    if indented and not block.is_list_item:
        return True
    ended_early = last.box[2] < right_margin - 4 * last.size
    # A centred title above text at the margin is two paragraphs.
    moved = abs(line.box[0] - last.box[0]) > 3 * last.size
    return ended_early and (moved or last.text.endswith(_SENTENCE_END))


def _could_be_heading(text: str) -> bool:
    return (
        len(text) <= _LONGEST_HEADING
        and any(character.isalpha() for character in text)
        and not text.endswith((".", ",", ";"))
    )


def _at_edge(line: Line) -> bool:
    margin = line.page_height * _EDGE
    return line.box[1] > line.page_height - margin or line.box[3] < margin


def _pattern(line: Line) -> str:
    return _DIGITS.sub("#", line.text)


def _rounded(size: float) -> float:
    return round(size * 2) / 2
