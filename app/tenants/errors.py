"""Why a tenant, a member or a setting is not changed."""

from uuid import UUID

from app.core.errors import Conflict, NotFound


class TenantNotFound(NotFound):
    """No customer has this id."""

    code = "tenant_not_found"
    title = "No such tenant"

    def __init__(self, tenant_id: UUID) -> None:
        super().__init__(
            f"There is no tenant {tenant_id}; GET /portal/v1/tenants lists those there are.",
            target="tenant_id",
        )


class TenantExists(Conflict):
    """The directory is a customer already."""

    code = "tenant_exists"
    title = "Already a customer"

    def __init__(self, state: str) -> None:
        super().__init__(
            f"This directory is known already and is {state}; look for it in GET /portal/v1/tenants.",
            target="entra_tenant_id",
        )


class WrongTenantState(Conflict):
    """The tenant is not in a state from which this can be done."""

    code = "wrong_tenant_state"
    title = "Not in this state"

    def __init__(self, state: str, wanted: str) -> None:
        super().__init__(f"The tenant is {state} and cannot become {wanted}; look at it again.")


class MemberNotFound(NotFound):
    """No such person in this tenant."""

    code = "member_not_found"
    title = "No such member"

    def __init__(self, member_id: UUID) -> None:
        super().__init__(
            f"There is no member {member_id} here; GET /portal/v1/members lists those there are.",
            target="member_id",
        )


class MemberErased(Conflict):
    """Nothing is left to change, except whether the person may come back."""

    code = "member_erased"
    title = "Erased"

    def __init__(self) -> None:
        super().__init__(
            "This member was erased; all that can be changed is to let the person in again as somebody new,"
            " with `state` active alone.",
            target="member_id",
        )


class LastAdministrator(Conflict):
    """Nobody would be left to administer the tenant."""

    code = "last_administrator"
    title = "The last administrator stays"

    def __init__(self) -> None:
        super().__init__(
            "This is the tenant's last active TenantAdmin; make somebody else a TenantAdmin first.",
            target="member_id",
        )
