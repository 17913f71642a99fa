"""The development Entra behaves towards programs as Entra does. MSAL and browsers talk to it over TLS."""

import hashlib
import re
import secrets
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from app.local.entra.__main__ import main
from app.local.entra.certificates import certificates
from app.local.entra.keys import KeyStore, SigningKey, encode
from app.local.entra.registrations import (
    ADDIN_CLIENT_ID,
    API_CLIENT_ID,
    DEVELOPMENT_SECRET,
    GRAPH_CLIENT_ID,
    SCOPE,
    SCOPE_NAME,
    Registration,
)
from tests.entra import ADA, GRACE, SEED, RunningEntra, seed_tenants

_CONTOSO = seed_tenants()[0]["entra_tenant_id"]
_FABRIKAM = seed_tenants()[1]["entra_tenant_id"]
_REDIRECT = "http://localhost:51234"
_VERIFIER = "v" * 43
_CHALLENGE = encode(hashlib.sha256(_VERIFIER.encode()).digest())
_DAEMON = "d1000000-0000-4000-8000-00000000000d"


@pytest.fixture(scope="module")
def running_entra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEntra]:
    """One Entra for this file."""
    with RunningEntra(tmp_path_factory.mktemp("entra")) as running:
        yield running


@pytest.fixture
def entra(running_entra: RunningEntra) -> RunningEntra:
    """Entra as it is at its start."""
    running_entra.reset()
    return running_entra


@pytest.fixture
def browser(entra: RunningEntra) -> Iterator[httpx.Client]:
    """A client that trusts Entra and follows nothing by itself."""
    context = ssl.create_default_context(cafile=str(entra.ca))
    with httpx.Client(base_url=entra.url, verify=context, trust_env=False) as client:
        yield client


@pytest.fixture
def session(entra: RunningEntra) -> Iterator[requests.Session]:
    """What MSAL talks through."""
    with requests.Session() as opened:
        opened.trust_env = False
        opened.verify = str(entra.ca)
        yield opened


def _query(**changes: str) -> dict[str, str]:
    query = {
        "client_id": ADDIN_CLIENT_ID,
        "response_type": "code",
        "redirect_uri": _REDIRECT,
        "scope": f"{SCOPE} openid profile offline_access",
        "state": "a state",
        "nonce": "a nonce",
        "code_challenge": _CHALLENGE,
        "code_challenge_method": "S256",
        "login_hint": ADA,
        **changes,
    }
    return {name: value for name, value in query.items() if value}


def _authorize(browser: httpx.Client, segment: str = "organizations", **changes: str) -> httpx.Response:
    return browser.get(f"/{segment}/oauth2/v2.0/authorize", params=_query(**changes))


def _answer(response: httpx.Response) -> dict[str, str]:
    """What a redirect carries."""
    assert response.status_code == 302, response.text
    assert response.headers["location"].startswith(f"{_REDIRECT}?")
    return {
        name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()
    }


def _token(browser: httpx.Client, segment: str = "organizations", **form: str) -> httpx.Response:
    return browser.post(f"/{segment}/oauth2/v2.0/token", data={"client_id": ADDIN_CLIENT_ID, **form})


def _redeem(browser: httpx.Client, code: str, **changes: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": _REDIRECT,
        "code_verifier": _VERIFIER,
        **changes,
    }
    return _token(browser, **form)


def _claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def test_discovery_is_a_template_for_all_tenants_and_plain_for_one(
    entra: RunningEntra, browser: httpx.Client
) -> None:
    path = "v2.0/.well-known/openid-configuration"
    for segment in ("organizations", "common"):
        assert browser.get(f"/{segment}/{path}").json()["issuer"] == f"{entra.url}/{{tenantid}}/v2.0"
    one = browser.get(f"/{_CONTOSO}/{path}").json()
    assert one["issuer"] == f"{entra.url}/{_CONTOSO}/v2.0"
    assert browser.get(f"/contoso.example/{path}").json()["issuer"] == one["issuer"]

    keys = browser.get(one["jwks_uri"]).json()["keys"]
    assert {key["issuer"] for key in keys} == {one["issuer"]}
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(keys[0])
    assert browser.get(f"/nobody.example/{path}").json()["error_codes"] == [90002]


