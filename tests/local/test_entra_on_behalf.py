"""Renewals without the person at hand: on behalf of, refresh tokens, policies, consent, revocation."""

import json
import time
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest
import requests

from app.local.entra.keys import SigningKey
from app.local.entra.registrations import (
    ADDIN_CLIENT_ID,
    API_CLIENT_ID,
    GRAPH_CLIENT_ID,
    PORTAL_CLIENT_ID,
)
from tests.entra import ADA, ALAN, GRACE, RunningEntra
from tests.local.entra_clients import (
    CONTOSO,
    FABRIKAM,
    FILES_SCOPE,
    claims_of,
    confidential,
    on_behalf,
    portal_sign_in,
    post,
)


def test_msal_acts_on_behalf_of_the_caller(fresh_entra: RunningEntra, wire: requests.Session) -> None:
    client = confidential(fresh_entra, wire)

    answer = client.acquire_token_on_behalf_of(fresh_entra.token(ADA), [FILES_SCOPE])

    claims = claims_of(answer["access_token"])
    assert (claims["aud"], claims["azp"]) == (GRAPH_CLIENT_ID, API_CLIENT_ID)
    assert (claims["scp"], claims["oid"]) == ("Files.Read.All", claims_of(fresh_entra.token(ADA))["oid"])
    assert "roles" not in claims
    account = client.get_accounts()[0]
    assert account["username"] == ADA
    silent = client.acquire_token_silent([FILES_SCOPE], account=account, force_refresh=True)
    assert claims_of(silent["access_token"])["oid"] == claims["oid"]


def test_msal_without_offline_access_keeps_no_refresh_token(
    fresh_entra: RunningEntra, surfer: httpx.Client
) -> None:
    plain = on_behalf(surfer, fresh_entra.token(ADA)).json()
    lasting = on_behalf(surfer, fresh_entra.token(ADA), scope=f"{FILES_SCOPE} offline_access").json()

    assert "refresh_token" not in plain
    assert "refresh_token" in lasting


_ID_TOKEN: dict[str, Any] = {"azp": None, "scp": None, "aud": API_CLIENT_ID, "name": "Ada Lovelace"}
_BAD_ASSERTIONS: dict[str, tuple[dict[str, Any], int]] = {
    "for another program": ({"aud": PORTAL_CLIENT_ID}, 500131),
    "expired": ({"exp": int(time.time()) - 10}, 500133),
    "an ID token": (_ID_TOKEN, 240002),
    "a program's own": ({"scp": None}, 7000114),
    "of another authority": ({"iss": "https://elsewhere.example/v2.0"}, 50013),
    "of nobody": ({"oid": "00000000-0000-4000-8000-000000000000"}, 50034),
    "forged": ({"key": SigningKey.new()}, 50013),
}


@pytest.mark.parametrize("kind", _BAD_ASSERTIONS)
def test_an_assertion_must_be_a_persons_token_for_the_api_that_shows_it(
    kind: str, fresh_entra: RunningEntra, surfer: httpx.Client
) -> None:
    changes, number = _BAD_ASSERTIONS[kind]

    answer = on_behalf(surfer, fresh_entra.token(ADA, **changes))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert answer.json()["error_codes"] == [number]


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"requested_token_use": ""}, 900144),
        ({"assertion": ""}, 900144),
        ({"scope": ""}, 900144),
        ({"client_secret": "wrong"}, 7000215),
        ({"client_id": ADDIN_CLIENT_ID, "client_secret": ""}, 7000218),
        ({"claims": "[]"}, 50146),
        ({"claims": "{"}, 50146),
    ],
)
def test_a_request_on_behalf_must_be_whole(
    changes: dict[str, str], number: int, fresh_entra: RunningEntra, surfer: httpx.Client
) -> None:
    answer = on_behalf(surfer, fresh_entra.token(ADA), **changes)

    assert answer.json()["error_codes"] == [number]


def test_a_key_that_is_withdrawn_believes_no_assertion(
    fresh_entra: RunningEntra, surfer: httpx.Client
) -> None:
    assertion = fresh_entra.token(ADA)
    fresh_entra.app.rotate_keys(drop_old=True)

    assert on_behalf(surfer, assertion).json()["error_codes"] == [50013]


def test_a_token_is_renewed_at_its_own_tenant_only(fresh_entra: RunningEntra, surfer: httpx.Client) -> None:
    assert on_behalf(surfer, fresh_entra.token(ADA), FABRIKAM).json()["error_codes"] == [50020]
    assert on_behalf(surfer, fresh_entra.token(ADA), "organizations").status_code == 200


