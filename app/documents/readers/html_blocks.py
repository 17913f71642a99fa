"""The blocks that a page shows, in order: walked without recursion, because pages nest as deep as they like.

selectolax gives the tree as browsers build it. What a reader does not see (hidden elements, scripts, comments,
alternatives for other programs) is no text; hidden elements that hold some are counted.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from app.documents.errors import TooComplex
from app.documents.readers.hiding import count_hidden
from app.vocabulary import SegmentKind

_UNSHOWN = frozenset(
    {
        "script",
        "style",
        "template",
        "noscript",
        "head",
        "iframe",
        "object",
        "svg",
        "math",
        "select",
        "datalist",
    }
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hr",
        "html",
        "legend",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
        "li",
        "title",
    ]
) | frozenset(_HEADINGS)
_HIDING = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|mso-hide\s*:\s*all"
    r"|opacity\s*:\s*0*\.?0+(?![.\d])|font-size\s*:\s*(?:0*\.?0+(?:px|pt|em|rem|%)?|0*[12](?:\.0*)?(?:px|pt))\s*(?:;|!|$))",
    re.IGNORECASE,
)
_AT_RULE = re.compile(r"@[^{};]*(?:;|\{(?:[^{}]*\{[^{}]*\})*[^{}]*\})")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_PLAIN_SELECTOR = re.compile(r"[.#][\w-]+")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_NEST_NOT = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "p",
        "li",
        "dt",
        "dd",
        "td",
        "th",
        "tr",
        "tbody",
        "thead",
        "tfoot",
        "option",
        "optgroup",
        "colgroup",
        "html",
        "head",
        "body",
    ]
)
"""Elements that are empty, or that the next of their kind closes."""
DEEPEST = 2_000
"""Elements within elements; browsers stop at 512. The parser's work grows with the square of it."""
_MOST_STYLE = 200_000
_MOST_CELLS = 500


@dataclass(frozen=True)
class Block:
    """A piece of text in a row. `quoted` says that a mail repeats it from an earlier one."""

    kind: SegmentKind
    text: str
    level: int | None = None
    header: str | None = None
    quoted: bool = False


def blocks(markup: str, notes: Counter[str]) -> Iterator[Block]:
    """The blocks of a page or of a mail's body. Raises: `TooComplex`."""
    _refuse_depth(markup)
    tree = LexborHTMLParser(markup)
    if tree.root is not None:
        yield from _Walk(notes, _hidden_by_rule(tree)).walk(tree.root)


def _refuse_depth(markup: str) -> None:
    depth = 0
    for closes, tag in _TAG.findall(markup):
        if tag.lower() in _NEST_NOT:
            continue
        depth = max(0, depth - 1) if closes else depth + 1
        if depth > DEEPEST:
            raise TooComplex(
                f"The page's elements lie more than {DEEPEST:,} deep in one another; simplify it and send it again."
            )


def _hidden_by_rule(tree: LexborHTMLParser) -> frozenset[str]:
    """Classes (".x") and ids ("#x") that the page's own style hides everywhere."""
    style = " ".join(node.text() for node in tree.css("style"))[:_MOST_STYLE]
    found: set[str] = set()
    for selectors, rules in _RULE.findall(_AT_RULE.sub(" ", style)):
        if _HIDING.search(rules):
            found.update(
                each.strip() for each in selectors.split(",") if _PLAIN_SELECTOR.fullmatch(each.strip())
            )
    return frozenset(found)


