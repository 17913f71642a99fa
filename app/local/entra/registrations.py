"""App registrations of the development Entra: which programs there are and what they may ask for.

The same applications as `switchboard registrations` prints for a real directory, with ids of their own.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.x509 import Certificate

from app.identity import registrations as product
from app.local.graph.drives import DOWNLOAD_HOST
from app.vocabulary import PROCESS_PERMISSION, Role

API_CLIENT_ID = "5b1f0c1e-7a52-4c39-9d0e-3f6a2b8c4d10"
ADDIN_CLIENT_ID = "c7d2a9f4-1e63-4b85-8f27-90a4e6d3b521"
PORTAL_CLIENT_ID = "e3a84f60-9b27-4d15-a6c8-2f71d05b9e43"
AUTOMATION_CLIENT_ID = "29f6c8d1-40b7-4e9a-8d53-b61e7f2a0c94"
"""A customer's program that acts for itself."""
SCOPE_NAME = product.ADDIN_SCOPE
SCOPE = f"api://{API_CLIENT_ID}/{SCOPE_NAME}"
APPLICATION_ROLE = PROCESS_PERMISSION
"""What customers' programs are granted."""
ONBOARDED_ROLE = product.CONSENT_ROLE
"""What the API grants itself: an app-only token carries it only where an administrator consented."""
USER_ROLES = tuple(role.value for role in Role)
DEVELOPMENT_SECRET = "development-only-and-on-loopback"  # noqa: S105 - known to everybody
"""The secret of the portal, the API and the automation program."""

GRAPH_CLIENT_ID = product.GRAPH_CLIENT_ID
"""Microsoft Graph: the audience of a token that names no other resource."""
GRAPH_RESOURCE = "https://graph.microsoft.com"


@dataclass(frozen=True)
class Federated:
    """Whose tokens prove the program instead of a secret: workload identities, managed identities."""

    issuer: str
    subject: str
    audience: str = "api://AzureADTokenExchange"


@dataclass(frozen=True)
class Registration:
    """A program. With a secret, a certificate or a federation it is a confidential client, else a public one."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    """Delegated permissions that it offers to others."""
    user_roles: tuple[str, ...] = ()
    """Roles that people can have in it; `roles` of their tokens for it."""
    application_roles: tuple[str, ...] = ()
    """What tokens for the API carry in `roles` when the program acts for itself, after consent."""
    graph_permissions: tuple[str, ...] = ()
    """Delegated permissions of Graph that it is consented to with."""
    graph_roles: tuple[str, ...] = ()
    """What tokens for Graph carry in `roles` when the program acts for itself, after consent."""
    preauthorized: tuple[str, ...] = ()
    """Programs that need nobody's consent to call it."""
    known_clients: tuple[str, ...] = ()
    """Programs whose consent covers this one, too."""
    optional_claims: frozenset[str] = frozenset()
    """Of `idtyp`, `acct`, `xms_cc`: those that access tokens for it carry."""
    group_claims: frozenset[str] = frozenset()
    """Of `DirectoryRole`, `SecurityGroup`: whether its tokens carry `wids`, `groups`."""
    secret: str | None = None
    certificate: Certificate | None = None
    federated: tuple[Federated, ...] = ()

    @property
    def is_public(self) -> bool:
        """Whether it has nothing to prove itself with."""
        return self.secret is None and self.certificate is None and not self.federated

    def accepts_redirect(self, uri: str) -> bool:
        """Whether answers may go there; a registered loopback address fits every port."""
        if uri in self.redirect_uris:
            return True
        try:
            asked = urlsplit(uri)
            _ = asked.port
        except ValueError:
            return False
        if asked.fragment or asked.query or asked.username is not None or not _is_loopback(uri):
            return False
        registered = [urlsplit(one) for one in self.redirect_uris if _is_loopback(one)]
        return (asked.hostname, asked.path.rstrip("/")) in {
            (one.hostname, one.path.rstrip("/")) for one in registered
        }


def _is_loopback(uri: str) -> bool:
    parts = urlsplit(uri)
    if parts.scheme != "http" or not parts.hostname:
        return False
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname == "localhost"


def _loopback(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"http://{host}{path}" for host in ("localhost", "127.0.0.1", "[::1]") for path in paths)


def registrations() -> dict[str, Registration]:
    """The product's programs, a customer's, and Graph, by client id."""
    programs = (
        Registration(
            API_CLIENT_ID,
            "Switchboard API",
            scopes=frozenset({SCOPE_NAME}),
            user_roles=USER_ROLES,
            application_roles=(ONBOARDED_ROLE,),
            graph_permissions=(product.FILES_PERMISSION,),
            preauthorized=(ADDIN_CLIENT_ID,),
            known_clients=(ADDIN_CLIENT_ID, PORTAL_CLIENT_ID),
            optional_claims=frozenset(product.ACCESS_TOKEN_CLAIMS),
            group_claims=frozenset(product.API_GROUP_CLAIMS),
            secret=DEVELOPMENT_SECRET,
        ),
        Registration(ADDIN_CLIENT_ID, "Switchboard add-in", redirect_uris=("http://localhost",)),
        Registration(
            PORTAL_CLIENT_ID,
            "Switchboard portal",
            redirect_uris=_loopback(product.PORTAL_PATHS),
            user_roles=USER_ROLES,
            graph_permissions=(product.PROFILE_PERMISSION,),
            optional_claims=frozenset(product.ID_TOKEN_CLAIMS),
            group_claims=frozenset(product.GROUP_CLAIMS),
            secret=DEVELOPMENT_SECRET,
        ),
        Registration(
            AUTOMATION_CLIENT_ID,
            "A customer's automation",
            application_roles=(APPLICATION_ROLE,),
            secret=DEVELOPMENT_SECRET,
        ),
        Registration(
            GRAPH_CLIENT_ID,
            "Microsoft Graph",
            scopes=frozenset(
                {
                    *("Files.Read", "Files.Read.All", "Sites.Read.All", "User.Read", "GroupMember.Read.All"),
                    *("Directory.Read.All", "DelegatedPermissionGrant.Read.All"),
                }
            ),
        ),
    )
    return {one.client_id: one for one in programs}


def development_settings(authority: str, ca: Path) -> dict[str, str]:
    """The variables with which our processes use the development Entra, and the small Graph beside it."""
    return {
        "SWITCHBOARD_ENTRA_AUTHORITY": authority,
        "SWITCHBOARD_ENTRA_CA": str(ca),
        "SWITCHBOARD_API_CLIENT_ID": API_CLIENT_ID,
        "SWITCHBOARD_ADDIN_CLIENT_IDS": f'["{ADDIN_CLIENT_ID}"]',
        "SWITCHBOARD_PORTAL_CLIENT_ID": PORTAL_CLIENT_ID,
        "SWITCHBOARD_ENTRA_CLIENT_SECRET": DEVELOPMENT_SECRET,
        "SWITCHBOARD_GRAPH_URL": f"{authority}/graph",
        "SWITCHBOARD_GRAPH_DOWNLOAD_HOSTS": f'["{DOWNLOAD_HOST}"]',
    }
