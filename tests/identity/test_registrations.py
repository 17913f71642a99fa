"""What an operator registers is what tokens are judged by, and what the development Entra has."""

from typing import Any
from uuid import UUID

import pytest
from fastapi.params import Security

from app.addin.routes import router
from app.identity.id_tokens import IdTokens
from app.identity.keys import SigningKeys
from app.identity.onboarding import ADMINISTRATORS
from app.identity.registrations import (
    ADDIN_SCOPE,
    CONSENT_ROLE,
    GRAPH_PERMISSIONS,
    Application,
    ClientIds,
    PublicAddresses,
    applications,
    role_id,
    scope_id,
)
from app.identity.tokens import AccessTokens
from app.local.entra.registrations import (
    ADDIN_CLIENT_ID,
    API_CLIENT_ID,
    AUTOMATION_CLIENT_ID,
    GRAPH_CLIENT_ID,
    PORTAL_CLIENT_ID,
    Registration,
    registrations,
)
from app.vocabulary import PROCESS_PERMISSION, Role
from tests.entra import ADA, ALAN, RunningEntra
from tests.local.entra_clients import claims_of

IDS = ClientIds(api=API_CLIENT_ID, addins=(ADDIN_CLIENT_ID,), portal=PORTAL_CLIENT_ID)
ADDRESSES = PublicAddresses(
    portal="http://localhost",
    addin_origins=("https://pane.example",),
    addin_pages=("https://pane.example/taskpane.html",),
)
API, ADDIN, PORTAL = applications(IDS, ADDRESSES)
_OPENID = {"openid", "profile", "offline_access"}


def _roles(application: Application, kind: str) -> set[str]:
    return {
        one["value"] for one in application.create.get("appRoles", []) if one["allowedMemberTypes"] == [kind]
    }


def _asked(application: Application, resource: str) -> set[str]:
    """Ids of the permissions that an application asks for at a resource."""
    wanted = application.complete["requiredResourceAccess"]
    return {
        part["id"] for one in wanted if one["resourceAppId"] == resource for part in one["resourceAccess"]
    }


def _graph_names(application: Application) -> set[str]:
    names = {id_: name for name, id_ in GRAPH_PERMISSIONS.items()}
    return {names[one] for one in _asked(application, GRAPH_CLIENT_ID)} - _OPENID


def _optional(application: Application, kind: str) -> set[str]:
    claims = application.create.get("optionalClaims", {}).get(kind, [])
    return {one["name"] for one in claims}


def _groups(application: Application) -> set[str]:
    return set(filter(None, application.create.get("groupMembershipClaims", "").split(",")))


@pytest.mark.parametrize("printed", [API, ADDIN, PORTAL], ids=lambda one: one.name)
def test_the_development_entra_has_the_registration_that_is_printed(printed: Application) -> None:
    ours: Registration = registrations()[printed.client_id]
    api = printed.create.get("api", {})
    completed = printed.complete.get("api", {})

    assert {one["value"] for one in api.get("oauth2PermissionScopes", [])} == ours.scopes
    assert _roles(printed, "User") == set(ours.user_roles)
    assert _optional(printed, "accessToken") | _optional(printed, "idToken") == ours.optional_claims
    assert _groups(printed) == ours.group_claims
    assert _graph_names(printed) == set(ours.graph_permissions)
    assert {one["appId"] for one in completed.get("preAuthorizedApplications", [])} == set(ours.preauthorized)
    assert set(completed.get("knownClientApplications", [])) == set(ours.known_clients)
    redirects = set(printed.create.get("web", {}).get("redirectUris", []))
    assert redirects == {uri for uri in ours.redirect_uris if uri.startswith("http://localhost/")}
    # What it may do as itself, at our own API.
    own = _asked(printed, API_CLIENT_ID) if printed is API else set()
    assert own == {role_id("api", name) for name in ours.application_roles}


def test_an_application_role_that_programs_are_given_is_one_of_the_apis() -> None:
    given = set(registrations()[AUTOMATION_CLIENT_ID].application_roles)

    assert given == {PROCESS_PERMISSION}
    assert _roles(API, "Application") == {PROCESS_PERMISSION, CONSENT_ROLE}
    assert _roles(API, "User") == _roles(PORTAL, "User") == set(Role)


def _capable(entra: RunningEntra) -> str:
    """A token for a program that can handle claims challenges."""
    person = entra.app.people.find(ADA)
    assert person is not None
    client = entra.app.registrations[ADDIN_CLIENT_ID]
    asked = {"xms_cc": {"values": ["cp1"]}}
    return entra.app.keys.current.sign(
        entra.app.tokens.delegated(person, client, audience=API_CLIENT_ID, scopes=[ADDIN_SCOPE], asked=asked)
    )


