"""Clients of the development Entra for its own tests: a browser, MSAL, plain forms, certificates."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import msal
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from app.local.entra.keys import SigningKey
from app.local.entra.registrations import API_CLIENT_ID, DEVELOPMENT_SECRET, PORTAL_CLIENT_ID
from tests.entra import RunningEntra, seed_tenants

CONTOSO: str = seed_tenants()[0]["entra_tenant_id"]
FABRIKAM: str = seed_tenants()[1]["entra_tenant_id"]
PORTAL_REDIRECT = "http://127.0.0.1:51234/portal/v1/sign-in/callback"
CONSENT_REDIRECT = "http://127.0.0.1:51234/portal/v1/onboarding/consent"
ON_BEHALF = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FILES_SCOPE = "https://graph.microsoft.com/Files.Read.All"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@contextmanager
def browser_of(entra: RunningEntra) -> Iterator[httpx.Client]:
    """A client that trusts Entra and follows nothing by itself."""
    context = ssl.create_default_context(cafile=str(entra.ca))
    with httpx.Client(base_url=entra.url, verify=context, trust_env=False) as client:
        yield client


@contextmanager
def session_of(entra: RunningEntra) -> Iterator[requests.Session]:
    """What MSAL talks through."""
    with requests.Session() as opened:
        opened.trust_env = False
        opened.verify = str(entra.ca)
        yield opened


def confidential(
    entra: RunningEntra,
    session: requests.Session,
    *,
    client_id: str = API_CLIENT_ID,
    credential: Any = DEVELOPMENT_SECRET,
    tenant: str = CONTOSO,
) -> Any:
    """MSAL as a confidential client that can handle claims challenges."""
    return msal.ConfidentialClientApplication(
        client_id,
        client_credential=credential,
        authority=f"{entra.url}/{tenant}",
        http_client=session,
        instance_discovery=False,
        client_capabilities=["CP1"],
    )


def portal_sign_in(
    entra: RunningEntra, session: requests.Session, login: str, **options: Any
) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """The flow, MSAL's answer and the client after a person has signed in at the portal."""
    client = confidential(entra, session, client_id=PORTAL_CLIENT_ID, tenant="organizations")
    scopes = options.pop("scopes", [])
    flow = client.initiate_auth_code_flow(
        scopes, redirect_uri=PORTAL_REDIRECT, login_hint=login, response_mode="query", **options
    )
    page = session.get(flow["auth_uri"], allow_redirects=False)
    return flow, client.acquire_token_by_auth_code_flow(flow, answer_of(page.headers["location"])), client


def answer_of(location: str) -> dict[str, str]:
    """What a redirect carries."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def post(browser: httpx.Client, segment: str = CONTOSO, **form: str) -> httpx.Response:
    """A form of the API program, with its secret unless the form proves it otherwise."""
    known = {"client_id": API_CLIENT_ID, "client_secret": DEVELOPMENT_SECRET, **form}
    return browser.post(
        f"/{segment}/oauth2/v2.0/token", data={name: value for name, value in known.items() if value}
    )


def on_behalf(
    browser: httpx.Client, assertion: str, segment: str = CONTOSO, /, **form: str
) -> httpx.Response:
    """An on-behalf-of request of the API."""
    known = {
        "grant_type": ON_BEHALF,
        "requested_token_use": "on_behalf_of",
        "assertion": assertion,
        "scope": FILES_SCOPE,
        **form,
    }
    return post(browser, segment, **known)


def consent_page(browser: httpx.Client, segment: str, login: str, **changes: str) -> httpx.Response:
    """What an administrator's browser gets at the consent page."""
    query = {
        "client_id": PORTAL_CLIENT_ID,
        "scope": f"{API_CLIENT_ID}/.default",
        "redirect_uri": CONSENT_REDIRECT,
        "state": "a state",
        "login_hint": login,
        **changes,
    }
    return browser.get(f"/{segment}/v2.0/adminconsent", params={k: v for k, v in query.items() if v})


def application_answer(browser: httpx.Client, segment: str, client_id: str = API_CLIENT_ID) -> httpx.Response:
    """The answer to a program that acts for itself."""
    return post(
        browser,
        segment,
        client_id=client_id,
        grant_type="client_credentials",
        scope=f"{API_CLIENT_ID}/.default",
    )


def claims_of(token: str) -> dict[str, Any]:
    """A token's claims, unchecked."""
    return jwt.decode(token, options={"verify_signature": False})


def links(page: str) -> list[str]:
    """The links of a page."""
    return [unescape(one) for one in re.findall(r'href="([^"]+)"', page)]


def self_signed(key: SigningKey) -> x509.Certificate:
    """A certificate as an operator registers it."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A program")])
    begins = datetime.now(UTC) - timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=2))
        .sign(key.key, hashes.SHA256())
    )


def pem(certificate: x509.Certificate) -> str:
    """A certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
