"""What differs between two documents, by code: paragraphs that were changed, added, removed or moved.

Paragraphs that say the same (after the normalisation of quotes) are paired first, in order: those that stand once
in each document (patience diff), then a longest common subsequence of what lies between. What is left is paired by
likeness. What was removed here and added there in almost the same words was moved.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process
from rapidfuzz.distance import LCSseq

from app.copilot.dates import find_dates, has_changed_date
from app.copilot.figures import SourceFigures, written_figures
from app.documents.normalize import normalize
from app.documents.segments import Segment

_CHANGED = 55.0
"""Likeness from which on two paragraphs at the same place are one that was changed."""
_MOVED = 90.0
_MOVED_CHARACTERS = 24
"""What is shorter stands in a document twice anyhow."""
_MOST_ALIGNED = 400_000_000
"""Pairs of one gap in which the same paragraphs are looked for, a bit of memory each: 50 MB."""
_MOST_COMPARED = 400_000
"""Pairs of one gap that are compared; what is larger was written anew."""


class ChangeKind(StrEnum):
    """What happened to a paragraph."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"


@dataclass(frozen=True)
class Change:
    """A difference: positions in the list of segments, before and after; None where there is none."""

    kind: ChangeKind
    before: int | None
    after: int | None


def find_changes(segments: Sequence[Segment]) -> list[Change]:
    """The differences between document 0 and document 1, in the order of the later one."""
    sides: tuple[list[int], list[int]] = ([], [])
    for at, segment in enumerate(segments):
        if segment.document in {0, 1} and segment.text.strip():
            sides[segment.document].append(at)
    texts = {at: normalize(segments[at].text) for side in sides for at in side}
    changes: list[Change] = []
    for before, after in _between_same(*sides, texts):
        changes += _gap(before, after, texts)
    return _in_order(_with_moves(changes, texts))


def _between_same(
    before: Sequence[int], after: Sequence[int], texts: dict[int, str]
) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """What stands between paragraphs that are the same, in time near the number of paragraphs where most are."""
    low = start = 0
    for high, end in [*_same_once(before, after, texts), (len(before), len(after))]:
        old, new = before[low:high], after[start:end]
        low, start = high + 1, end + 1
        if len(old) * len(new) > _MOST_ALIGNED:
            yield old, new
            continue
        i = j = 0
        said = [texts[at] for at in old], [texts[at] for at in new]
        for same in LCSseq.opcodes(*said):
            if same.tag == "equal":
                yield old[i : same.src_start], new[j : same.dest_start]
                i, j = same.src_end, same.dest_end
        yield old[i:], new[j:]


def _same_once(before: Sequence[int], after: Sequence[int], texts: dict[int, str]) -> list[tuple[int, int]]:
    """Most positions of texts that stand once on each side, none crossing another: a longest rising subsequence."""
    counts = [Counter(texts[at] for at in side) for side in (before, after)]
    place = {texts[at]: number for number, at in enumerate(after) if counts[1][texts[at]] == 1}
    once = [
        (number, place[texts[at]])
        for number, at in enumerate(before)
        if counts[0][texts[at]] == 1 and texts[at] in place
    ]
    once.reverse()  # From the end, so that of equally many the first paragraph stays and the later one was moved.
    # Of the subsequences of each length: the last position, negated and the lowest there is, and whose it is.
    ends: list[int] = []
    last: list[int] = []
    next_of: list[int | None] = []
    for pair, (_, position) in enumerate(once):
        length = bisect_left(ends, -position)
        ends[length : length + 1], last[length : length + 1] = [-position], [pair]
        next_of.append(last[length - 1] if length else None)
    found: list[tuple[int, int]] = []
    pair_at = last[-1] if last else None
    while pair_at is not None:
        found.append(once[pair_at])
        pair_at = next_of[pair_at]
    return found


def figures_changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """Figures of the earlier text that the later one does not have, and the other way round, as they are written."""
    return _lacking(before, after), _lacking(after, before)


