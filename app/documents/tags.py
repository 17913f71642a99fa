"""Formatting through a model: text with tags out of runs, and runs out of the text with tags that comes back.

`<g2>bold</g2>` surrounds text that stands out of its paragraph; `<x3/>` stands for something opaque: a
break, a note, a field, a picture, the border of a cell. What looks like a tag in the document's own text
is escaped, and only that, so that ordinary text reaches the model as it is. Opaque things at the very
ends are not shown: they go back where they were.

    every tag once                        ok          pieces in the answer's order
    an opaque tag lost                    repaired    put back where it stood in proportion
    a formatting tag lost                 repaired    if its text occurs word for word, else degraded
    doubled, unknown, malformed           degraded    each paragraph in its usual formatting, opaque things kept
    an opaque tag in another paragraph    repaired    put back into its own, where it stood in proportion
    a formatting tag in another           degraded    that text in its own paragraph's usual formatting
    a paragraph or cell without its text  degraded    written so
    borders of cells lost or reordered    refused     no runs: the text belongs to no cell
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from app.documents.runs import joined, shown_text
from app.documents.segments import Run, RunKind

_TAG = re.compile(r"<\s*(/?)\s*([gx])(\d{1,6})\s*(/?)\s*>")
_LITERAL = re.compile(rf"&(?=(?:amp|lt);)|<(?={_TAG.pattern[1:]})")
_ESCAPED = re.compile(rf"&amp;(?=(?:amp|lt);)|&lt;(?={_TAG.pattern[1:]})")


class Kept(StrEnum):
    """What became of the formatting of a segment."""

    OK = "ok"
    REPAIRED = "repaired"
    """All of it is there; something was put right."""
    DEGRADED = "degraded"
    """Some of it is lost; text and opaque things are there."""
    REFUSED = "refused"
    """Nothing can be written."""


@dataclass(frozen=True)
class Answer:
    """Runs in the answer's order, and what was found wrong: lost, doubled, unknown, malformed,
    moved, borders, emptied, empty.
    """

    runs: tuple[Run, ...]
    kept: Kept
    faults: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What a reader sees."""
        return shown_text(self.runs)


def escape(text: str) -> str:
    """Text in which nothing looks like a tag. `unescape` gives it back exactly."""
    return _LITERAL.sub(lambda found: "&amp;" if found[0] == "&" else "&lt;", text)


def unescape(text: str) -> str:
    """The text that `escape` was given."""
    return _ESCAPED.sub(lambda found: "&" if found[0] == "&amp;" else "<", text)


def with_tags(runs: Sequence[Run]) -> str:
    """The runs as one text for a model."""
    _, inner, _ = _edges(runs)
    parts: list[str] = []
    for run in inner:
        if run.kind is not RunKind.TEXT:
            parts.append(f"<x{run.tag}/>")
        elif run.tag:
            parts.append(f"<g{run.tag}>{escape(run.text)}</g{run.tag}>")
        else:
            parts.append(escape(run.text))
    return "".join(parts)


