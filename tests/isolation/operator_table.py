"""The part of the reviewed table that is about the operator's customers; see table.py."""

from functools import partial

from tests.isolation import things
from tests.isolation.actors import BARBARA, Guard
from tests.isolation.places import Entry, Handle, Plain, Whole


def customers_of_the_operator() -> dict[str, Entry]:
    """Customers, invited, suspended, resumed and erased."""
    acts = partial(Entry, Guard.OPERATORS, BARBARA)
    customer = Handle(things.tenant_id)
    known = Handle(
        things.directory_id,
        things.beside(body={"name": "A customer"}),
        control="the operation as it is: a directory that is a customer is invited by nobody again",
    )
    suspended = things.beside(body={"reason": "unpaid"})
    erased = things.beside(body={"name": "Fabrikam"})
    return {
        "GET /portal/v1/tenants": acts(
            {"query after": customer, "query search": Plain("a part of a name; the operator sees all names")}
        ),
        "POST /portal/v1/tenants": acts(
            {"body entra_tenant_id": known, "body name": Plain("a name to show; nothing is looked up by it")},
            whole=Whole(201, things.fresh_directory),
        ),
        "GET /portal/v1/tenants/{tenant_id}": acts({"path tenant_id": customer}),
        "GET /portal/v1/tenants/{tenant_id}/erasures": acts(
            {
                "path tenant_id": customer,
                "query before": Plain(
                    "a point in the list of the customer in the path, which may be anything"
                ),
            }
        ),
        "POST /portal/v1/tenants/{tenant_id}/suspend": acts(
            {
                "path tenant_id": Handle(things.third_customer, suspended),
                "body reason": Plain("words for people; nothing is looked up by them"),
            }
        ),
        "POST /portal/v1/tenants/{tenant_id}/resume": acts(
            {"path tenant_id": Handle(things.suspended_customer)}
        ),
        "POST /portal/v1/tenants/{tenant_id}/erase": acts(
            {
                "path tenant_id": Handle(things.third_customer, erased),
                "body name": Plain("compared with the name of the customer in the path"),
            }
        ),
    }
