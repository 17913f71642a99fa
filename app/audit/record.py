"""Adding an entry: one INSERT in the caller's transaction, exactly as durable as what it records."""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.tables import AuditEntry
from app.core.clock import new_id

MOST_DETAIL_CHARACTERS = 256
"""Of one text in `detail`: names and reasons fit, documents do not."""
_SALT_BYTES = 16

caller_address: ContextVar[str] = ContextVar("caller_address", default="")
"""Where the request that is being served comes from; the doors set it. It stands in for an actor's own."""

DetailValue = str | int | bool | None


class ActorKind(StrEnum):
    """On whose behalf something happened."""

    MEMBER = "member"
    """A person of the tenant."""
    APPLICATION = "application"
    """A program of the tenant, known by its own member row."""
    OPERATOR = "operator"
    """Whoever operates the platform."""
    SYSTEM = "system"
    """The platform by itself, or somebody not known to it."""


@dataclass(frozen=True)
class Actor:
    """Who acted, and from which network address if it is not the current request's. The member is written as a pseudonym, see writer.py."""

    kind: ActorKind
    member_id: UUID | None = None
    address: str = ""


@dataclass(frozen=True)
class Happening:
    """Something that happened to one target, with its own detail."""

    action: AuditAction
    target_type: str
    target_id: str
    detail: Mapping[str, DetailValue]


async def record(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    actor: Actor,
    action: AuditAction,
    target_type: str,
    target_id: str,
    detail: Mapping[str, DetailValue] | None = None,
) -> None:
    """Record that something happened to a tenant's things, with the transaction that did it.

    `detail` is flat and says no more than figures, states and names of configuration; a longer text is
    cut. A target of type `member` is named by its id, which becomes its pseudonym.
    """
    await record_each(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=action,
        target_type=target_type,
        target_ids=[target_id],
        detail=detail,
    )


async def record_each(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    actor: Actor,
    action: AuditAction,
    target_type: str,
    target_ids: Collection[str],
    detail: Mapping[str, DetailValue] | None = None,
) -> None:
    """`record` the same of several targets, in one statement; of none, nothing."""
    happened = [Happening(action, target_type, one, detail or {}) for one in target_ids]
    await record_all(session, tenant_id=tenant_id, actor=actor, happened=happened)


async def record_all(
    session: AsyncSession, *, tenant_id: UUID, actor: Actor, happened: Sequence[Happening]
) -> None:
    """`record` what happened to several targets at once, in one statement and in this order; of nothing, nothing."""
    if not happened:
        return
    address = actor.address or caller_address.get()
    salt = secrets.token_bytes(_SALT_BYTES) if address else None
    same = {
        "tenant_id": tenant_id,
        "actor_kind": actor.kind,
        "actor_member_id": actor.member_id,
        "address": address or None,
        "address_salt": salt,
        "address_digest": None if salt is None else address_digest(salt, address),
    }
    await session.execute(
        insert(AuditEntry),
        [
            {
                **same,
                "id": new_id(),
                "action": one.action,
                "target_type": one.target_type,
                "target_id": "" if one.target_type == "member" else one.target_id,
                "target_member_id": UUID(one.target_id) if one.target_type == "member" else None,
                "detail": {name: _bounded(name, value) for name, value in one.detail.items()},
            }
            for one in happened
        ],
    )


def address_digest(salt: bytes, address: str) -> bytes:
    """What the chain holds instead of an address: it still fits when the address has been erased."""
    return hmac.digest(salt, address.encode(), hashlib.sha256)


def _bounded(name: str, value: DetailValue) -> DetailValue:
    if isinstance(value, str):
        return value if len(value) <= MOST_DETAIL_CHARACTERS else f"{value[: MOST_DETAIL_CHARACTERS - 1]}…"
    if value is None or isinstance(value, int):
        return value
    raise TypeError(f"audit detail {name} is neither text, number nor truth value")