def test_tokens_carry_the_claims_of_version_two_and_no_optional_ones(
    entra: RunningEntra, browser: httpx.Client
) -> None:
    known = entra.app.registrations
    known[API_CLIENT_ID] = replace(
        known[API_CLIENT_ID], optional_claims=frozenset(), group_claims=frozenset()
    )
    answer = _redeem(browser, _answer(_authorize(browser))["code"]).json()

    access, identity = _claims(answer["access_token"]), _claims(answer["id_token"])
    assert access.keys() == {
        *("aud", "azp", "azpacr", "exp", "iat", "iss", "nbf", "oid"),
        *("rh", "roles", "scp", "sub", "tid", "uti", "ver"),
    }
    assert (access["aud"], access["azp"], access["scp"]) == (API_CLIENT_ID, ADDIN_CLIENT_ID, SCOPE_NAME)
    assert access["iss"] == f"{entra.url}/{_CONTOSO}/v2.0"
    assert identity["aud"] == ADDIN_CLIENT_ID
    assert identity["nonce"] == "a nonce"
    assert identity["preferred_username"] == ADA
    assert identity["oid"] == access["oid"]
    assert identity["sub"] != access["sub"]
    assert answer["scope"] == SCOPE


def test_without_a_resource_the_token_is_for_graph(browser: httpx.Client) -> None:
    code = _answer(_authorize(browser, scope="openid"))["code"]

    assert _claims(_redeem(browser, code).json()["access_token"])["aud"] == GRAPH_CLIENT_ID


def test_the_state_comes_back_and_an_answer_can_be_posted(browser: httpx.Client) -> None:
    assert _answer(_authorize(browser))["state"] == "a state"

    page = _authorize(browser, response_mode="form_post", state='"><script>alert(1)</script>')

    assert page.status_code == 200
    assert f'action="{_REDIRECT}"' in page.text
    assert "<script>alert" not in page.text


def test_without_a_hint_the_people_of_the_address_are_shown(browser: httpx.Client) -> None:
    everybody = _authorize(browser, login_hint="").text
    assert ADA in everybody
    assert GRACE in everybody
    page = _authorize(browser, _FABRIKAM, login_hint="").text
    assert ADA not in page

    link = unescape(re.findall(r'href="([^"]+)"', page)[0])

    assert _answer(browser.get(link))["code"]


@pytest.mark.parametrize(
    ("segment", "changes", "number"),
    [
        ("organizations", {"client_id": "unknown"}, 700016),
        ("organizations", {"redirect_uri": "https://evil.example"}, 50011),
        ("organizations", {"redirect_uri": "http://localhost.evil.example"}, 50011),
        ("organizations", {"redirect_uri": "http://me@localhost:1"}, 50011),
        ("organizations", {"redirect_uri": "http://localhost:1/elsewhere"}, 50011),
        ("organizations", {"redirect_uri": "https://localhost:1"}, 50011),
        ("nobody.example", {}, 90002),
    ],
)
def test_an_unknown_program_or_address_gets_nothing_sent(
    segment: str, changes: dict[str, str], number: int, browser: httpx.Client
) -> None:
    page = _authorize(browser, segment, **changes)

    assert page.status_code == 400
    assert f"AADSTS{number}:" in page.text


@pytest.mark.parametrize(
    ("segment", "changes", "error", "number"),
    [
        ("organizations", {"response_type": "token"}, "unsupported_response_type", 70005),
        ("organizations", {"code_challenge": ""}, "invalid_request", 9002325),
        ("organizations", {"code_challenge_method": "plain"}, "invalid_request", 9002325),
        ("organizations", {"code_challenge": "short"}, "invalid_request", 9002325),
        ("organizations", {"scope": ""}, "invalid_request", 900144),
        ("organizations", {"scope": f"api://{API_CLIENT_ID}/Everything"}, "invalid_scope", 70011),
        ("organizations", {"scope": f"{SCOPE} api://{ADDIN_CLIENT_ID}/X"}, "invalid_request", 28000),
        ("organizations", {"login_hint": "nobody@contoso.example"}, "invalid_request", 50034),
        ("organizations", {"login_hint": "", "prompt": "none"}, "login_required", 50058),
        (_FABRIKAM, {}, "invalid_request", 50020),
    ],
)
def test_a_program_is_told_what_is_wrong(
    segment: str, changes: dict[str, str], error: str, number: int, browser: httpx.Client
) -> None:
    answer = _answer(_authorize(browser, segment, **changes))

    assert (answer["error"], answer["state"]) == (error, "a state")
    assert answer["error_description"].startswith(f"AADSTS{number}:")


