"""What of this room goes with a tenant or a member. The chain itself stays, and still verifies."""

from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select

from app.audit.actions import AuditAction
from app.audit.tables import AuditChain, AuditEntry, AuditPseudonym
from app.core.erasure import Erasable, table_of

_PERSONAL = ("actor_member_id", "target_member_id", "address", "address_salt")
_WHY = "what was done to the customer's data must stay provable; its entries name nobody and hold no content"


def _of_member(tenant: UUID, member: UUID) -> ColumnElement[bool]:
    pseudonyms = select(AuditPseudonym.pseudonym).where(
        AuditPseudonym.tenant_id == tenant, AuditPseudonym.member_id == member
    )
    return or_(
        AuditEntry.actor_member_id == member,
        # The entry of the erasure itself keeps its target until the writer has made it a pseudonym.
        and_(AuditEntry.target_member_id == member, AuditEntry.action != AuditAction.MEMBER_ERASE),
        and_(AuditEntry.address.is_not(None), AuditEntry.actor.in_(pseudonyms)),
    )


def _last_of_member(tenant: UUID, member: UUID) -> ColumnElement[bool]:
    """The pseudonym goes after what is found by it."""
    # A column by name: the eraser may not read all of them.
    left = select(AuditEntry.tenant_id).where(
        AuditEntry.tenant_id == tenant,
        AuditEntry.address.is_not(None),
        AuditEntry.actor == AuditPseudonym.pseudonym,
    )
    return and_(AuditPseudonym.member_id == member, ~left.exists())


TABLES: tuple[Erasable, ...] = (
    Erasable(table_of(AuditEntry), _of_member, kept=_WHY, emptied=_PERSONAL),
    Erasable(table_of(AuditPseudonym), _last_of_member),
    Erasable(
        table_of(AuditChain),
        kept="the key by which the chain can still be verified",
        emptied=("wrapped_pseudonym_key",),
    ),
)
