"""Jobs that make a new file of the document that they were sent (`output: file`).

    original ──► writable texts ──► the task type's steps ──► operations ──► the original with them applied

What a handler sees as segments are then all texts that can be written, more than a reader gives. Both ends run in the
reading processes, under their limits; handlers have no files.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.errors import JobTooLarge, WrongInput
from app.copilot.runtime import Runtime
from app.copilot.types import InlineKind, NewFile, Outcome
from app.copilot.work import MOST_TOKENS
from app.core.crypto import Sealed, Sealer
from app.documents import originals
from app.documents.errors import OriginalNotKept
from app.documents.names import display_name
from app.documents.operations import Produced
from app.documents.segments import Segment
from app.documents.service import DocumentView, describe
from app.documents.tokens import estimate_tokens
from app.jobs import service as jobs
from app.jobs.files import seal_file
from app.jobs.leases import ClaimedStep

_NOT_IN_NAMES = re.compile(r'[<>:"|?*\\/]')
"""What Windows takes in no name."""
_LONGEST_STEM = 200
_TABLES = frozenset({"text/csv", *(kind for kind, ending in originals.ENDINGS.items() if ending == "xlsx")})


@dataclass(frozen=True)
class MadeFile:
    """What a job has made: what the result says of it, and its sealed parts."""

    facts: Mapping[str, Any]
    parts: Sequence[Sealed]


def wants_file(parameters: Mapping[str, Any]) -> bool:
    """Whether a new file is asked for; `parameters` are those of a task type, checked."""
    return parameters.get("output") == "file"


async def check_file_wanted(
    session: AsyncSession,
    task_type: str,
    documents: Sequence[DocumentView],
    inline: InlineKind | None,
    *,
    tenant_id: UUID,
    member_id: UUID,
) -> None:
    """Whether a file can be made of these documents. Raises: `WrongInput`, `OriginalNotKept`."""
    known = {view.media_type for view in documents}
    if inline is not None or not known <= originals.ENDINGS.keys():
        raise WrongInput(task_type, "makes files of documents of Word, Excel and PowerPoint only")
    for view in documents:
        kept = await originals.is_kept(session, tenant_id=tenant_id, member_id=member_id, document_id=view.id)
        if not kept:
            raise OriginalNotKept


def check_operations_wanted(
    task_type: str, parameters: Mapping[str, Any], documents: Sequence[DocumentView]
) -> None:
    """Whether a pane could carry operations out. What is read of a workbook is rows and our own statistics of
    columns, at ranges of cells that hold other texts. Raises: `WrongInput`.
    """
    if parameters.get("output") == "operations" and any(view.media_type in _TABLES for view in documents):
        raise WrongInput(
            task_type,
            "gives no operations over uploaded tables: ask for output file, or send the pane's cells as segments",
        )


async def writable_segments(runtime: Runtime, step: ClaimedStep, sealer: Sealer) -> Sequence[Segment]:
    """Every text of the job's document that can be written. Raises: documents.errors, `JobTooLarge`."""
    content, _ = await _original(runtime, step, sealer)
    segments = (await runtime.extractor.writable(content, group=step.tenant_id)).segments
    tokens = sum(estimate_tokens(segment.text) for segment in segments)
    if tokens > MOST_TOKENS:
        raise JobTooLarge(tokens, MOST_TOKENS)
    return segments


async def make_file(
    runtime: Runtime, step: ClaimedStep, sealer: Sealer, outcome: Outcome
) -> tuple[Outcome, Sequence[Sealed]]:
    """The outcome with what its result says of the file, and the file, sealed. Raises: documents.errors."""
    if outcome.file is None or outcome.result is None:
        return outcome, ()
    content, view = await _original(runtime, step, sealer)
    made = await runtime.extractor.produce(
        content, outcome.file.operations, language=outcome.file.language, group=step.tenant_id
    )
    facts = {
        **_facts(outcome.file, made, view),
        "missing": len(outcome.result["missing"]),
        "etag": sealer.digest("job_file", made.content).hex(),
        "link": f"/addin/v1/jobs/{step.job_id}/file",
    }
    parts = await seal_file(sealer, step.job_id, made.content)
    return replace(outcome, result={**outcome.result, "file": facts}), parts


def _facts(asked: NewFile, made: Produced, view: DocumentView) -> dict[str, Any]:
    return {
        "name": file_name(view.name, asked.mark, originals.ENDINGS[view.media_type]),
        "media_type": view.media_type,
        "size_bytes": len(made.content),
        "applied": len(made.applied),
        "degraded": len(made.degraded),
        "refused": len(made.refused),
        "reasons": dict(sorted(Counter(one.reason for one in made.refused).items())),
        "notes": dict(made.notes),
    }


def file_name(name: str, mark: str, ending: str) -> str:
    """A name for the new file that says what it is: `report.docx` becomes `report.de.docx`."""
    shown = display_name(name)
    stem = shown[: -len(ending) - 1] if shown.lower().endswith(f".{ending}") else shown
    safe = _NOT_IN_NAMES.sub("_", stem)[:_LONGEST_STEM].strip(". ")
    return f"{safe or 'document'}.{mark}.{ending}"


async def _original(runtime: Runtime, step: ClaimedStep, sealer: Sealer) -> tuple[bytes, DocumentView]:
    mine = {"tenant_id": step.tenant_id, "member_id": step.member_id}
    async with runtime.database.tenant(step.tenant_id) as session:
        (document_id,) = await jobs.inputs(session, tenant_id=step.tenant_id, job_id=step.job_id)
        (view,) = await describe(session, sealer, **mine, document_ids=[document_id])
        sealed = await originals.read_sealed(session, **mine, document_id=document_id)
    return await originals.open_parts(sealer, sealed), view
