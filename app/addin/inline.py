"""What the pane sends itself, as one document: a text, segments of the open document, or a range of cells."""

import asyncio
import json
from typing import Any

from app.addin.documents import prepare, read_text
from app.addin.schemas import JobInput
from app.copilot.catalog import task_types
from app.copilot.types import InlineKind
from app.core.crypto import Sealer
from app.documents import service
from app.documents.inline import CellRange, InlineSegment, read_cells, read_inline_segments
from app.documents.segments import Extracted, Run
from app.documents.taking import ReadFile


def inline_kind(body: JobInput) -> InlineKind | None:
    """What of this the pane sent itself; None for documents and files."""
    if body.text is not None:
        return "text"
    if body.segments:
        return "segments"
    return None if body.cells is None else "cells"


async def prepare_inline(sealer: Sealer, body: JobInput, task_type: str) -> service.PreparedDocument | None:
    """What the pane sent for such a task as a document, sealed like one, before the request's transaction begins."""
    if body.text is not None:
        known = task_types().get(task_type)
        by_line = known is not None and known.inputs.by_line
        return await prepare(sealer, await read_text(sealer, body.text, by_line=by_line))
    extracted: Extracted | None = None
    if body.segments:
        pieces = [
            InlineSegment(
                one.client_ref, one.text, tuple(Run(run.text, run.tag, run.kind) for run in one.runs)
            )
            for one in body.segments
        ]
        extracted = await asyncio.to_thread(read_inline_segments, pieces)
    elif body.cells is not None:
        cells = CellRange(body.cells.worksheet, body.cells.a1, body.cells.values)
        extracted = await asyncio.to_thread(read_cells, cells)
    if extracted is None:
        return None
    content = _canonical(body.model_dump(mode="json", include={"segments", "cells"}))
    return await prepare(
        sealer, ReadFile("selection", len(content), sealer.digest("document", content), extracted)
    )


def _canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()