class _Walk:
    def __init__(self, notes: Counter[str], hidden: frozenset[str]) -> None:
        self._notes = notes
        self._hidden = hidden
        self._pieces: list[str] = []
        self._kind = SegmentKind.PARAGRAPH
        self._level: int | None = None
        self._verbatim = 0
        self._quotes = 0
        self._rest_is_quoted = False

    def walk(self, root: LexborNode) -> Iterator[Block]:
        """All blocks below `root`."""
        for node, begins in _steps(root, self._enters):
            tag = node.tag or ""
            if tag == "-text":
                text = node.text_content or ""
                self._pieces.append(text if self._verbatim else _SPACE.sub(" ", text))
            elif tag == "table" and begins and is_data(node):
                yield from self._flush()
                yield from self._rows(node)
            elif tag == "br":
                self._pieces += ["\n"] if begins else []
            elif tag in _BLOCKS or _quotes(node):
                yield from self._flush()
                self._border(node, tag, 1 if begins else -1)
            elif begins:
                self._count(tag)
        yield from self._flush()

    def _enters(self, node: LexborNode) -> bool:
        """Whether what is inside counts; a table of data is read as a whole."""
        tag = node.tag or ""
        if tag in _UNSHOWN:
            return tag == "head"
        parent = node.parent
        if parent is not None and parent.tag == "head":
            return tag == "title"
        if tag.startswith(("-", "!")):
            return True
        if self._is_hidden(node):
            count_hidden(self._notes, [node.text(separator=" ", strip=True)])
            return False
        return True

    def _is_hidden(self, node: LexborNode) -> bool:
        attributes = node.attributes
        if "hidden" in attributes or _HIDING.search(attributes.get("style") or ""):
            return True
        if not self._hidden:
            return False
        names = {f".{name}" for name in (attributes.get("class") or "").split()}
        return not self._hidden.isdisjoint(names | {f"#{attributes.get('id')}"})

    def _count(self, tag: str) -> None:
        self._notes["images"] += tag == "img"
        self._notes["links"] += tag == "a"

    def _border(self, node: LexborNode, tag: str, step: int) -> None:
        """A block begins or ends: what follows is of another kind."""
        self._level = _HEADINGS.get(tag) if step > 0 else None
        self._verbatim += step * (tag == "pre")
        self._quotes += step * _quotes(node)
        if (node.attributes.get("id") or "") in {"divRplyFwdMsg", "appendonsend"}:
            # Outlook puts the earlier mail behind this mark, not into it.
            self._rest_is_quoted = True
        if step > 0 and tag in {"li", "dd", "dt"}:
            self._kind = SegmentKind.LIST_ITEM
        elif tag in {"li", "dd", "dt", "ul", "ol", "dl"} or step > 0:
            self._kind = SegmentKind.PARAGRAPH

    def _flush(self) -> Iterator[Block]:
        raw, self._pieces = "".join(self._pieces), []
        text = raw.strip("\n") if self._verbatim else _collapsed(raw)
        if not text.strip():
            return
        if self._level is not None:
            yield Block(SegmentKind.HEADING, text, level=self._level, quoted=self._is_quoted)
        else:
            kind = SegmentKind.CODE if self._verbatim else self._kind
            yield Block(kind, text, quoted=self._is_quoted)

    @property
    def _is_quoted(self) -> bool:
        return self._quotes > 0 or self._rest_is_quoted

    def _rows(self, table: LexborNode) -> Iterator[Block]:
        header: str | None = None
        rows = [row for row in table.css("tr") if self._enters(row)]
        for number, row in enumerate(rows):
            cells = [cell for cell in _children(row) if cell.tag in {"td", "th"}][:_MOST_CELLS]
            text = " | ".join(self._cell(cell) for cell in cells).rstrip(" |")
            if text:
                yield Block(SegmentKind.TABLE_ROW, text, header=header, quoted=self._is_quoted)
            if number == 0 and len(rows) > 1:
                header = text or None

    def _cell(self, cell: LexborNode) -> str:
        if not self._enters(cell):
            return ""
        texts: list[str] = []
        for node, begins in _steps(cell, self._enters):
            tag = node.tag or ""
            if tag == "-text":
                texts.append(node.text_content or "")
            elif tag in _BLOCKS or tag == "br":
                texts.append(" ")
            elif begins:
                self._count(tag)
        return " ".join("".join(texts).split())


def is_data(table: LexborNode) -> bool:
    """Whether a table holds data; else it lays out a page, as in most mails, and its cells are read as blocks."""
    if (table.attributes.get("role") or "") == "presentation":
        return False
    # A query finds the element itself too.
    if any(inner.mem_id != table.mem_id for inner in table.css("table")):
        return False
    rows = table.css("tr")
    widths = [sum(cell.tag in {"td", "th"} for cell in _children(row)) for row in rows]
    if not widths or max(widths) < 2:
        return False
    return table.css_first("th") is not None or (
        min(widths) > 1 and table.css_first("h1, h2, h3, h4, ul, ol, blockquote, p + p") is None
    )


def _quotes(node: LexborNode) -> bool:
    """Whether an element holds what a mail repeats of an earlier one: as Gmail, Apple, Thunderbird and Yahoo mark it."""
    if node.tag not in {"div", "blockquote"}:
        return False
    classes = (node.attributes.get("class") or "").split()
    return node.attributes.get("type") == "cite" or not {"gmail_quote", "yahoo_quoted"}.isdisjoint(classes)


def _children(node: LexborNode) -> Iterator[LexborNode]:
    each = node.first_child
    while each is not None:
        yield each
        each = each.next


def _steps(root: LexborNode, enters: Callable[[LexborNode], bool]) -> Iterator[tuple[LexborNode, bool]]:
    """Each node when it begins (True) and, unless it is text, when it ends (False); `root` itself is left out."""
    open_nodes: list[LexborNode] = []
    node = root.first_child
    while node is not None or open_nodes:
        if node is None:
            done = open_nodes.pop()
            yield done, False
            node = done.next
        elif node.tag == "-text":
            yield node, True
            node = node.next
        elif node.tag is None or node.tag.startswith(("-", "!")) or not enters(node):
            node = node.next
        else:
            yield node, True
            # A table that was read as a whole is not gone into.
            if node.tag == "table" and is_data(node):
                node = node.next
            else:
                open_nodes.append(node)
                node = node.first_child


def _collapsed(raw: str) -> str:
    """The text with white space as a browser shows it; lines stay where the page breaks them."""
    return "\n".join(line for line in (" ".join(each.split()) for each in raw.split("\n")) if line)
