"""What can go wrong with erasure, holds and exports, in words."""

from uuid import UUID

from app.core.errors import Conflict, NotFound, Unprocessable


class HeldByLegalHold(Conflict):
    """Something is to be deleted that a legal hold covers."""

    code = "legal_hold"
    title = "Under legal hold"

    def __init__(self, hold_id: UUID) -> None:
        super().__init__(
            f"Legal hold {hold_id} covers this, so nothing of it may be deleted; an administrator releases"
            f" the hold with POST /portal/v1/holds/{hold_id}/release.",
            inner_code=str(hold_id),
        )


class HoldNotFound(NotFound):
    """No such hold in this tenant."""

    code = "hold_not_found"
    title = "No such hold"

    def __init__(self, hold_id: UUID) -> None:
        super().__init__(f"There is no legal hold {hold_id}; list them with GET /portal/v1/holds.")


class HoldIsOver(Conflict):
    """The hold was released before."""

    code = "hold_released"
    title = "Already released"

    def __init__(self, hold_id: UUID) -> None:
        super().__init__(f"Legal hold {hold_id} was released before; place a new one if it is needed again.")


class SubjectNotFound(NotFound):
    """No such member in this tenant."""

    code = "member_not_found"
    title = "No such member"

    def __init__(self, member_id: UUID) -> None:
        super().__init__(
            f"There is no member {member_id} in your organisation; list them with GET /portal/v1/members."
        )


class TenantNotErasable(NotFound):
    """No such customer, or one that is erased or never was a customer."""

    code = "tenant_not_found"
    title = "No such customer"

    def __init__(self, tenant_id: UUID) -> None:
        super().__init__(f"There is no customer {tenant_id} to erase; list them with GET /portal/v1/tenants.")


class NameDiffers(Unprocessable):
    """The name that was typed is not the tenant's."""

    code = "name_differs"
    title = "Confirm with the name"

    def __init__(self) -> None:
        super().__init__(
            "To confirm, `name` must be the customer's name exactly as it is shown; nothing was erased.",
            target="name",
        )


class ErasureNotFound(NotFound):
    """No such erasure in this tenant."""

    code = "erasure_not_found"
    title = "No such erasure"

    def __init__(self, erasure_id: UUID) -> None:
        super().__init__(f"There is no erasure {erasure_id}; list them with GET /portal/v1/erasures.")


class ErasureUnderWay(Conflict):
    """It is asked for already, or it has begun."""

    code = "erasure_under_way"
    title = "Erasure under way"

    def __init__(self) -> None:
        super().__init__(
            "An erasure of this is asked for or under way; look at it with GET /portal/v1/erasures."
            " One that has begun cannot be stopped."
        )


class CannotEraseOneself(Conflict):
    """Administrators are erased by another administrator, and the operator's tenant not at all."""

    code = "cannot_erase_oneself"
    title = "Not your own"

    def __init__(self) -> None:
        super().__init__("You cannot erase this yourself; ask another administrator or your operator.")
