"""App registrations of the development Entra: which programs there are and what they may ask for."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

API_CLIENT_ID = "5b1f0c1e-7a52-4c39-9d0e-3f6a2b8c4d10"
ADDIN_CLIENT_ID = "c7d2a9f4-1e63-4b85-8f27-90a4e6d3b521"
SCOPE_NAME = "Tasks.ReadWrite"
SCOPE = f"api://{API_CLIENT_ID}/{SCOPE_NAME}"

GRAPH_CLIENT_ID = "00000003-0000-0000-c000-000000000000"
"""Microsoft Graph: the audience of a token that names no other resource."""


@dataclass(frozen=True)
class Registration:
    """A program. With a secret or a certificate it is a confidential client, else a public one."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    """Delegated permissions that it offers to others."""
    application_roles: tuple[str, ...] = ()
    """What tokens for other programs that act for themselves carry in `roles`."""
    secret: str | None = None
    certificate: RSAPublicKey | None = None

    @property
    def is_public(self) -> bool:
        """Whether it has nothing to prove itself with."""
        return self.secret is None and self.certificate is None

    def accepts_redirect(self, uri: str) -> bool:
        """Whether answers may go there; a registered `http://localhost` fits every port."""
        if uri in self.redirect_uris:
            return True
        try:
            asked = urlsplit(uri)
            _ = asked.port
        except ValueError:
            return False
        if (
            asked.fragment
            or asked.scheme != "http"
            or asked.hostname != "localhost"
            or asked.username is not None
        ):
            return False
        paths = {urlsplit(one).path.rstrip("/") for one in self.redirect_uris if _is_loopback(one)}
        return asked.path.rstrip("/") in paths


def _is_loopback(uri: str) -> bool:
    parts = urlsplit(uri)
    return parts.scheme == "http" and parts.hostname == "localhost"


def registrations() -> dict[str, Registration]:
    """The API and the add-in, by client id."""
    both = (
        Registration(API_CLIENT_ID, "Switchboard API", scopes=frozenset({SCOPE_NAME})),
        Registration(ADDIN_CLIENT_ID, "Switchboard add-in", redirect_uris=("http://localhost",)),
    )
    return {one.client_id: one for one in both}
