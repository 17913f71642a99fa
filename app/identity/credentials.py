"""How our own registrations prove who they are: certificate, federated token, managed identity, secret.

    SWITCHBOARD_ENTRA_CERTIFICATE          a PEM file with key and certificate, or a PFX file
    SWITCHBOARD_ENTRA_FEDERATED_TOKEN_FILE a workload identity's token (Kubernetes writes and renews the file)
    SWITCHBOARD_ENTRA_MANAGED_IDENTITY     `system`, or the client id of a user-assigned identity
    SWITCHBOARD_ENTRA_CLIENT_SECRET        development only

Files are read when they are needed, so whoever renews them restarts nothing.
Source: Microsoft, "Certificate credentials for application authentication", "Workload identity federation",
"Configure an application to trust a managed identity".
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msal
import requests
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificate

from app.core.logging import get_logger
from app.identity.errors import CredentialUnavailable
from app.identity.msal_session import MsalSession
from app.settings import MissingSetting, Settings

__all__ = ["Credential", "credential"]

_log = get_logger(__name__)
_LARGEST_FILE = 64 * 1024
_PEM_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_EXCHANGES = {
    "login.microsoftonline.us": "api://AzureADTokenExchangeUSGov",
    "login.partner.microsoftonline.cn": "api://AzureADTokenExchangeChina",
}
"""Whom a managed identity's token is for, where it is not the public cloud's exchange."""
_PUBLIC_EXCHANGE = "api://AzureADTokenExchange"
_SYSTEM_ASSIGNED = "system"

Credential = Callable[[], str | dict[str, Any]]
"""Gives what MSAL takes as `client_credential`. Raises: `CredentialUnavailable`."""


def credential(settings: Settings) -> Credential | None:
    """The credential that the settings name; they name at most one. Nothing is read yet."""
    if settings.entra_certificate is not None:
        password = settings.entra_certificate_password
        return _certificate(
            settings.entra_certificate, password.get_secret_value().encode() if password else None
        )
    if settings.entra_federated_token_file is not None:
        return _assertion(_token_file(settings.entra_federated_token_file))
    if settings.entra_managed_identity:
        return _assertion(_managed_identity(settings.entra_managed_identity, settings.entra_authority))
    if settings.entra_client_secret is not None:
        secret = settings.entra_client_secret.get_secret_value()
        return lambda: secret
    return None


def required(found: Credential | None) -> Credential:
    """The credential. Raises: `MissingSetting` saying how to name one."""
    if found is None:
        raise MissingSetting(
            "no credential of the app registrations is set: SWITCHBOARD_ENTRA_CERTIFICATE,"
            " SWITCHBOARD_ENTRA_FEDERATED_TOKEN_FILE or SWITCHBOARD_ENTRA_MANAGED_IDENTITY"
        )
    return found


def _certificate(path: Path, password: bytes | None) -> Credential:
    """Key and certificate of a file, read again whenever the file has changed."""
    known: tuple[tuple[int, int, int], dict[str, Any]] | None = None

    def read() -> dict[str, Any]:
        nonlocal known
        try:
            state = path.stat()
            version = (state.st_mtime_ns, state.st_size, state.st_ino)
            if known is None or known[0] != version:
                known = (version, _parse(_content(path), password))
        except (OSError, ValueError, TypeError) as error:
            # TypeError: a key with a password, and none given; or the other way round.
            raise _unavailable("certificate", error) from None
        return known[1]

    return read


def _parse(content: bytes, password: bytes | None) -> dict[str, Any]:
    """A PEM or PKCS #12 file as MSAL takes it. Raises: ValueError, TypeError."""
    if content.startswith(b"-----") or b"\n-----BEGIN" in content:
        keys, certificates = _PEM_KEY.findall(content), _PEM_CERTIFICATE.findall(content)
        if not keys or not certificates:
            raise ValueError("the file needs a private key and its certificate")
        key: Any = load_pem_private_key(keys[0], password)
        first = load_pem_x509_certificate(certificates[0])
    else:
        key, found, _ = pkcs12.load_key_and_certificates(content, password)
        if key is None or found is None:
            raise ValueError("the file needs a private key and its certificate")
        first = found
        certificates = [found.public_bytes(Encoding.PEM)]
    if key.public_key() != first.public_key():
        raise ValueError("the certificate is not that of the key")
    return {
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "public_certificate": b"\n".join(certificates).decode(),
    }


def _assertion(read: Callable[[], str]) -> Credential:
    # MSAL calls it for each request to Entra, so it is never an old one.
    return lambda: {"client_assertion": read}


def _token_file(path: Path) -> Callable[[], str]:
    def read() -> str:
        try:
            return _content(path).decode("ascii").strip()
        except (OSError, ValueError) as error:
            raise _unavailable("federated token file", error) from None

    return read


def _managed_identity(name: str, authority: str) -> Callable[[], str]:
    """Tokens of the machine's identity, which MSAL keeps while they are good.

    Where the machine has its identity from is the platform's to say: IDENTITY_ENDPOINT of App Service and
    Container Apps, else the metadata service of the machine.
    """
    identity = (
        msal.SystemAssignedManagedIdentity()
        if name == _SYSTEM_ASSIGNED
        else msal.UserAssignedManagedIdentity(client_id=name)
    )
    client = msal.ManagedIdentityClient(identity, http_client=MsalSession())
    exchange = _EXCHANGES.get(urlsplit(authority).hostname or "", _PUBLIC_EXCHANGE)

    def acquire() -> str:
        try:
            answer: dict[str, Any] = client.acquire_token_for_client(resource=exchange)
        except (requests.RequestException, msal.exceptions.MsalError, ValueError) as error:
            raise _unavailable("managed identity", error) from None
        token = answer.get("access_token")
        if not isinstance(token, str):
            _log.error(
                "credential not available", kind="managed identity", reason=str(answer.get("error"))[:64]
            )
            raise CredentialUnavailable
        return token

    return acquire


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_LARGEST_FILE + 1)
    if not content.strip() or len(content) > _LARGEST_FILE:
        raise ValueError("the file is empty or too large")
    return content


def _unavailable(kind: str, error: Exception) -> CredentialUnavailable:
    # Our own operators have to mend it; the reason's kind is enough for that, and holds no secret.
    _log.error("credential not available", kind=kind, reason=type(error).__name__)
    return CredentialUnavailable()
