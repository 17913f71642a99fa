"""The file that a job has made: sealed parts of at most 4 MiB, which go with the job."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Place, Sealed, Sealer
from app.jobs.tables import JobFilePart

PART_BYTES = 4 * 2**20


async def seal_file(sealer: Sealer, job_id: UUID, content: bytes) -> list[Sealed]:
    """The parts of a file; do this before a transaction begins."""

    def seal() -> list[Sealed]:
        return [
            sealer.seal(_place(job_id, number), content[start : start + PART_BYTES])
            for number, start in enumerate(range(0, len(content), PART_BYTES))
        ]

    return await asyncio.to_thread(seal)


async def keep_file(session: AsyncSession, parts: Sequence[Sealed], *, tenant_id: UUID, job_id: UUID) -> None:
    """Write the parts of a job that has none yet, in the transaction that ends it."""
    for number, content in enumerate(parts):
        session.add(JobFilePart(tenant_id=tenant_id, job_id=job_id, number=number, content=content))
        await session.flush()


async def read_part(
    session: AsyncSession, sealer: Sealer, *, tenant_id: UUID, job_id: UUID, number: int
) -> bytes | None:
    """One part, opened; None behind the last. Who may see the job is the caller's to check."""
    sealed = await session.scalar(
        select(JobFilePart.content).where(
            JobFilePart.tenant_id == tenant_id, JobFilePart.job_id == job_id, JobFilePart.number == number
        )
    )
    return None if sealed is None else sealer.open(_place(job_id, number), sealed)


def _place(job_id: UUID, number: int) -> Place:
    return Place("job_file_parts", f"{job_id}:{number}", "content")
