"""How programs prove themselves to the development Entra: secret, certificate, federated token."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding

from app.local.entra.keys import SigningKey, encode
from app.local.entra.registrations import (
    API_CLIENT_ID,
    AUTOMATION_CLIENT_ID,
    PORTAL_CLIENT_ID,
    Federated,
)
from tests.entra import RunningEntra
from tests.local.entra_clients import (
    ASSERTION_TYPE,
    CONTOSO,
    FABRIKAM,
    application_answer,
    claims_of,
    confidential,
    pem,
    post,
    self_signed,
)

_KEY = SigningKey.new()
_CERTIFICATE = self_signed(_KEY)
_THUMBPRINT = encode(hashlib.sha256(_CERTIFICATE.public_bytes(Encoding.DER)).digest())
_SUBJECT = "system:serviceaccount:switchboard:api"


@pytest.mark.parametrize("client_id", [PORTAL_CLIENT_ID, API_CLIENT_ID])
def test_msal_proves_our_programs_with_a_certificate_instead_of_the_secret(
    client_id: str, fresh_entra: RunningEntra, wire: requests.Session
) -> None:
    known = fresh_entra.app.registrations
    known[client_id] = replace(known[client_id], secret=None, certificate=_CERTIFICATE)
    credential = {"private_key": _KEY.pem().decode(), "public_certificate": pem(_CERTIFICATE)}
    client = confidential(fresh_entra, wire, client_id=client_id, credential=credential)

    first = client.acquire_token_for_client([f"{API_CLIENT_ID}/.default"])
    # MSAL shows the same assertion again for another resource.
    second = client.acquire_token_for_client(["https://graph.microsoft.com/.default"])

    assert claims_of(first["access_token"])["azpacr"] == "2"
    assert "access_token" in second


def _certified(**changes: Any) -> str:
    """An assertion as MSAL makes it, but for the changes; None leaves something out."""
    headers = {"x5t#S256": _THUMBPRINT, **changes.pop("headers", {})}
    key = changes.pop("key", _KEY)
    now = int(time.time())
    claims = {
        "iss": API_CLIENT_ID,
        "sub": API_CLIENT_ID,
        "aud": changes.pop("audience"),
        "iat": now,
        "exp": now + 600,
        "jti": secrets.token_hex(8),
        **changes,
    }
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        key.key,
        algorithm="PS256",
        headers={name: value for name, value in headers.items() if value is not None},
    )


_OTHER = SigningKey.new()
_BAD_ASSERTIONS: dict[str, tuple[dict[str, Any], int]] = {
    "thumbprint of another certificate": ({"headers": {"x5t#S256": encode(b"x" * 32)}}, 700027),
    "one of two thumbprints wrong": ({"headers": {"x5t": encode(b"x" * 20)}}, 700027),
    "no thumbprint": ({"headers": {"x5t#S256": None}}, 700027),
    "another key": ({"key": _OTHER}, 700027),
    "another tenant's address": ({"audience_path": FABRIKAM}, 700023),
    "expired": ({"exp": int(time.time()) - 600}, 700024),
    "not yet": ({"nbf": int(time.time()) + 6000}, 700024),
    "no expiry": ({"exp": None}, 700027),
    "no id": ({"jti": None}, 700027),
    "another subject": ({"sub": PORTAL_CLIENT_ID}, 700021),
    "another issuer": ({"iss": PORTAL_CLIENT_ID}, 700211),
}


@pytest.mark.parametrize("kind", ["good", *_BAD_ASSERTIONS])
def test_an_assertion_is_good_for_its_program_its_address_and_its_time(
    kind: str, fresh_entra: RunningEntra, surfer: httpx.Client
) -> None:
    known = fresh_entra.app.registrations
    known[API_CLIENT_ID] = replace(known[API_CLIENT_ID], secret=None, certificate=_CERTIFICATE)
    changes, number = _BAD_ASSERTIONS.get(kind, ({}, 0))
    tenant = changes.get("audience_path", CONTOSO)
    audience = f"{fresh_entra.url}/{tenant}/oauth2/v2.0/token"
    assertion = _certified(
        **{"audience": audience, **{k: v for k, v in changes.items() if k != "audience_path"}}
    )

    answer = post(
        surfer,
        client_secret="",
        client_assertion=assertion,
        client_assertion_type=ASSERTION_TYPE,
        grant_type="client_credentials",
        scope=f"{API_CLIENT_ID}/.default",
    )

    if number:
        assert (answer.status_code, answer.json()["error_codes"]) == (401, [number])
    else:
        assert claims_of(answer.json()["access_token"])["azp"] == API_CLIENT_ID


def test_a_workload_identity_stands_in_for_a_secret(
    fresh_entra: RunningEntra, wire: requests.Session
) -> None:
    workloads, known = fresh_entra.app.workloads, fresh_entra.app.registrations
    known[API_CLIENT_ID] = replace(
        known[API_CLIENT_ID], secret=None, federated=(Federated(workloads.issuer, _SUBJECT),)
    )
    client = confidential(
        fresh_entra, wire, credential={"client_assertion": lambda: workloads.token(_SUBJECT)}
    )

    token = client.acquire_token_for_client([f"{API_CLIENT_ID}/.default"])["access_token"]

    assert (claims_of(token)["azp"], claims_of(token)["azpacr"]) == (API_CLIENT_ID, "2")


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("subject", 700213),
        ("audience", 700212),
        ("issuer", 700211),
        ("expired", 700024),
        ("signature", 50013),
        ("garbage", 50027),
    ],
)
def test_a_workload_nobody_registered_proves_nothing(
    kind: str, number: int, fresh_entra: RunningEntra, surfer: httpx.Client
) -> None:
    workloads, known = fresh_entra.app.workloads, fresh_entra.app.registrations
    issuer = "https://issuer.example" if kind == "issuer" else workloads.issuer
    known[API_CLIENT_ID] = replace(
        known[API_CLIENT_ID], secret=None, federated=(Federated(issuer, _SUBJECT),)
    )
    assertions: dict[str, Callable[[], str]] = {
        "subject": lambda: workloads.token("system:serviceaccount:other:api"),
        "audience": lambda: workloads.token(_SUBJECT, audience="api://another"),
        "issuer": lambda: workloads.token(_SUBJECT),
        "expired": lambda: workloads.token(_SUBJECT, seconds=-60),
        "signature": lambda: _OTHER.sign(claims_of(workloads.token(_SUBJECT))),
        "garbage": lambda: "no.token.atall",
    }

    answer = post(
        surfer,
        client_secret="",
        client_assertion=assertions[kind](),
        client_assertion_type=ASSERTION_TYPE,
        grant_type="client_credentials",
        scope=f"{API_CLIENT_ID}/.default",
    )

    assert (answer.status_code, answer.json()["error_codes"]) == (401, [number])


def test_a_customers_program_carries_its_role_where_an_administrator_consented(
    fresh_entra: RunningEntra, surfer: httpx.Client
) -> None:
    token = application_answer(surfer, CONTOSO, AUTOMATION_CLIENT_ID).json()["access_token"]
    assert claims_of(token)["roles"] == ["Tasks.Process.All"]
    assert claims_of(token)["idtyp"] == "app"

    fresh_entra.app.consent(CONTOSO, False)

    answer = application_answer(surfer, CONTOSO, AUTOMATION_CLIENT_ID)
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [700016])
    assert application_answer(surfer, FABRIKAM, AUTOMATION_CLIENT_ID).status_code == 200