def test_without_consent_nobody_is_acted_for(fresh_entra: RunningEntra, surfer: httpx.Client) -> None:
    lasting = on_behalf(surfer, fresh_entra.token(ADA), scope=f"{FILES_SCOPE} offline_access").json()
    fresh_entra.app.consent(CONTOSO, False)

    refused = on_behalf(surfer, fresh_entra.token(ADA))
    renewal = post(
        surfer, grant_type="refresh_token", refresh_token=lasting["refresh_token"], scope=FILES_SCOPE
    )

    for answer in (refused, renewal):
        body = answer.json()
        assert (answer.status_code, body["error"], body["suberror"]) == (
            400,
            "invalid_grant",
            "consent_required",
        )
        assert body["error_codes"] == [65001]
    assert on_behalf(surfer, fresh_entra.token(GRACE), FABRIKAM).status_code == 200
    fresh_entra.app.consent(CONTOSO)
    assert on_behalf(surfer, fresh_entra.token(ADA)).status_code == 200


def test_consent_covers_the_permissions_of_the_registration_and_no_more(
    fresh_entra: RunningEntra, surfer: httpx.Client
) -> None:
    answer = on_behalf(surfer, fresh_entra.token(ADA), scope="https://graph.microsoft.com/Directory.Read.All")

    assert answer.json()["suberror"] == "consent_required"


def test_a_person_consents_for_themselves_in_the_browser(
    fresh_entra: RunningEntra, surfer: httpx.Client
) -> None:
    fresh_entra.app.consent(CONTOSO, False)
    query = {
        "client_id": ADDIN_CLIENT_ID,
        "response_type": "code",
        "redirect_uri": "http://localhost:5000",
        "scope": f"api://{API_CLIENT_ID}/.default",
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
        "login_hint": ADA,
        "prompt": "consent",
    }

    assert surfer.get("/organizations/oauth2/v2.0/authorize", params=query).status_code == 302

    assert on_behalf(surfer, fresh_entra.token(ADA)).status_code == 200
    assert on_behalf(surfer, fresh_entra.token(ALAN)).json()["suberror"] == "consent_required"


def test_after_a_revocation_only_a_new_sign_in_helps(fresh_entra: RunningEntra, surfer: httpx.Client) -> None:
    old = fresh_entra.token(ADA)
    lasting = on_behalf(surfer, old, scope=f"{FILES_SCOPE} offline_access").json()["refresh_token"]

    fresh_entra.app.revoke(ADA)

    renewal = post(surfer, grant_type="refresh_token", refresh_token=lasting, scope=FILES_SCOPE)
    for answer in (on_behalf(surfer, old), renewal):
        assert (answer.json()["error"], answer.json()["error_codes"]) == ("invalid_grant", [50173])
    assert on_behalf(surfer, fresh_entra.token(ADA)).status_code == 200
    assert on_behalf(surfer, fresh_entra.token(ALAN)).status_code == 200


def test_a_policy_asks_for_claims_until_the_person_has_met_it(
    fresh_entra: RunningEntra, surfer: httpx.Client, wire: requests.Session
) -> None:
    fresh_entra.app.require_policy(ADA)

    refused = on_behalf(surfer, fresh_entra.token(ADA)).json()
    assert (refused["error"], refused["error_codes"]) == ("interaction_required", [50076])
    challenge = refused["claims"]
    assert json.loads(challenge)["access_token"]["capolids"]["essential"] is True
    portal_sign_in(fresh_entra, wire, ADA)
    assert on_behalf(surfer, fresh_entra.token(ADA)).json()["error_codes"] == [50076]

    portal_sign_in(fresh_entra, wire, ADA, claims_challenge=challenge)

    assert on_behalf(surfer, fresh_entra.token(ADA)).status_code == 200


def test_capabilities_stand_in_the_token_of_an_api_that_asks_for_them(
    fresh_entra: RunningEntra, wire: requests.Session
) -> None:
    def token() -> dict[str, Any]:
        # A client of its own: MSAL would answer from its cache.
        client = confidential(fresh_entra, wire)
        return claims_of(client.acquire_token_for_client([f"{API_CLIENT_ID}/.default"])["access_token"])

    assert token()["xms_cc"] == ["CP1"]
    known = fresh_entra.app.registrations
    known[API_CLIENT_ID] = replace(known[API_CLIENT_ID], optional_claims=frozenset())
    assert not {"xms_cc", "idtyp", "acct"} & token().keys()


def test_optional_claims_tell_guests_from_members(fresh_entra: RunningEntra, surfer: httpx.Client) -> None:
    member = claims_of(fresh_entra.token(ADA))
    assert (member["acct"], "idp" in member) == (0, False)
    people = fresh_entra.app.people
    people.add(replace(fresh_entra.app.person(ADA), home_tenant_id=FABRIKAM))

    guest = claims_of(fresh_entra.token(ADA))

    assert (guest["acct"], guest["idp"]) == (1, f"https://sts.windows.net/{FABRIKAM}/")
    assert guest["tid"] == CONTOSO
    # And the signature is Entra's own.
    jwt.decode(
        fresh_entra.token(ADA),
        fresh_entra.app.keys.current.key.public_key(),
        algorithms=["RS256"],
        audience=API_CLIENT_ID,
    )
