"""What a tenant's administrators may change of its policy: where its text may go, and under which terms.

How much may run at once is the operator's to say; the database grants the rest of the row to nobody here.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import null
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.errors import ChangedMeanwhile
from app.tenants.policy import Policy, load_policy
from app.tenants.tables import TenantPolicy

LISTS = ("allowed_regions", "allowed_processors", "allowed_vendors", "allowed_model_classes")
TERMS = ("require_no_training", "require_zero_retention")


async def change_policy(session: AsyncSession, *, tenant_id: UUID, wanted: Policy, actor: Actor) -> Policy:
    """Write `LISTS` and `TERMS` of `wanted` over those of `wanted.version`; the same again records nothing.

    Raises: `ChangedMeanwhile` if that version is past.
    """
    before = await load_policy(session, tenant_id)
    if before.version != wanted.version:
        raise ChangedMeanwhile("policy")
    if all(getattr(before, name) == getattr(wanted, name) for name in (*LISTS, *TERMS)):
        return before
    values: dict[str, Any] = {name: getattr(wanted, name) for name in TERMS}
    for name in LISTS:
        list_ = getattr(wanted, name)
        # None would be stored as JSON's null, which is not SQL's.
        values[name] = null() if list_ is None else list(list_)
    version = wanted.version + 1
    written = await session.execute(
        insert(TenantPolicy)
        .values(tenant_id=tenant_id, version=version, **values)
        .on_conflict_do_update(
            index_elements=["tenant_id"],
            set_={**values, "version": version},
            where=TenantPolicy.version == wanted.version,
        )
        .returning(TenantPolicy.version)
    )
    if written.scalar_one_or_none() is None:
        raise ChangedMeanwhile("policy")
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=AuditAction.POLICY_CHANGE,
        target_type="tenant",
        target_id=str(tenant_id),
        detail={
            **{name: _in_words(getattr(wanted, name)) for name in LISTS},
            **{name: getattr(wanted, name) for name in TERMS},
        },
    )
    return await load_policy(session, tenant_id)


def _in_words(list_: tuple[str, ...] | None) -> str:
    return "all" if list_ is None else ", ".join(list_) or "none"
