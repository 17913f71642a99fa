"""Our three app registrations as Microsoft Graph takes them, and the names in them that tokens are judged by.

    API      what access tokens are for; reads files on behalf of people, and proves a directory's consent
    add-in   the public client in Office, by nested app authentication
    portal   the confidential client with which people sign in at the portal

Each is made in two steps, because an application's own id is known only when it is there, and Graph refuses
to pre-authorize a scope in the request that adds it: `create` for POST /applications, `complete` for PATCH.
Source: Microsoft Graph, "application resource type"; Microsoft Entra, "App manifest (Microsoft Graph format)".
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app.vocabulary import PROCESS_PERMISSION, Role

ADDIN_SCOPE = "Tasks.ReadWrite"
"""The scope with which a program acts for a person at the add-in's door."""
CONSENT_ROLE = "Tenant.Onboarded"
"""Application role of our API that our API's own registration asks for: granted by admin consent only."""
FILES_PERMISSION = "Files.Read.All"
"""Delegated, on behalf of people: the files that they may read themselves."""
PROFILE_PERMISSION = "User.Read"
"""Delegated, at the portal's sign-in: the person's own profile."""
SIGN_IN_PATH = "/portal/v1/sign-in/callback"
CONSENT_PATH = "/portal/v1/onboarding/consent"
HOME_PATH = "/portal/"
"""Where Entra sends the browser after a sign-out; it has to be registered for that."""
PORTAL_PATHS = (SIGN_IN_PATH, CONSENT_PATH, HOME_PATH)
ACCESS_TOKEN_CLAIMS = ("acct", "idtyp", "xms_cc")
ID_TOKEN_CLAIMS = ("acct",)
API_GROUP_CLAIMS = ("SecurityGroup",)
"""`groups` of those who use the add-in and never see the portal."""
GROUP_CLAIMS = ("DirectoryRole", "SecurityGroup")
"""`wids`, which proves an administrator, and `groups`, which policies may ask for."""

GRAPH_CLIENT_ID = "00000003-0000-0000-c000-000000000000"
_OPENID = ("openid", "profile", "offline_access")
"""MSAL asks for these beside every scope; without a consent to them people would be asked."""
GRAPH_PERMISSIONS = {
    "openid": "37f7f235-527c-4136-accd-4a02d197296e",
    "profile": "14dad69e-099b-42c9-810b-d002981feec1",
    "offline_access": "7427e0e9-2fba-42fe-b0c0-848c9e6a8182",
    PROFILE_PERMISSION: "e1fe6dd8-ba31-4d61-89e7-88639da4683d",
    FILES_PERMISSION: "df85f4d6-205c-4ac5-a5ea-6bf408dba283",
}
"""Ids of Graph's delegated permissions. Source: Microsoft, "Microsoft Graph permissions reference"."""
_NAMESPACE = uuid.UUID("5d0a9f0e-6f0b-5c55-9a0e-3f2f5b1f7c61")
_BROKER = "brk-multihub://"
"""Office asks for tokens in the name of a page of this host. Source: Microsoft, "Enable SSO in an Office
Add-in using nested app authentication"."""
_ROLES = {
    Role.TENANT_ADMIN: (
        "Tenant administrator",
        "Administers members, programs and settings of the customer.",
    ),
    Role.AUDITOR: ("Auditor", "Reads the customer's members, jobs and record, and changes nothing."),
    Role.MEMBER: ("Member", "Uses the assistant."),
    Role.PLATFORM_OPERATOR: (
        "Platform operator",
        "Operates the platform; counts in the operator's directory.",
    ),
}
_APPLICATION_ROLES = {
    PROCESS_PERMISSION: ("Process tasks", "Lets a program of the customer's send tasks as itself."),
    CONSENT_ROLE: ("Tenant is onboarded", "Proves that an administrator consented for the directory."),
}


@dataclass(frozen=True)
class ClientIds:
    """Application ids, or `${NAME}` for what is not known before it is created."""

    api: str = "${API_CLIENT_ID}"
    addins: tuple[str, ...] = ("${ADDIN_CLIENT_ID}",)
    """Whom the token validator lets in at the add-in's door; the first is the registration made here."""
    portal: str = "${PORTAL_CLIENT_ID}"


@dataclass(frozen=True)
class PublicAddresses:
    """Under which addresses browsers know us: origins without a path, and whole pages."""

    portal: str
    addin_origins: tuple[str, ...] = ()
    addin_pages: tuple[str, ...] = ()
    """Pages of the add-in that ask for tokens; Office on the web sends answers to them."""


@dataclass(frozen=True)
class Application:
    """One registration: the bodies of the two requests that make it what it has to be."""

    name: str
    variable: str
    client_id: str
    create: dict[str, Any]
    complete: dict[str, Any]


def applications(ids: ClientIds, addresses: PublicAddresses) -> tuple[Application, Application, Application]:
    """The API's, the add-in's and the portal's registration, in the order in which to make them."""
    return _api(ids), _addin(ids, addresses), _portal(ids, addresses)


def scope_id(name: str) -> str:
    """The id of a scope of the API: the same for every installation, so that a second run changes nothing."""
    return _id("api/scope", name)