def test_a_code_is_good_once(browser: httpx.Client) -> None:
    code = _answer(_authorize(browser))["code"]
    assert _redeem(browser, code).status_code == 200

    again = _redeem(browser, code)

    assert again.status_code == 400
    assert again.json()["error"] == "invalid_grant"
    assert again.json()["error_codes"] == [54005]


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"code_verifier": "w" * 43}, 501481),
        ({"code_verifier": ""}, 50148),
        ({"redirect_uri": "http://localhost:1"}, 500112),
        ({"client_id": API_CLIENT_ID}, 7000218),
        ({"client_id": API_CLIENT_ID, "client_secret": DEVELOPMENT_SECRET}, 700005),
        ({"client_id": "unknown"}, 700016),
        ({"client_secret": "a secret"}, 700025),
        ({"code": "unknown"}, 70000),
        ({"grant_type": "password"}, 70003),
    ],
)
def test_a_code_is_good_for_its_program_its_address_and_its_verifier(
    changes: dict[str, str], number: int, browser: httpx.Client
) -> None:
    code = _answer(_authorize(browser))["code"]

    assert _redeem(browser, **({"code": code} | changes)).json()["error_codes"] == [number]


def test_a_code_is_not_redeemed_at_another_tenants_address(browser: httpx.Client) -> None:
    code = _answer(_authorize(browser))["code"]

    answer = _token(
        browser,
        _FABRIKAM,
        grant_type="authorization_code",
        code=code,
        redirect_uri=_REDIRECT,
        code_verifier=_VERIFIER,
    )

    assert answer.json()["error_codes"] == [50020]


def test_a_refresh_token_renews_until_it_is_revoked(entra: RunningEntra, browser: httpx.Client) -> None:
    first = _redeem(browser, _answer(_authorize(browser))["code"]).json()

    def renew(token: str, **changes: str) -> httpx.Response:
        return _token(browser, grant_type="refresh_token", refresh_token=token, **changes)

    second = renew(first["refresh_token"]).json()
    assert _claims(second["access_token"])["oid"] == _claims(first["access_token"])["oid"]
    assert renew(second["refresh_token"]).status_code == 200
    stranger = {"client_id": API_CLIENT_ID, "client_secret": DEVELOPMENT_SECRET}
    assert renew(second["refresh_token"], **stranger).json()["error_codes"] == [700005]
    entra.app.revoke(ADA)
    refused = renew(second["refresh_token"]).json()
    assert (refused["error"], refused["error_codes"]) == ("invalid_grant", [50173])
    again = _redeem(browser, _answer(_authorize(browser))["code"]).json()
    assert renew(again["refresh_token"]).status_code == 200


def test_msal_renews_silently_from_its_cache(entra: RunningEntra, session: requests.Session) -> None:
    client = _public(entra, session)
    flow = client.initiate_auth_code_flow(
        [SCOPE], redirect_uri=_REDIRECT, login_hint=ADA, response_mode="form_post"
    )
    page = session.get(flow["auth_uri"]).text
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page))
    client.acquire_token_by_auth_code_flow(flow, {name: unescape(value) for name, value in fields.items()})
    account = client.get_accounts(ADA)[0]

    renewed = client.acquire_token_silent([SCOPE], account=account, force_refresh=True)

    assert account["username"] == ADA
    assert _claims(renewed["access_token"])["scp"] == SCOPE_NAME


def test_a_device_waits_until_somebody_signs_in(
    entra: RunningEntra, session: requests.Session, browser: httpx.Client
) -> None:
    client = _public(entra, session)
    flow = client.initiate_device_flow([SCOPE])
    once = {"exit_condition": lambda _: True}
    assert client.acquire_token_by_device_flow(flow, **once)["error"] == "authorization_pending"

    page = browser.get(flow["verification_uri"], params={"user_code": flow["user_code"].lower()}).text
    link = unescape(re.findall(r'href="([^"]+)">Grace Hopper', page)[0])
    assert "Signed in as Grace Hopper" in browser.get(link).text
    flow.pop("latest_attempt_at")
    token = client.acquire_token_by_device_flow(flow, **once)["access_token"]

    assert _claims(token)["tid"] == _FABRIKAM
    assert "AADSTS70019" in browser.get(link).text


@pytest.mark.parametrize("proof", ["secret", "certificate"])
def test_a_program_acts_for_itself_with_a_secret_or_a_certificate(
    proof: str, entra: RunningEntra, session: requests.Session
) -> None:
    credential, registered = _credential(proof)
    entra.app.registrations[_DAEMON] = registered
    client = msal.ConfidentialClientApplication(
        _DAEMON,
        client_credential=credential,
        authority=f"{entra.url}/{_CONTOSO}",
        http_client=session,
        instance_discovery=False,
    )

    claims = _claims(client.acquire_token_for_client([f"api://{API_CLIENT_ID}/.default"])["access_token"])

    assert (claims["aud"], claims["azp"], claims["tid"]) == (API_CLIENT_ID, _DAEMON, _CONTOSO)
    assert claims["roles"] == ["Tasks.Process.All"]
    assert claims["sub"] == claims["oid"]
    assert claims["idtyp"] == "app"
    assert "scp" not in claims


