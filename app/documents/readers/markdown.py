"""Markdown: the parser says where blocks stand; a segment's text is the source there, markers included.

So nothing can be lost and an anchor is exact; what the parser gives no block (link definitions, rules)
becomes a paragraph or joins the block before it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.documents.readers.outline import Outline
from app.documents.readers.plain import Lines, Segments, decode
from app.documents.segments import Extracted
from app.vocabulary import SegmentKind

MEDIA_TYPE = "text/markdown"
_FRONT_MATTER = "---"
_LONGEST_FRONT_MATTER = 200


@dataclass(frozen=True)
class _Block:
    """Lines from `first` to before `beyond`. `title` is a heading's text without markers."""

    kind: SegmentKind
    first: int
    beyond: int
    level: int | None = None
    title: str = ""
    header_line: int | None = None


def read(content: bytes) -> Extracted:
    """Segments of a .md; nothing but white space is left out. Raises: documents.errors."""
    notes: Counter[str] = Counter()
    text = decode(content, notes)
    lines = Lines(text)
    segments, outline = Segments(lines), Outline()
    for block in _covering(_blocks(lines), lines):
        path = outline.path if block.level is None else outline.enter(block.level, block.title)
        header = None
        if block.header_line is not None:
            start, end = lines.span(block.header_line, block.header_line + 1)
            header = text[start:end].strip()
        segments.add(
            block.kind, lines.span(block.first, block.beyond), path=path, level=block.level, header=header
        )
    return segments.extracted(MEDIA_TYPE, notes)


def _blocks(lines: Lines) -> list[_Block]:
    """The leaf blocks, by the block rules alone: inline markup changes no line."""
    beyond = _front_matter(lines)
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    start = lines.starts[beyond] if beyond < len(lines) else len(lines.text)
    found = [_Block(SegmentKind.CODE, 0, beyond)] if beyond else []
    return found + [
        replace(
            block,
            first=block.first + beyond,
            beyond=min(block.beyond + beyond, len(lines)),
            header_line=None if block.header_line is None else block.header_line + beyond,
        )
        for block in _leaves(parser.parse(lines.text[start:]))
    ]


def _front_matter(lines: Lines) -> int:
    """The number of lines of a leading `---` block, which the parser would take for a heading."""

    def marks(number: int) -> bool:
        start, end = lines.span(number, number + 1)
        return lines.text[start:end].rstrip() == _FRONT_MATTER

    if len(lines) < 2 or not marks(0) or lines.blank(1):
        return 0
    closing = (number for number in range(1, min(len(lines), _LONGEST_FRONT_MATTER)) if marks(number))
    return next(closing, -1) + 1


def _leaves(tokens: Sequence[Token]) -> list[_Block]:
    found: list[_Block] = []
    list_depth = 0
    header_line: int | None = None
    for number, token in enumerate(tokens):
        first, beyond = token.map or (0, 0)
        match token.type:
            case "list_item_open":
                list_depth += 1
            case "list_item_close":
                list_depth -= 1
            case "heading_open":
                title = tokens[number + 1].content
                found.append(_Block(SegmentKind.HEADING, first, beyond, level=int(token.tag[1]), title=title))
            case "paragraph_open":
                kind = SegmentKind.LIST_ITEM if list_depth else SegmentKind.PARAGRAPH
                found.append(_Block(kind, first, beyond))
            case "fence" | "code_block":
                found.append(_Block(SegmentKind.CODE, first, beyond))
            case "html_block":
                found.append(_Block(SegmentKind.PARAGRAPH, first, beyond))
            case "thead_open":
                # The line of dashes below a header belongs to it.
                found.append(_Block(SegmentKind.TABLE_ROW, first, first + 2))
                header_line = first
            case "tr_open" if first != header_line:
                found.append(_Block(SegmentKind.TABLE_ROW, first, beyond, header_line=header_line))
            case _:
                pass
    return found


def _covering(blocks: list[_Block], lines: Lines) -> list[_Block]:
    """The same blocks without overlap, and blocks for the lines between them that are not blank."""
    whole: list[_Block] = []
    line = 0
    for block in [*blocks, _Block(SegmentKind.PARAGRAPH, len(lines), len(lines))]:
        first = max(block.first, line)
        for start, beyond in lines.paragraphs(line, first):
            low, high = lines.span(start, beyond)
            marker_only = not any(character.isalnum() for character in lines.text[low:high])
            if marker_only and whole and whole[-1].kind is not SegmentKind.HEADING:
                whole[-1] = replace(whole[-1], beyond=beyond)
            else:
                whole.append(_Block(SegmentKind.PARAGRAPH, start, beyond))
        line = max(line, block.beyond)
        if first < block.beyond:
            whole.append(replace(block, first=first))
    return whole