def from_tags(answer: str, runs: Sequence[Run]) -> Answer:
    """What a model's answer to `with_tags(runs)` means."""
    before, inner, after = _edges(runs)
    body = answer.strip()
    has_words = any(run.kind is RunKind.TEXT and run.text.strip() for run in inner)
    if has_words and not _TAG.sub("", body).strip():
        return Answer((), Kept.REFUSED, ("empty",))
    reading = _Reading(inner, {run.tag for run in (*before, *after)})
    reading.read(body)
    faults = reading.faults
    if reading.borders != [run.tag for run in inner if run.kind is RunKind.JOINT]:
        return Answer((), Kept.REFUSED, tuple(dict.fromkeys((*faults, "borders"))))
    pieces, moved = _at_home(reading.pieces, inner)
    pieces = _with_ends(pieces, inner)
    kept = Kept.DEGRADED if any(run.kind is RunKind.TEXT for run in moved) else Kept.OK
    if faults:
        kept = Kept.DEGRADED
        pieces = [piece if piece.kind is not RunKind.TEXT else Run(piece.text) for piece in pieces]
    else:
        lost = [run for run in inner if run.tag and run.kind is RunKind.TEXT and run.tag not in reading.seen]
        for run in lost:
            found = _wrapped(pieces, run, inner)
            kept = Kept.DEGRADED if found is None or kept is Kept.DEGRADED else Kept.REPAIRED
            pieces = pieces if found is None else found
        faults += ["lost"] * bool(lost)
    there = {piece.tag for piece in (*before, *pieces, *after)}
    missing = [run for run in inner if run.kind is not RunKind.TEXT and run.tag not in there]
    for run in missing:
        pieces = _put_back(pieces, run, inner)
    faults += ["lost"] * any(run.tag not in reading.seen for run in missing) + ["moved"] * bool(moved)
    if _have_words(inner) - _have_words(pieces):
        kept, faults = Kept.DEGRADED, [*faults, "emptied"]
    elif kept is Kept.OK and (missing or reading.emptied):
        kept, faults = Kept.REPAIRED, faults or ["emptied"]
    return Answer(tuple(joined([*before, *pieces, *after])), kept, tuple(dict.fromkeys(faults)))


class _Reading:
    """One pass over an answer."""

    def __init__(self, runs: Sequence[Run], known: set[int]) -> None:
        self.pieces: list[Run] = []
        self.seen: set[int] = set(known)
        self.borders: list[int] = []
        self.faults: list[str] = []
        self.emptied = False
        self._opaque = {run.tag: run for run in runs if run.kind is not RunKind.TEXT}
        self._formatted = {run.tag for run in runs if run.kind is RunKind.TEXT and run.tag}
        self._literal = shown_text(runs)
        self._open: list[int] = []

    def read(self, text: str) -> None:
        """Take the whole answer."""
        at = 0
        for found in _TAG.finditer(text):
            self._text(text[at : found.start()])
            at = found.end()
            self._tag(found)
        self._text(text[at:])
        if self._open:
            self.faults.append("malformed")

    def _text(self, text: str) -> None:
        if text:
            self.pieces.append(Run(unescape(text), self._open[-1] if self._open else 0))

    def _tag(self, found: re.Match[str]) -> None:
        closing, letter, number, alone = found.groups()
        tag = int(number)
        if tag not in (self._opaque if letter == "x" else self._formatted):
            if found[0] in self._literal:
                # The document's own text, which the model wrote without its escape.
                self._text(found[0])
            else:
                self.faults.append("unknown")
        elif letter == "x":
            self._item(tag, is_closing=bool(closing))
        elif closing:
            self._close(tag)
        elif tag in self.seen:
            self.faults.append("doubled")
            self._open += [] if alone else [tag]
        else:
            self.seen.add(tag)
            self._open.append(tag)
            if alone:
                self._close(tag)

    def _item(self, tag: int, *, is_closing: bool) -> None:
        if is_closing:
            self.faults.append("malformed")
            return
        run = self._opaque[tag]
        if run.kind is RunKind.JOINT:
            self.borders.append(tag)
        elif tag in self.seen:
            self.faults.append("doubled")
            return
        self.seen.add(tag)
        self.pieces.append(run)

    def _close(self, tag: int) -> None:
        if not self._open or self._open[-1] != tag:
            self.faults.append("malformed")
            self._open = [each for each in self._open if each != tag]
            return
        self._open.pop()
        self.emptied |= not any(piece.tag == tag and piece.text for piece in self.pieces)


def _edges(runs: Sequence[Run]) -> tuple[Sequence[Run], Sequence[Run], Sequence[Run]]:
    """Opaque things before all text and after it, and what is between."""
    shown = [at for at, run in enumerate(runs) if run.kind in {RunKind.TEXT, RunKind.JOINT}]
    if not shown:
        return runs, (), ()
    first, last = shown[0], shown[-1] + 1
    return runs[:first], runs[first:last], runs[last:]