def _lacking(text: str, other: str) -> list[str]:
    source = SourceFigures.of(other)
    lacking = [written for written, one in written_figures(text) if not source.supports(one)]
    if not lacking and has_changed_date(other, text):
        known = find_dates(other)
        dates = [one for one in find_dates(text) if not any(map(one.is_like, known))]
        lacking = [text[one.start : one.end] for one in dates]
    return list(dict.fromkeys(lacking))


def _gap(before: Sequence[int], after: Sequence[int], texts: dict[int, str]) -> list[Change]:
    """Pair what stands between two paragraphs that are the same, so that none crosses another."""
    pairs = _pairs(before, after, texts)
    changed = [Change(ChangeKind.CHANGED, one, other) for one, other in pairs]
    paired = {at for pair in pairs for at in pair}
    removed = [Change(ChangeKind.REMOVED, at, None) for at in before if at not in paired]
    added = [Change(ChangeKind.ADDED, None, at) for at in after if at not in paired]
    return [*changed, *removed, *added]


def _pairs(before: Sequence[int], after: Sequence[int], texts: dict[int, str]) -> list[tuple[int, int]]:
    if not before or not after or len(before) * len(after) > _MOST_COMPARED:
        return []
    scores: npt.NDArray[np.float32] = process.cdist(
        [texts[at] for at in before], [texts[at] for at in after], scorer=fuzz.ratio, score_cutoff=_CHANGED
    )
    return [(before[one], after[other]) for one, other in _best_path(scores)]


def _best_path(scores: npt.NDArray[np.float32]) -> list[tuple[int, int]]:
    """Pairs (row, column) in order, none crossing another, whose scores together are the most; 0 is no pair."""
    rows, columns = scores.shape
    best = np.zeros((rows + 1, columns + 1), dtype=np.float64)
    for row in range(rows):
        paired = best[row, :-1] + scores[row]
        best[row + 1, 1:] = np.maximum.accumulate(np.maximum(best[row, 1:], paired))
    found: list[tuple[int, int]] = []
    row, column = rows, columns
    while row and column:
        if best[row, column] == best[row - 1, column]:
            row -= 1
        elif best[row, column] == best[row, column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            found.append((row, column))
    return found[::-1]


def _with_moves(changes: Sequence[Change], texts: dict[int, str]) -> list[Change]:
    """What was removed and is added elsewhere becomes one that was moved."""
    removed = [one.before for one in changes if one.before is not None and one.after is None]
    added = [one.after for one in changes if one.after is not None and one.before is None]
    removed = [at for at in removed if len(texts[at]) >= _MOVED_CHARACTERS]
    added = [at for at in added if len(texts[at]) >= _MOVED_CHARACTERS]
    moves: dict[int, int] = {}
    by_text: dict[str, list[int]] = {}
    for at in added:
        by_text.setdefault(texts[at], []).append(at)
    for at in removed:
        same = by_text.get(texts[at])
        if same:
            moves[at] = same.pop(0)
    rest = [at for at in removed if at not in moves]
    taken = set(moves.values())
    free = [at for at in added if at not in taken]
    if rest and free and len(rest) * len(free) <= _MOST_COMPARED:
        for at in rest:
            best = process.extractOne(
                texts[at], {other: texts[other] for other in free}, scorer=fuzz.ratio, score_cutoff=_MOVED
            )
            if best is not None:
                moves[at] = best[2]
                free.remove(best[2])
    gone = {*moves, *moves.values()}
    kept = [one for one in changes if one.kind is ChangeKind.CHANGED or not {one.before, one.after} & gone]
    return [*kept, *(Change(ChangeKind.MOVED, one, other) for one, other in moves.items())]


def _in_order(changes: Sequence[Change]) -> list[Change]:
    """Of the later document; what was removed stands where it stood, before what follows it there."""
    anchors = sorted(
        (one.before, one.after) for one in changes if one.before is not None and one.after is not None
    )

    def place(one: Change) -> tuple[int, int]:
        if one.after is not None:
            return one.after, 1
        earlier = bisect_left(anchors, (one.before or 0, -1))
        return (anchors[earlier - 1][1], 2) if earlier else (-1, 0)

    return sorted(changes, key=lambda one: (*place(one), one.before or 0))
