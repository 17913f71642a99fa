"""The portal's sign-in and the consent of administrators at the development Entra."""

import hashlib
from dataclasses import replace

import httpx
import pytest
import requests

from app.local.entra.people import EVERYBODY, GLOBAL_ADMINISTRATOR, group_id
from app.local.entra.registrations import (
    API_CLIENT_ID,
    AUTOMATION_CLIENT_ID,
    PORTAL_CLIENT_ID,
    SCOPE,
    registrations,
)
from tests.entra import ADA, ALAN, JOAN, KATHERINE, NORTHWIND, RunningEntra
from tests.local.entra_clients import (
    CONTOSO,
    FABRIKAM,
    answer_of,
    application_answer,
    claims_of,
    confidential,
    consent_page,
    links,
    portal_sign_in,
)


def test_msal_signs_in_at_the_portal_and_the_nonce_comes_back_hashed(
    fresh_entra: RunningEntra, wire: requests.Session
) -> None:
    flow, answer, client = portal_sign_in(fresh_entra, wire, ALAN)

    claims = claims_of(answer["id_token"])
    assert (claims["aud"], claims["tid"]) == (PORTAL_CLIENT_ID, CONTOSO)
    assert claims["nonce"] == hashlib.sha256(flow["nonce"].encode("ascii")).hexdigest()
    assert (claims["roles"], claims["acct"]) == (["TenantAdmin"], 0)
    assert "scp" not in claims
    again = client.acquire_token_silent([], account=client.get_accounts()[0], force_refresh=True)
    assert claims_of(again["id_token"])["oid"] == claims["oid"]
    fresh_entra.app.revoke(ALAN)
    refused = client.acquire_token_silent_with_error([], account=client.get_accounts()[0], force_refresh=True)
    assert refused["error"] == "invalid_grant"


def test_directory_roles_stand_in_the_portals_tokens_alone_and_groups_in_the_apis_too(
    fresh_entra: RunningEntra, wire: requests.Session
) -> None:
    _, administrator, _ = portal_sign_in(fresh_entra, wire, ALAN)
    _, member, _ = portal_sign_in(fresh_entra, wire, ADA)

    claims = claims_of(administrator["id_token"])
    assert claims["wids"] == [EVERYBODY, GLOBAL_ADMINISTRATOR]
    assert group_id(CONTOSO, "All staff") in claims["groups"]
    assert claims_of(member["id_token"])["wids"] == [EVERYBODY]
    access = claims_of(fresh_entra.token(ALAN))
    assert "wids" not in access
    assert access["groups"] == claims["groups"]


def test_too_many_groups_become_an_address(fresh_entra: RunningEntra, wire: requests.Session) -> None:
    groups = tuple(group_id(CONTOSO, str(number)) for number in range(201))
    fresh_entra.app.people.add(replace(fresh_entra.app.person(ADA), groups=groups))

    _, answer, _ = portal_sign_in(fresh_entra, wire, ADA)

    claims = claims_of(answer["id_token"])
    assert "groups" not in claims
    assert claims["_claim_names"] == {"groups": "src1"}


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:51234/portal/v1/elsewhere",
        "http://127.0.0.1:51234/portal/v1/sign-in/callback?next=x",
        "http://10.0.0.1/portal/v1/sign-in/callback",
        "https://127.0.0.1/portal/v1/sign-in/callback",
        "http://127.0.0.1.example/portal/v1/sign-in/callback",
    ],
)
def test_the_portals_answers_go_to_its_own_addresses_on_loopback(uri: str) -> None:
    portal = registrations()[PORTAL_CLIENT_ID]

    assert not portal.accepts_redirect(uri)
    assert portal.accepts_redirect("http://127.0.0.1:1/portal/v1/sign-in/callback")
    assert portal.accepts_redirect("http://localhost:65535/portal/v1/onboarding/consent")