async def test_tokens_carry_what_the_registration_of_the_api_says(
    entra: RunningEntra, tokens: AccessTokens
) -> None:
    (scope,) = API.create["api"]["oauth2PermissionScopes"]

    person = await tokens.verify(entra.token(ADA))
    program = await tokens.verify_application(entra.application_token())

    assert person.scopes == {scope["value"]}
    assert person.roles <= _roles(API, "User")
    assert person.roles
    assert program.roles <= _roles(API, "Application")
    assert program.roles
    allowed = API.complete["api"]["preAuthorizedApplications"]
    assert [one["appId"] for one in allowed] == [person.client_id]
    assert all(one["delegatedPermissionIds"] == [scope["id"]] for one in allowed)
    # `ver` is 2.0 only for a resource that asks for it; the validator takes nothing else.
    assert API.create["api"]["requestedAccessTokenVersion"] == 2
    optional = {name for raw in (_capable(entra), entra.application_token()) for name in claims_of(raw)}
    assert optional >= _optional(API, "accessToken") == {"acct", "idtyp", "xms_cc"}


async def test_id_tokens_carry_what_the_registration_of_the_portal_asks_for(
    entra: RunningEntra, keys: SigningKeys
) -> None:
    person = entra.app.people.find(ALAN)
    assert person is not None
    portal = entra.app.registrations[PORTAL_CLIENT_ID]
    raw = entra.app.keys.current.sign(entra.app.tokens.identity(person, portal, nonce=None))

    claims = await IdTokens(keys, entra.url, PORTAL_CLIENT_ID).verify_renewed(raw)

    assert claims.roles <= _roles(PORTAL, "User")
    assert claims.wids & ADMINISTRATORS
    assert claims.groups
    assert _groups(PORTAL) == {"DirectoryRole", "SecurityGroup"}
    assert _optional(PORTAL, "idToken") == {"acct"}


def test_the_add_ins_door_asks_for_the_scope_that_is_printed() -> None:
    (guard,) = router.dependencies

    assert isinstance(guard, Security)
    assert guard.scopes == [one["value"] for one in API.create["api"]["oauth2PermissionScopes"]]


def test_ids_are_the_same_each_time_and_unique_in_an_application() -> None:
    again = applications(IDS, ADDRESSES)

    assert again == (API, ADDIN, PORTAL)
    ids = [one["id"] for one in (*API.create["appRoles"], *API.create["api"]["oauth2PermissionScopes"])]
    assert len(set(ids)) == len(ids)
    assert {UUID(one).version for one in ids} == {5}
    # Ids that were handed out once are in customers' directories: they may never become others.
    assert scope_id(ADDIN_SCOPE) == "6ca9b5c6-58c1-5051-93f5-7bad2bf3c70b"
    assert role_id("api", CONSENT_ROLE) == "f847d14b-68bd-5638-b6c7-1e3071b1642c"


def test_consent_to_the_portal_covers_the_api() -> None:
    assert PORTAL.client_id in API.complete["api"]["knownClientApplications"]
    assert _asked(PORTAL, API.client_id) == {scope_id(ADDIN_SCOPE)}
    # What the portal is consented to opens no door: it is not among the add-in's clients.
    assert PORTAL.client_id not in {one["appId"] for one in API.complete["api"]["preAuthorizedApplications"]}


def test_office_gets_brokered_redirects_and_the_portal_gets_its_own() -> None:
    assert ADDIN.create["spa"]["redirectUris"] == [
        "brk-multihub://pane.example",
        "https://pane.example/taskpane.html",
    ]
    assert "web" not in ADDIN.create
    assert "spa" not in PORTAL.create
    assert PORTAL.create["web"]["implicitGrantSettings"] == {
        "enableAccessTokenIssuance": False,
        "enableIdTokenIssuance": False,
    }


@pytest.mark.parametrize("printed", [API, ADDIN, PORTAL], ids=lambda one: one.name)
def test_every_registration_serves_all_customers_and_locks_its_credentials(printed: Application) -> None:
    body: dict[str, Any] = printed.create

    assert body["signInAudience"] == "AzureADMultipleOrgs"
    assert body["servicePrincipalLockConfiguration"] == {"isEnabled": True, "allProperties": True}
    assert not {"id", "appId", "passwordCredentials", "keyCredentials"} & body.keys()
