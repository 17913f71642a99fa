"""A mail as segments: a line for each header, then the text, with what it repeats of earlier mails below its mark.

Quoted text is content like any other (a thread is read to its beginning); its heading path says whose it is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.documents.readers.collecting import Collector
from app.documents.readers.html_blocks import Block, blocks
from app.documents.readers.pieces import pieces
from app.documents.segments import OutlookAnchor
from app.vocabulary import SegmentKind

QUOTE_CHARACTERS = 120
_QUOTED_LEVEL = 9
_QUOTED = "Quoted"
_PREFIX = re.compile(r"^[ \t]*>[> \t]?")
_ATTRIBUTION = re.compile(
    r"^(?:-{2,}\s*(?:original message|ursprüngliche nachricht|message d'origine|forwarded message|weitergeleitete"
    r" nachricht)\s*-{2,}|_{10,}|(?:on|am|le)\b.{6,200}\b(?:wrote|schrieb.{0,80}|a écrit)\s?:)$",
    re.IGNORECASE | re.DOTALL,
)
_COPIED_HEADER = re.compile(
    r"^\*?(?:from|von|de)\s?:\*?\s.{1,300}\n\*?(?:sent|gesendet|envoyé|date|datum)\s?:", re.IGNORECASE
)


@dataclass(frozen=True)
class Body:
    """A text that is shown."""

    text: str
    is_html: bool


@dataclass(frozen=True)
class Written:
    """A mail's parts as text."""

    headers: tuple[tuple[str, str], ...]
    bodies: tuple[Body, ...]
    attachments: tuple[str, ...]


def add_mail(mail: Written, collector: Collector, *, within: str, level: int) -> None:
    """Add a mail's segments; `within` is the path of the mails around it, `level` how deep its subject stands."""
    subject = dict(mail.headers).get("Subject", "")
    if subject:
        _add(collector, SegmentKind.HEADING, subject, f"{within}headers", level=level)
    else:
        collector.enter(level, "Mail")
    for name, value in mail.headers:
        if name != "Subject":
            _add(collector, SegmentKind.MAIL_PART, f"{name}: {value}", f"{within}headers")
    if mail.attachments:
        collector.notes["attachments"] += len(mail.attachments)
        _add(
            collector,
            SegmentKind.MAIL_PART,
            f"Attachments: {', '.join(mail.attachments)}",
            f"{within}headers",
        )
    for body in mail.bodies:
        found = blocks(body.text, collector.notes) if body.is_html else text_blocks(body.text)
        _add_body(found, collector, f"{within}body", level)


def _add_body(found: Iterator[Block], collector: Collector, part: str, level: int) -> None:
    was_quoted = rest_is_quoted = False
    below = level + _QUOTED_LEVEL
    for block in found:
        marks = block.kind is SegmentKind.PARAGRAPH and is_attribution(block.text)
        rest_is_quoted = rest_is_quoted or (marks and _closes(block.text))
        is_quoted = marks or block.quoted or rest_is_quoted
        collector.notes["quoted_paragraphs"] += is_quoted
        if marks or is_quoted > was_quoted:
            collector.enter(below, block.text if marks else _QUOTED)
        elif was_quoted and not is_quoted:
            collector.leave(below)
        kind = SegmentKind.MAIL_PART if marks else block.kind
        depth = None if block.level is None else (below if is_quoted else level) + block.level
        for start, end in pieces(block.text, 0, len(block.text)):
            _add(collector, kind, block.text[start:end], part, level=depth, header=block.header)
        was_quoted = is_quoted


def _add(
    collector: Collector,
    kind: SegmentKind,
    text: str,
    part: str,
    *,
    level: int | None = None,
    header: str | None = None,
) -> None:
    anchor = OutlookAnchor(part=part, quote=text.strip()[:QUOTE_CHARACTERS])
    collector.add(kind, text, anchor, level=level, header=header)


def is_attribution(text: str) -> bool:
    """Whether a paragraph says that an earlier mail follows, in English, German or French."""
    return len(text) < 600 and (_ATTRIBUTION.match(text) or _COPIED_HEADER.match(text)) is not None


def _closes(text: str) -> bool:
    """Whether all that follows is quoted: after a line or copied headers, not after "Ann wrote:"."""
    return text.startswith(("-", "_")) or _COPIED_HEADER.match(text) is not None


def text_blocks(text: str) -> Iterator[Block]:
    """Paragraphs of a plain text; those whose lines all begin with ">" are quoted and lose it."""
    for paragraph in re.split(r"\n[ \t]*(?:>[> \t]*)?\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        for quoted, lines in _same(paragraph.split("\n")):
            yield Block(SegmentKind.PARAGRAPH, "\n".join(lines).strip(), quoted=quoted)


def _same(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Runs of lines that are quoted, and of others."""
    run: list[str] = []
    quoted = False
    for line in lines:
        found = _PREFIX.match(line)
        if run and (found is not None) != quoted:
            yield quoted, run
            run = []
        quoted = found is not None
        while found is not None:
            line = line[found.end() :]  # noqa: PLW2901 (quotes of quotes)
            found = _PREFIX.match(line)
        run.append(line)
    if run:
        yield quoted, run
