"""Reading and changing an organisation's wordings. A name that is written for the first time makes one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.clock import new_id
from app.core.crypto import Place, Sealed, Sealer
from app.core.errors import ChangedMeanwhile
from app.wording.errors import TooManyWordings, WordingNotFound
from app.wording.tables import Wording

MOST = 100
"""Of each kind in an organisation."""
MOST_GUIDE = 4_000
"""Characters of a style guide: each call that follows it pays for it."""


class WordingKind(StrEnum):
    """What a text is for, and what is sealed in it."""

    GLOSSARY = "glossary"
    """language, terms: [{source, target}]"""
    STYLE_GUIDE = "style_guide"
    """text; an organisation has one, without a name"""
    TEMPLATE = "template"
    """title, instruction"""


@dataclass(frozen=True)
class WordingView:
    """A text, opened; `version` is 0 for one that is not there yet."""

    kind: WordingKind
    name: str
    body: Mapping[str, Any]
    version: int


async def listed(session: AsyncSession, sealer: Sealer, kind: WordingKind) -> Sequence[WordingView]:
    """All of a kind, by name."""
    rows = await session.scalars(
        select(Wording)
        .where(Wording.tenant_id == sealer.tenant_id, Wording.kind == kind)
        .order_by(Wording.name)
    )
    return [_opened(sealer, row) for row in rows]


async def find(session: AsyncSession, sealer: Sealer, kind: WordingKind, name: str = "") -> WordingView:
    """One of them. Raises: `WordingNotFound`."""
    row = await session.scalar(
        select(Wording).where(
            Wording.tenant_id == sealer.tenant_id, Wording.kind == kind, Wording.name == name
        )
    )
    if row is None:
        raise WordingNotFound(kind, name)
    return _opened(sealer, row)


async def put(session: AsyncSession, sealer: Sealer, wanted: WordingView, *, actor: Actor) -> WordingView:
    """Write a text over that of `wanted.version`, or make it where that is 0.

    Raises: `ChangedMeanwhile`, `TooManyWordings`.
    """
    tenant_id = sealer.tenant_id
    mine = (Wording.tenant_id == tenant_id, Wording.kind == wanted.kind)
    if wanted.version == 0:
        if await session.scalar(select(func.count()).select_from(Wording).where(*mine)) == MOST:
            raise TooManyWordings(wanted.kind, MOST)
        row_id = new_id()
        values = {"tenant_id": tenant_id, "id": row_id, "kind": wanted.kind, "name": wanted.name}
        made = await session.execute(
            insert(Wording)
            .values(**values, version=1, sealed_body=_seal(sealer, row_id, wanted.body))
            .on_conflict_do_nothing(index_elements=["tenant_id", "kind", "name"])
            .returning(Wording.id)
        )
        if made.scalar_one_or_none() is None:
            raise ChangedMeanwhile(wanted.kind.replace("_", " "))
    else:
        row = await session.scalar(
            select(Wording).where(*mine, Wording.name == wanted.name).with_for_update()
        )
        if row is None or row.version != wanted.version:
            raise ChangedMeanwhile(wanted.kind.replace("_", " "))
        row_id = row.id
        row.sealed_body = _seal(sealer, row_id, wanted.body)
        row.version += 1
        await session.flush()
    await _record(session, tenant_id, actor, AuditAction.WORDING_CHANGE, wanted.kind, row_id)
    return WordingView(wanted.kind, wanted.name, wanted.body, wanted.version + 1)


async def remove(
    session: AsyncSession, *, tenant_id: UUID, kind: WordingKind, name: str, version: int, actor: Actor
) -> None:
    """Delete a text of this version. Raises: `WordingNotFound`, `ChangedMeanwhile`."""
    mine = (Wording.tenant_id == tenant_id, Wording.kind == kind, Wording.name == name)
    gone = await session.scalar(
        delete(Wording).where(*mine, Wording.version == version).returning(Wording.id)
    )
    if gone is None:
        if await session.scalar(select(Wording.id).where(*mine)) is None:
            raise WordingNotFound(kind, name)
        raise ChangedMeanwhile(kind.replace("_", " "))
    await _record(session, tenant_id, actor, AuditAction.WORDING_DELETE, kind, gone)


async def _record(
    session: AsyncSession, tenant_id: UUID, actor: Actor, action: AuditAction, kind: WordingKind, row_id: UUID
) -> None:
    await record(
        session, tenant_id=tenant_id, actor=actor, action=action, target_type=kind, target_id=str(row_id)
    )


def _place(row_id: UUID) -> Place:
    return Place("wordings", row_id, "sealed_body")


def _seal(sealer: Sealer, row_id: UUID, body: Mapping[str, Any]) -> Sealed:
    return sealer.seal(_place(row_id), json.dumps(dict(body), ensure_ascii=False).encode())


def _opened(sealer: Sealer, row: Wording) -> WordingView:
    body: dict[str, Any] = json.loads(sealer.open(_place(row.id), row.sealed_body))
    return WordingView(WordingKind(row.kind), row.name, body, row.version)