def test_an_administrator_consents_for_the_tenant(fresh_entra: RunningEntra, surfer: httpx.Client) -> None:
    before = application_answer(surfer, NORTHWIND)
    assert (before.status_code, before.json()["error_codes"]) == (400, [700016])

    answer = consent_page(surfer, NORTHWIND, KATHERINE)

    assert answer_of(answer.headers["location"]) == {
        "admin_consent": "True",
        "tenant": NORTHWIND,
        "scope": f"{API_CLIENT_ID}/.default",
        "state": "a state",
    }
    # The portal is a known client of the API: its consent covers both, and nobody else's program.
    token = application_answer(surfer, NORTHWIND).json()["access_token"]
    assert claims_of(token)["roles"] == ["Tenant.Onboarded"]
    assert application_answer(surfer, NORTHWIND, AUTOMATION_CLIENT_ID).status_code == 400
    fresh_entra.app.consent(NORTHWIND, False, client_id=API_CLIENT_ID)
    assert application_answer(surfer, NORTHWIND).status_code == 400
    assert fresh_entra.app.consents.is_tenant_wide(NORTHWIND, PORTAL_CLIENT_ID)


@pytest.mark.parametrize(
    ("segment", "login", "changes", "error"),
    [
        (NORTHWIND, JOAN, {}, "access_denied"),
        (NORTHWIND, KATHERINE, {"decision": "cancel"}, "consent_required"),
    ],
)
def test_nobody_else_and_no_cancelled_page_consents(
    segment: str,
    login: str,
    changes: dict[str, str],
    error: str,
    fresh_entra: RunningEntra,
    surfer: httpx.Client,
) -> None:
    answer = answer_of(consent_page(surfer, segment, login, **changes).headers["location"])

    assert (answer["error"], answer["state"]) == (error, "a state")
    assert not fresh_entra.app.consents.is_present(NORTHWIND, PORTAL_CLIENT_ID)


@pytest.mark.parametrize(
    ("segment", "changes", "number"),
    [
        (NORTHWIND, {"redirect_uri": "https://evil.example"}, 50011),
        (NORTHWIND, {"client_id": "unknown"}, 700016),
        (NORTHWIND, {"scope": "api://unknown/.default"}, 500011),
        ("nobody.example", {}, 90002),
        (FABRIKAM, {}, 50020),
    ],
)
def test_a_consent_that_makes_no_sense_is_sent_nowhere(
    segment: str, changes: dict[str, str], number: int, fresh_entra: RunningEntra, surfer: httpx.Client
) -> None:
    page = consent_page(surfer, segment, KATHERINE, **changes)

    assert page.status_code == 400
    assert f"AADSTS{number}:" in page.text
    assert not fresh_entra.app.consents.is_present(NORTHWIND, PORTAL_CLIENT_ID)


def test_the_consent_page_asks_who_it_is(fresh_entra: RunningEntra, surfer: httpx.Client) -> None:
    page = consent_page(surfer, NORTHWIND, "")

    chosen = next(link for link in links(page.text) if "katherine" in link)

    assert answer_of(surfer.get(chosen).headers["location"])["admin_consent"] == "True"


def test_one_persons_consent_grants_no_role(
    fresh_entra: RunningEntra, surfer: httpx.Client, wire: requests.Session
) -> None:
    portal_sign_in(fresh_entra, wire, JOAN, scopes=[SCOPE])
    fresh_entra.app.consents.grant_person(fresh_entra.app.person(JOAN), API_CLIENT_ID)

    token = application_answer(surfer, NORTHWIND).json()["access_token"]

    assert "roles" not in claims_of(token)
    assert claims_of(token)["tid"] == NORTHWIND


def test_msal_keeps_a_refusal_unless_it_begins_anew(
    fresh_entra: RunningEntra, surfer: httpx.Client, wire: requests.Session
) -> None:
    scopes = [f"{API_CLIENT_ID}/.default"]
    client = confidential(fresh_entra, wire, tenant=NORTHWIND)
    assert client.acquire_token_for_client(scopes)["error"] == "unauthorized_client"
    consent_page(surfer, NORTHWIND, KATHERINE)

    assert client.acquire_token_for_client(scopes)["error"] == "unauthorized_client"
    anew = confidential(fresh_entra, wire, tenant=NORTHWIND).acquire_token_for_client(scopes)
    assert claims_of(anew["access_token"])["roles"] == ["Tenant.Onboarded"]
