"""Prompts of a task type: revisions that never change. A tenant adds its own beside those that come with the product."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.clock import new_id, now
from app.core.errors import ErrorDetail
from app.pools.errors import NameTaken, PromptSetNotFound, WrongConfiguration
from app.pools.tables import PromptSet
from app.vocabulary import PLATFORM

MOST_CHARACTERS = 20_000
"""Of one prompt."""


@dataclass(frozen=True)
class PromptSetView:
    """One revision of all prompts of a task type."""

    id: UUID
    tenant_id: UUID
    task_type: str
    name: str
    revision: int
    sha256: str
    prompts: Mapping[str, str]
    created_at: datetime
    archived_at: datetime | None


def digest(prompts: Mapping[str, str]) -> str:
    """SHA-256 of prompts as canonical JSON, hexadecimal; as `app.copilot.prompt_files` takes it of files."""
    canonical = json.dumps(dict(prompts), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


async def page(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    after: UUID | None,
    limit: int,
    task_type: str | None = None,
    archived: bool = False,
) -> list[PromptSetView]:
    """The tenant's prompt sets and the platform's, the oldest first, after the one with that id."""
    query = select(PromptSet).where(PromptSet.tenant_id.in_((tenant_id, PLATFORM)))
    if after is not None:
        query = query.where(PromptSet.id > after)
    if task_type is not None:
        query = query.where(PromptSet.task_type == task_type)
    if not archived:
        query = query.where(PromptSet.archived_at.is_(None))
    return [_view(row) for row in await session.scalars(query.order_by(PromptSet.id).limit(limit))]


async def find(session: AsyncSession, *, tenant_id: UUID, prompt_set_id: UUID) -> PromptSetView:
    """One of them. Raises: `PromptSetNotFound`."""
    row = await session.scalar(
        select(PromptSet).where(PromptSet.tenant_id.in_((tenant_id, PLATFORM)), PromptSet.id == prompt_set_id)
    )
    if row is None:
        raise PromptSetNotFound
    return _view(row)


async def create(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    task_type: str,
    name: str,
    prompts: Mapping[str, str],
    actor: Actor,
) -> PromptSetView:
    """A new revision under a name.

    Raises: `NameTaken` when another revision of that name came at the same moment, `WrongConfiguration`.
    """
    await check(session, task_type, prompts)
    newest = await session.scalar(
        select(PromptSet)
        .where(PromptSet.tenant_id == tenant_id, PromptSet.task_type == task_type, PromptSet.name == name)
        .order_by(PromptSet.revision.desc())
        .limit(1)
    )
    row = PromptSet(
        tenant_id=tenant_id,
        id=new_id(),
        task_type=task_type,
        name=name,
        revision=1 if newest is None else newest.revision + 1,
        sha256=digest(prompts),
        prompts=dict(prompts),
        created_at=now(),
    )
    session.add(row)
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError as error:
        raise NameTaken("revision of a prompt set") from error
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=AuditAction.PROMPT_SET_CREATE,
        target_type="prompt_set",
        target_id=str(row.id),
        detail={"task_type": task_type, "name": name, "revision": row.revision, "sha256": row.sha256},
    )
    return _view(row)


async def check(session: AsyncSession, task_type: str, prompts: Mapping[str, str]) -> None:
    """Whether these are a task type's prompts: what all the platform's sets have, and nothing that none has.

    Raises: `WrongConfiguration`.
    """
    rows = await session.execute(
        select(PromptSet.name, PromptSet.prompts)
        .where(PromptSet.tenant_id == PLATFORM, PromptSet.task_type == task_type)
        .order_by(PromptSet.revision)
    )
    newest = {name: frozenset(texts) for name, texts in rows}
    if not newest:
        raise WrongConfiguration(
            ErrorDetail("task_type_unknown", f"There is no task type {task_type}.", target="task_type")
        )
    missing = [
        ErrorDetail("prompt_missing", f"The prompt {one} is missing.", target=f"prompts.{one}")
        for one in sorted(frozenset.intersection(*newest.values()) - prompts.keys())
    ]
    unknown = [
        ErrorDetail("prompt_unknown", f"{task_type} has no prompt {one}.", target="prompts")
        for one in sorted(prompts.keys() - frozenset.union(*newest.values()))
    ]
    if missing or unknown:
        raise WrongConfiguration(*missing, *unknown)


def _view(row: PromptSet) -> PromptSetView:
    return PromptSetView(
        id=row.id,
        tenant_id=row.tenant_id,
        task_type=row.task_type,
        name=row.name,
        revision=row.revision,
        sha256=row.sha256,
        prompts=row.prompts,
        created_at=row.created_at,
        archived_at=row.archived_at,
    )