@pytest.mark.parametrize(
    ("segment", "changes", "status", "number"),
    [
        (_CONTOSO, {"client_secret": "wrong"}, 401, 7000215),
        (_CONTOSO, {"client_secret": ""}, 401, 7000215),
        (_CONTOSO, {"client_id": ADDIN_CLIENT_ID, "client_secret": ""}, 401, 700025),
        (_CONTOSO, {"scope": SCOPE}, 400, 1002012),
        (_CONTOSO, {"scope": "api://unknown/.default"}, 400, 500011),
        ("organizations", {}, 400, 50059),
        ("nobody.example", {}, 400, 90002),
    ],
)
def test_a_program_that_cannot_prove_itself_gets_nothing(
    segment: str,
    changes: dict[str, str],
    status: int,
    number: int,
    entra: RunningEntra,
    browser: httpx.Client,
) -> None:
    secret, entra.app.registrations[_DAEMON] = _credential("secret")
    form = {
        "grant_type": "client_credentials",
        "client_id": _DAEMON,
        "client_secret": secret,
        "scope": f"{API_CLIENT_ID}/.default",
        **changes,
    }

    answer = _token(browser, segment, **form)

    assert (answer.status_code, answer.json()["error_codes"]) == (status, [number])


def test_keys_and_authority_outlive_a_restart_and_stay_private(tmp_path: Path) -> None:
    first = KeyStore(tmp_path / "keys.pem")
    newest = first.rotate()

    second = KeyStore(tmp_path / "keys.pem")

    assert [key.kid for key in second.keys] == [key.kid for key in first.keys]
    assert second.current.kid == newest.kid
    assert stat.S_IMODE((tmp_path / "keys.pem").stat().st_mode) == 0o600
    assert [key.kid for key in KeyStore(tmp_path / "keys.pem").keys] == [key.kid for key in first.keys]


def test_it_starts_as_a_process_and_keeps_its_authority(tmp_path: Path) -> None:
    folder = tmp_path / "entra"
    authority = certificates(folder).ca.read_bytes()
    command = [
        sys.executable,
        "-m",
        "app.local.entra",
        "--port",
        "0",
        "--state",
        str(folder),
        "--seed",
        str(SEED),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=SEED.parents[1])
    try:
        assert process.stdout is not None
        word, url = process.stdout.readline().split()
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        found = httpx.get(
            f"{url}/common/v2.0/.well-known/openid-configuration", verify=context, trust_env=False
        )
    finally:
        process.terminate()
        process.communicate()
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}

    assert word == "ready"
    assert found.json()["token_endpoint"] == f"{url}/common/oauth2/v2.0/token"
    assert (folder / "ca.pem").read_bytes() == authority
    assert modes.pop("ca.pem") & 0o022 == 0
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"--host": "0.0.0.0"}, "must be loopback"),  # noqa: S104
        ({"--host": "::"}, "must be loopback"),
        ({"--host": "localhost.example"}, "must be loopback"),
        ({"--seed": "/nowhere.yaml"}, "/nowhere.yaml: cannot be read"),
    ],
)
def test_it_does_not_start_and_says_why(
    changes: dict[str, str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = {"--port": "0", "--state": str(tmp_path / "entra"), "--seed": str(SEED), **changes}
    monkeypatch.setattr(sys, "argv", ["entra", *(word for option in options.items() for word in option)])

    assert main() == 1

    assert said in capsys.readouterr().err


def _public(entra: RunningEntra, session: requests.Session) -> Any:
    return msal.PublicClientApplication(
        ADDIN_CLIENT_ID,
        authority=f"{entra.url}/organizations",
        http_client=session,
        instance_discovery=False,
    )


def _credential(proof: str) -> tuple[Any, Registration]:
    """What MSAL proves a program with, and how Entra knows it."""
    roles = ("Tasks.Process.All",)
    if proof == "secret":
        secret = secrets.token_urlsafe(16)
        return secret, Registration(_DAEMON, "A daemon", application_roles=roles, secret=secret)
    key = SigningKey.new()
    certificate = _self_signed(key)
    credential = {
        "private_key": key.pem().decode(),
        "public_certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
    }
    return credential, Registration(_DAEMON, "A daemon", application_roles=roles, certificate=certificate)


def _self_signed(key: SigningKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A daemon")])
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