def role_id(application: str, name: str) -> str:
    """The id of an application role of the `api` or the `portal`."""
    return _id(f"{application}/role", name)


def _id(kind: str, name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{kind}/{name}"))


def _api(ids: ClientIds) -> Application:
    api = {
        "requestedAccessTokenVersion": 2,
        "oauth2PermissionScopes": [
            {
                "id": scope_id(ADDIN_SCOPE),
                "value": ADDIN_SCOPE,
                "type": "User",
                "isEnabled": True,
                "adminConsentDisplayName": "Send document tasks",
                "adminConsentDescription": "Lets the add-in send documents and tasks in a person's name.",
                "userConsentDisplayName": "Send document tasks",
                "userConsentDescription": "Lets the add-in send documents and tasks in your name.",
            }
        ],
    }
    own_role = {"id": role_id("api", CONSENT_ROLE), "type": "Role"}
    return Application(
        name="api",
        variable="API_CLIENT_ID",
        client_id=ids.api,
        create={
            **_common("Switchboard API"),
            "api": api,
            "appRoles": [*_user_roles("api"), *_application_roles()],
            "groupMembershipClaims": ",".join(API_GROUP_CLAIMS),
            "optionalClaims": _optional(access=ACCESS_TOKEN_CLAIMS),
        },
        complete={
            "identifierUris": [f"api://{ids.api}"],
            "api": {
                **api,
                "knownClientApplications": [*ids.addins, ids.portal],
                "preAuthorizedApplications": [
                    {"appId": one, "delegatedPermissionIds": [scope_id(ADDIN_SCOPE)]} for one in ids.addins
                ],
            },
            "requiredResourceAccess": [
                _of_graph(FILES_PERMISSION),
                {"resourceAppId": ids.api, "resourceAccess": [own_role]},
            ],
        },
    )


def _addin(ids: ClientIds, addresses: PublicAddresses) -> Application:
    brokers = [_BROKER + origin.partition("://")[2] for origin in addresses.addin_origins]
    return Application(
        name="addin",
        variable="ADDIN_CLIENT_ID",
        client_id=ids.addins[0],
        create={
            **_common("Switchboard add-in"),
            "isFallbackPublicClient": False,
            "spa": {"redirectUris": [*brokers, *addresses.addin_pages]},
        },
        complete={"requiredResourceAccess": [_of_graph(), _of_our_api(ids)]},
    )


def _portal(ids: ClientIds, addresses: PublicAddresses) -> Application:
    return Application(
        name="portal",
        variable="PORTAL_CLIENT_ID",
        client_id=ids.portal,
        create={
            **_common("Switchboard portal"),
            "appRoles": _user_roles("portal"),
            "groupMembershipClaims": ",".join(GROUP_CLAIMS),
            "optionalClaims": _optional(identity=ID_TOKEN_CLAIMS),
            "web": {
                "redirectUris": [addresses.portal + path for path in PORTAL_PATHS],
                "implicitGrantSettings": {
                    "enableAccessTokenIssuance": False,
                    "enableIdTokenIssuance": False,
                },
            },
        },
        # Consent to the portal covers the API only if the portal asks for something of the API. What it
        # gets opens nothing: the portal is not among the clients that the add-in's door lets in.
        complete={"requiredResourceAccess": [_of_graph(PROFILE_PERMISSION), _of_our_api(ids)]},
    )


def _common(display_name: str) -> dict[str, Any]:
    return {
        "displayName": display_name,
        "signInAudience": "AzureADMultipleOrgs",
        # No customer's administrator may add a credential of their own to our programs.
        "servicePrincipalLockConfiguration": {"isEnabled": True, "allProperties": True},
    }


def _optional(*, access: Sequence[str] = (), identity: Sequence[str] = ()) -> dict[str, Any]:
    def claims(names: Sequence[str]) -> list[dict[str, Any]]:
        return [{"name": name, "essential": False, "additionalProperties": []} for name in names]

    return {"accessToken": claims(access), "idToken": claims(identity), "saml2Token": []}


def _of_graph(*names: str) -> dict[str, Any]:
    wanted: Iterable[str] = (*names, *_OPENID)
    return {
        "resourceAppId": GRAPH_CLIENT_ID,
        "resourceAccess": [{"id": GRAPH_PERMISSIONS[name], "type": "Scope"} for name in wanted],
    }


def _of_our_api(ids: ClientIds) -> dict[str, Any]:
    return {
        "resourceAppId": ids.api,
        "resourceAccess": [{"id": scope_id(ADDIN_SCOPE), "type": "Scope"}],
    }


def _user_roles(application: str) -> list[dict[str, Any]]:
    return [_role(application, role.value, *words, to="User") for role, words in _ROLES.items()]


def _application_roles() -> list[dict[str, Any]]:
    return [_role("api", name, *words, to="Application") for name, words in _APPLICATION_ROLES.items()]


def _role(application: str, value: str, title: str, description: str, *, to: str) -> dict[str, Any]:
    return {
        "id": role_id(application, value),
        "value": value,
        "displayName": title,
        "description": description,
        "allowedMemberTypes": [to],
        "isEnabled": True,
    }
