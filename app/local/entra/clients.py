"""How programs prove who they are: secret, certificate (private_key_jwt), federated token.

Source: Microsoft, "Certificate credentials for application authentication" and "Workload identity federation".
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from jwt.exceptions import InvalidSubjectError

from app.local.entra.errors import Refused, invalid_client
from app.local.entra.keys import encode
from app.local.entra.registrations import Registration
from app.local.entra.workloads import WorkloadIssuer

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

Form = Mapping[str, str]


class Clients:
    """Knows the programs of the directory."""

    def __init__(self, known: Mapping[str, Registration], workloads: WorkloadIssuer) -> None:
        self._known = known
        self._workloads = workloads

    def find(self, form: Form) -> Registration:
        """The program that a form names. Raises: `Refused`."""
        client = self._known.get(form.get("client_id", ""))
        if client is None:
            raise Refused("unauthorized_client", 700016, "The application was not found in the directory.")
        return client

    def authenticate(self, form: Form, *, token_address: str) -> Registration:
        """The program that a form names and proves to come from. Raises: `Refused`."""
        client = self.find(form)
        secret, assertion = form.get("client_secret"), form.get("client_assertion")
        if client.is_public:
            if secret is not None or assertion is not None:
                raise invalid_client(700025, "The client is public: no secret or assertion may be presented.")
        elif assertion is not None and form.get("client_assertion_type") == _ASSERTION:
            self._check_assertion(client, assertion, token_address)
        elif secret is None:
            raise invalid_client(7000218, "The body must contain 'client_assertion' or 'client_secret'.")
        elif client.secret is None or not hmac.compare_digest(secret.encode(), client.secret.encode()):
            raise invalid_client(7000215, "Invalid client secret provided.")
        return client

    def _check_assertion(self, client: Registration, assertion: str, token_address: str) -> None:
        try:
            header = jwt.get_unverified_header(assertion)
            claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise invalid_client(50027, "The client assertion is not a JSON Web Token.") from None
        if claims.get("iss") == client.client_id:
            _check_certificate(client, assertion, header, token_address)
        else:
            self._check_federated(client, assertion, claims)

    def _check_federated(self, client: Registration, assertion: str, claims: Mapping[str, Any]) -> None:
        issued = [one for one in client.federated if one.issuer == claims.get("iss")]
        if not issued:
            raise invalid_client(700211, "No matching federated identity record found for the issuer.")
        matching = [one for one in issued if one.subject == claims.get("sub")]
        if not matching:
            raise invalid_client(700213, "No matching federated identity record found for the subject.")
        if matching[0].audience != claims.get("aud"):
            raise invalid_client(700212, "No matching federated identity record found for the audience.")
        try:
            self._workloads.decode(assertion, audience=matching[0].audience)
        except jwt.ExpiredSignatureError:
            raise invalid_client(700024, "The client assertion is not within its valid time range.") from None
        except jwt.PyJWTError:
            raise invalid_client(50013, "The assertion failed signature validation.") from None


def _check_certificate(
    client: Registration, assertion: str, header: Mapping[str, Any], token_address: str
) -> None:
    certificate = client.certificate
    if certificate is None or not _names(header, certificate):
        raise invalid_client(
            700027, "The certificate used to sign the client assertion is not registered on the application."
        )
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise invalid_client(700027, "The registered certificate holds no RSA key.")
    try:
        jwt.decode(
            assertion,
            key,
            algorithms=["PS256", "RS256"],
            audience=token_address,
            issuer=client.client_id,
            subject=client.client_id,
            # Not once only: MSAL sends one assertion for all its requests of ten minutes.
            options={"require": ["exp", "sub", "jti"]},
        )
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
        raise invalid_client(700024, "The client assertion is not within its valid time range.") from None
    except jwt.InvalidAudienceError:
        raise invalid_client(700023, "The client assertion's audience does not match.") from None
    except InvalidSubjectError:
        raise invalid_client(700021, "The client assertion's subject is not the client.") from None
    except jwt.PyJWTError as error:
        raise invalid_client(
            700027, f"The client assertion failed validation: {type(error).__name__}."
        ) from None


def _names(header: Mapping[str, Any], certificate: Certificate) -> bool:
    """Whether the header names the certificate by a thumbprint; an assertion without one is refused."""
    content = certificate.public_bytes(Encoding.DER)
    prints = {
        "x5t#S256": encode(hashlib.sha256(content).digest()),
        "x5t": encode(hashlib.sha1(content).digest()),  # noqa: S324 - the thumbprint's definition
    }
    named = {name: value for name, value in header.items() if name in prints}
    return bool(named) and all(str(value).rstrip("=") == prints[name] for name, value in named.items())
