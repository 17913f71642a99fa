"""The directory part of Graph: who somebody is, and which programs a tenant has agreed to."""

import re
from collections.abc import Mapping
from typing import Any

from app.local.entra.consents import Consents
from app.local.entra.people import Person
from app.local.entra.registrations import GRAPH_CLIENT_ID, Registration
from app.local.entra.tokens import service_principal_id
from app.local.graph.errors import GraphRefused

_CONDITION = re.compile(r"(\w+) eq '([^']*)'")


def describe(person: Person) -> dict[str, Any]:
    """The `user` resource."""
    return {
        "id": person.object_id,
        "displayName": person.name,
        "userPrincipalName": person.login,
        "mail": person.login,
        "department": person.department,
        "jobTitle": None,
        "userType": "Guest" if person.home_tenant_id else "Member",
        "accountEnabled": True,
    }


def memberships(person: Person) -> list[dict[str, Any]]:
    """What a person belongs to: groups, then directory roles."""
    groups = [{"@odata.type": "#microsoft.graph.group", "id": one} for one in person.groups]
    roles = [
        {"@odata.type": "#microsoft.graph.directoryRole", "id": one, "roleTemplateId": one}
        for one in person.directory_roles
    ]
    return [*groups, *roles]


def service_principals(
    tenant_id: str, known: Mapping[str, Registration], consents: Consents
) -> list[dict[str, Any]]:
    """The programs that the tenant knows."""
    return [
        {
            "id": service_principal_id(tenant_id, one.client_id),
            "appId": one.client_id,
            "displayName": one.name,
        }
        for one in known.values()
        if one.client_id == GRAPH_CLIENT_ID or consents.is_present(tenant_id, one.client_id)
    ]


def permission_grants(
    tenant_id: str, known: Mapping[str, Registration], consents: Consents
) -> list[dict[str, Any]]:
    """Delegated permissions: `AllPrincipals` where an administrator agreed, `Principal` for one person."""
    grants: list[dict[str, Any]] = []
    for one in known.values():
        if not one.graph_permissions:
            continue
        if consents.is_tenant_wide(tenant_id, one.client_id):
            grants.append(_grant(tenant_id, one, None))
        grants += [
            _grant(tenant_id, one, person) for person in consents.agreed_people(tenant_id, one.client_id)
        ]
    return grants


def matching(rows: list[dict[str, Any]], condition: str) -> list[dict[str, Any]]:
    """The rows of a `$filter` made of `name eq 'value'` and `and`. Raises: `GraphRefused`."""
    for part in filter(None, condition.split(" and ")):
        found = _CONDITION.fullmatch(part.strip())
        if found is None or (rows and found[1] not in rows[0]):
            raise GraphRefused(400, "Request_UnsupportedQuery", "Unsupported Query.")
        rows = [row for row in rows if str(row[found[1]]) == found[2]]
    return rows


def _grant(tenant_id: str, client: Registration, person_id: str | None) -> dict[str, Any]:
    client_id = service_principal_id(tenant_id, client.client_id)
    return {
        "id": service_principal_id(tenant_id, f"{client.client_id}/{person_id}"),
        "clientId": client_id,
        "consentType": "AllPrincipals" if person_id is None else "Principal",
        "principalId": person_id,
        "resourceId": service_principal_id(tenant_id, GRAPH_CLIENT_ID),
        "scope": " ".join(client.graph_permissions),
    }
