"""Operations: what a task wants changed in a document, each guarded by the text that it was made for.

The pane applies them one by one; `documents.writing` makes a new file of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.documents.normalize import text_hash
from app.documents.runs import shown_text
from app.documents.segments import Anchor, Run, Segment, anchor_json, load_anchor, load_runs, runs_json
from app.documents.tags import Answer, Kept


@dataclass(frozen=True)
class Operation:
    """New runs for one segment. It holds only while the segment's text has that hash (see normalize.py).

    Opaque runs of the segment are among `runs` once each, in their new order; text runs carry tags of the
    segment's own runs, or 0.
    """

    anchor: Anchor
    text_hash: str
    runs: tuple[Run, ...]
    kept: Kept = Kept.OK
    client_ref: str | None = None

    @property
    def text(self) -> str:
        """What a reader will see."""
        return shown_text(self.runs)


@dataclass(frozen=True)
class Refusal:
    """An operation that was not applied, by its position; the reason in one of a few words.

    no_such_place · text_changed (the guard does not match) · formatting_changed (the runs are not the
    place's) · taken (an operation before it was for the same place) · not_writable.
    """

    index: int
    reason: str
    client_ref: str | None = None


@dataclass(frozen=True)
class Produced:
    """A new file. `applied` and `degraded` are positions of operations; `notes` counts what happened beside."""

    content: bytes
    applied: tuple[int, ...]
    refused: tuple[Refusal, ...]
    degraded: tuple[int, ...]
    notes: Mapping[str, int] = field(default_factory=dict)


def operation_for(segment: Segment, answer: Answer, *, client_ref: str | None = None) -> Operation:
    """The operation that writes an answer in a segment's place; the answer must not be refused."""
    return Operation(segment.anchor, text_hash(segment.text), answer.runs, answer.kept, client_ref)


def produced(
    content: bytes,
    operations: Sequence[Operation],
    refused: Sequence[tuple[int, str]],
    notes: Mapping[str, int],
) -> Produced:
    """What became of all operations when these were refused and the others applied.

    Raises: ValueError for a refusal of no operation, or of one twice.
    """
    left_out = dict(refused)
    if len(left_out) != len(refused) or not set(left_out) <= set(range(len(operations))):
        raise ValueError("refusals")
    applied = tuple(index for index in range(len(operations)) if index not in left_out)
    return Produced(
        content=content,
        applied=applied,
        refused=tuple(Refusal(at, why, operations[at].client_ref) for at, why in refused),
        degraded=tuple(at for at in applied if operations[at].kept is Kept.DEGRADED),
        notes=dict(notes),
    )


def dump_operations(operations: Sequence[Operation]) -> list[dict[str, Any]]:
    """Operations as JSON."""
    return [
        {
            "anchor": anchor_json(each.anchor),
            "text_hash": each.text_hash,
            "runs": runs_json(each.runs),
            "kept": each.kept,
            **({} if each.client_ref is None else {"client_ref": each.client_ref}),
        }
        for each in operations
    ]


def load_operations(rows: Sequence[Mapping[str, Any]]) -> tuple[Operation, ...]:
    """Operations that `dump_operations` made."""
    return tuple(
        Operation(
            anchor=load_anchor(row["anchor"]),
            text_hash=row["text_hash"],
            runs=load_runs(row["runs"]),
            kept=Kept(row["kept"]),
            client_ref=row.get("client_ref"),
        )
        for row in rows
    )
