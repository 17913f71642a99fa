"""What an import has changed: told to whoever imports, and recorded as if each thing had been changed by hand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, DetailValue, Happening, record_all

_ACTIONS = {
    ("provider", "created"): AuditAction.PROVIDER_CREATE,
    ("provider", "changed"): AuditAction.PROVIDER_CHANGE,
    ("provider", "archived"): AuditAction.PROVIDER_ARCHIVE,
    ("deployment", "created"): AuditAction.DEPLOYMENT_CREATE,
    ("deployment", "changed"): AuditAction.DEPLOYMENT_CHANGE,
    ("deployment", "archived"): AuditAction.DEPLOYMENT_ARCHIVE,
    ("price", "created"): AuditAction.PRICE_ADD,
    ("price", "changed"): AuditAction.PRICE_ADD,
    ("price", "withdrawn"): AuditAction.PRICE_WITHDRAW,
    ("prompt_set", "created"): AuditAction.PROMPT_SET_CREATE,
    ("prompt_set", "changed"): AuditAction.PROMPT_SET_ARCHIVE,
    ("prompt_set", "archived"): AuditAction.PROMPT_SET_ARCHIVE,
    ("pool", "created"): AuditAction.POOL_CREATE,
    ("pool", "changed"): AuditAction.POOL_CHANGE,
    ("pool", "archived"): AuditAction.POOL_CHANGE,
    ("pool", "published"): AuditAction.POOL_PUBLISH,
    ("route", "created"): AuditAction.ROUTE_CREATE,
    ("route", "changed"): AuditAction.ROUTE_CHANGE,
    ("route", "deleted"): AuditAction.ROUTE_DELETE,
}
_TARGETS = {"price": "deployment"}
_RECORDED_BY_THEIR_ROOM = frozenset({"policy", "task_permission"})


@dataclass(frozen=True)
class Change:
    """One thing that the import changes: `created`, `changed`, `published`, `archived`, `withdrawn` or `deleted`."""

    kind: str
    name: str
    what: str
    target_id: UUID | None = None
    """Whose it is; None where its own room records the change."""
    detail: dict[str, DetailValue] = field(default_factory=dict, compare=False)
    """What is different, as the record keeps it: no key, no prompt."""


async def record_changes(
    session: AsyncSession, *, tenant_id: UUID, actor: Actor, changes: Sequence[Change]
) -> None:
    """An entry for each thing, and one for the import with how many of each; for no change, none."""
    if not changes:
        return
    happened = [
        Happening(
            _ACTIONS[one.kind, one.what],
            _TARGETS.get(one.kind, one.kind),
            str(one.target_id),
            {"name": one.name, **one.detail, "imported": True},
        )
        for one in changes
        if one.kind not in _RECORDED_BY_THEIR_ROOM
    ]
    counts = Counter(f"{one.kind}_{one.what}" for one in changes)
    happened.append(
        Happening(
            AuditAction.CONFIGURATION_IMPORT,
            "tenant",
            str(tenant_id),
            {"changes": len(changes), **dict(sorted(counts.items()))},
        )
    )
    await record_all(session, tenant_id=tenant_id, actor=actor, happened=happened)