def _at_home(pieces: Sequence[Run], source: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """The pieces without what does not belong to its paragraph, and that: opaque things, and formatted text.

    Such text stays where it is, in the usual formatting of the place.
    """
    homes = dict(_placed(source))
    found: list[Run] = []
    moved: list[Run] = []
    for piece, (_, paragraph) in zip(pieces, _placed(pieces), strict=True):
        if not piece.tag or piece.kind is RunKind.JOINT or homes[piece.tag] == paragraph:
            found.append(piece)
            continue
        if piece.kind is RunKind.TEXT:
            found.append(Run(piece.text))
        if piece.kind is not RunKind.TEXT or piece.text.strip():
            moved.append(piece)
    return found, moved


def _placed(runs: Sequence[Run]) -> Iterator[tuple[int, int]]:
    """The tag and the paragraph of each run."""
    paragraph = 0
    for run in runs:
        paragraph += run.kind is RunKind.JOINT
        yield run.tag, paragraph


def _have_words(runs: Sequence[Run]) -> set[int]:
    """The paragraphs that say something in text that can be written."""
    return {
        paragraph
        for run, (_, paragraph) in zip(runs, _placed(runs), strict=True)
        if run.kind is RunKind.TEXT and any(map(str.isalnum, run.text))
    }


def _with_ends(pieces: list[Run], source: Sequence[Run]) -> list[Run]:
    """The pieces with the white space that the source has at its ends: models drop it."""
    if source and source[0].kind is RunKind.TEXT:
        text = source[0].text
        lead = Run(text[: len(text) - len(text.lstrip())])
        if pieces and pieces[0].kind is RunKind.TEXT:
            pieces[0] = replace(pieces[0], text=lead.text + pieces[0].text.lstrip())
        else:
            pieces.insert(0, lead)
    if source and source[-1].kind is RunKind.TEXT:
        text = source[-1].text
        trail = Run(text[len(text.rstrip()) :])
        if pieces and pieces[-1].kind is RunKind.TEXT:
            pieces[-1] = replace(pieces[-1], text=pieces[-1].text.rstrip() + trail.text)
        else:
            pieces.append(trail)
    return pieces


def _wrapped(pieces: Sequence[Run], run: Run, source: Sequence[Run]) -> list[Run] | None:
    """The pieces with the text of a lost run formatted again, if it stands once and word for word in its paragraph."""
    wanted = run.text.strip()
    start, end = _span(pieces, dict(_placed(source))[run.tag])
    if not wanted or sum(piece.text.count(wanted) for piece in pieces[start:end]) != 1:
        return None
    for at in range(start, end):
        piece = pieces[at]
        if piece.tag == 0 and wanted in piece.text:
            before, _, after = piece.text.partition(wanted)
            return [*pieces[:at], Run(before), Run(wanted, run.tag), Run(after), *pieces[at + 1 :]]
    return None


def _put_back(pieces: Sequence[Run], run: Run, source: Sequence[Run]) -> list[Run]:
    """The pieces with a lost opaque thing between two words, as far into its paragraph as it was."""
    at = source.index(run)
    paragraph = sum(each.kind is RunKind.JOINT for each in source[:at])
    start, end = _span(source, paragraph)
    share = len(shown_text(source[start:at])) / max(1, len(shown_text(source[start:end])))
    start, end = _span(pieces, paragraph)
    left = round(share * len(shown_text(pieces[start:end])))
    found = list(pieces)
    for position in range(start, end):
        piece = pieces[position]
        if left <= len(piece.text) and piece.kind is RunKind.TEXT:
            cut = _word_end(piece.text, left)
            halves = [Run(piece.text[:cut], piece.tag), run, Run(piece.text[cut:], piece.tag)]
            found[position : position + 1] = halves
            return found
        left = max(0, left - len(piece.text))
    found.insert(end, run)
    return found


def _span(runs: Sequence[Run], paragraph: int) -> tuple[int, int]:
    """Where a paragraph of a segment starts and ends among its runs, borders not included."""
    borders = [-1, *(at for at, run in enumerate(runs) if run.kind is RunKind.JOINT), len(runs)]
    return borders[paragraph] + 1, borders[paragraph + 1]


def _word_end(text: str, at: int) -> int:
    if at == 0:
        return 0
    while at < len(text) and not text[at].isspace():
        at += 1
    return at
