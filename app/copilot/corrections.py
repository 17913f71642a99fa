"""Corrections written into the runs of a text, word by word: what stays of it keeps its place and its formatting."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, groupby
from typing import Any

from rapidfuzz.distance import LCSseq, Postfix, Prefix

from app.documents.runs import joined
from app.documents.segments import Run, RunKind, Segment
from app.documents.tags import Kept

_TOKENS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Corrected:
    """A segment's runs after its corrections. `unapplied` are issues over a field, a note or the like: left as it is."""

    runs: tuple[Run, ...]
    kept: Kept
    unapplied: int


@dataclass(frozen=True)
class _Edit:
    """New text for the characters `start` to `end`; an optional one is only white space that is written otherwise."""

    start: int
    end: int
    text: str
    is_optional: bool = False


def corrected(segment: Segment, issues: Sequence[Mapping[str, Any]]) -> Corrected:
    """The segment with every suggestion in its place; `issues` lie apart, in the order of the text."""
    runs: Sequence[Run] = segment.runs or (Run(segment.text),)
    kept, unapplied = Kept.OK, 0
    for issue in reversed(issues):
        _, start, end = issue["piece"]
        edits = list(_edits(start, segment.text[start:end], issue["suggestion"]))
        free = [edit for edit in edits if not any(run.kind is not RunKind.TEXT for run in _over(runs, edit))]
        if any(edit not in free and not edit.is_optional for edit in edits):
            unapplied += 1
            continue
        for edit in reversed(free):
            if edit.text and len({run.tag for run in _over(runs, edit)}) > 1:
                kept = Kept.DEGRADED
            runs = _written(runs, edit)
    return Corrected(tuple(joined(runs)), kept, unapplied)


def _edits(start: int, old: str, new: str) -> Iterator[_Edit]:
    """What is to be done to `old`, which begins at `start`, in order."""
    before, after = _TOKENS.findall(old), _TOKENS.findall(new)
    ends = list(accumulate(map(len, before), initial=0))
    keys = [[" " if token.isspace() else token for token in tokens] for tokens in (before, after)]
    for is_equal, group in groupby(LCSseq.opcodes(*keys), key=lambda one: one.tag == "equal"):
        opcodes = list(group)
        first, last = opcodes[0], opcodes[-1]
        if not is_equal:
            left, right = ends[first.src_start], ends[last.src_end]
            text = "".join(after[first.dest_start : last.dest_end])
            yield from _trimmed(_Edit(start + left, start + right, text), old[left:right])
            continue
        for at, place in enumerate(range(first.src_start, last.src_end)):
            wanted = after[first.dest_start + at]
            if before[place] != wanted:
                yield _Edit(start + ends[place], start + ends[place + 1], wanted, is_optional=True)


def _trimmed(edit: _Edit, old: str) -> Iterator[_Edit]:
    """The edit without the letters that it leaves alone at both ends; none where nothing changes."""
    front = int(Prefix.similarity(old, edit.text))
    most = min(len(old), len(edit.text)) - front
    back = min(most, int(Postfix.similarity(old, edit.text)))
    if front + back < max(len(old), len(edit.text)):
        yield _Edit(edit.start + front, edit.end - back, edit.text[front : len(edit.text) - back])


def _over(runs: Sequence[Run], edit: _Edit) -> list[Run]:
    """The runs some of whose text is replaced, or that something is put into."""
    return [run for run, at in _placed(runs) if at < edit.end and edit.start < at + len(run.text)]


def _written(runs: Sequence[Run], edit: _Edit) -> list[Run]:
    """The runs with new text, which looks like that in whose place it begins, or like that before it."""
    texts = [(run, at) for run, at in _placed(runs) if run.kind is RunKind.TEXT and run.text]
    inside = ((run, at) for run, at in texts if at < edit.end and edit.start < at + len(run.text))
    before = ((run, at) for run, at in texts if at + len(run.text) == edit.start == edit.end)
    behind = ((run, at) for run, at in texts if at == edit.start == edit.end)
    carrier = next(chain(inside, before, behind), None)
    found: list[Run] = []
    for run, at in _placed(runs):
        first, last = (min(max(place - at, 0), len(run.text)) for place in (edit.start, edit.end))
        if (run, at) == carrier:
            found.append(replace(run, text=run.text[:first] + edit.text + run.text[last:]))
        else:
            found.append(replace(run, text=run.text[:first] + run.text[last:]) if first < last else run)
    return found


def _placed(runs: Sequence[Run]) -> Iterator[tuple[Run, int]]:
    """Each run and the character at which it begins."""
    return zip(runs, accumulate((len(run.text) for run in runs), initial=0), strict=False)
