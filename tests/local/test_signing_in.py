"""Signing in from the command line: by name at the development Entra, by device code elsewhere."""

import re
import ssl
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx
import jwt
import pytest

from app.identity.sign_in import SignInFailed, sign_in_with_device_code
from app.local.client import ClientError
from app.local.entra.registrations import ADDIN_CLIENT_ID, API_CLIENT_ID, SCOPE
from app.local.guarded import ServiceFailed
from app.local.running import Running
from app.local.signing_in import check_program, is_development, program, token, who
from tests.entra import SEED, RunningEntra, seed_tenants


def running(entra: RunningEntra) -> Running:
    return Running(
        1, "http://127.0.0.1:1", entra.url, str(entra.ca), ADDIN_CLIENT_ID, SCOPE, str(SEED), "log"
    )


class Person:
    """Reads what is shown and signs in with it in a browser."""

    def __init__(self, entra: RunningEntra, name: str) -> None:
        self._entra = entra
        self._name = name
        self.shown: list[str] = []

    def __call__(self, sentence: str) -> None:
        self.shown.append(sentence)
        found = re.search(r"open (\S+) and enter the code (\S+)\.", sentence)
        assert found is not None
        trust = ssl.create_default_context(cafile=str(self._entra.ca))
        with httpx.Client(verify=trust, base_url=self._entra.url) as browser:
            page = browser.get(found[1], params={"user_code": found[2]}).text
            link = unescape(re.findall(rf'href="([^"]+)">{self._name}', page)[0])
            assert f"Signed in as {self._name}" in browser.get(link).text


def test_whoever_enters_the_device_code_is_signed_in(entra: RunningEntra) -> None:
    grace = Person(entra, "Grace Hopper")
    given = sign_in_with_device_code(entra.url, ADDIN_CLIENT_ID, SCOPE, grace, ca=entra.ca)
    claims = jwt.decode(given, options={"verify_signature": False})
    assert claims["tid"] == seed_tenants()[1]["entra_tenant_id"]
    assert len(grace.shown) == 1


@pytest.mark.parametrize("grant", ["device_code", "urn:ietf:params:oauth:grant-type:device_code"])
def test_a_device_may_name_its_grant_as_drafts_did(entra: RunningEntra, grant: str) -> None:
    trust = ssl.create_default_context(cafile=str(entra.ca))
    named = {"client_id": ADDIN_CLIENT_ID}
    with httpx.Client(verify=trust, base_url=f"{entra.url}/organizations/oauth2/v2.0") as device:
        code = device.post("/devicecode", data=named | {"scope": SCOPE}).json()["device_code"]
        answer = device.post("/token", data=named | {"grant_type": grant, "device_code": code})
    assert answer.json()["error"] == "authorization_pending"


@pytest.mark.parametrize(
    ("client_id", "tenant", "said"),
    [
        ("99999999-9999-4999-8999-999999999999", "organizations", "AADSTS700016"),
        (ADDIN_CLIENT_ID, "nowhere.example", "does not work"),
    ],
)
def test_a_device_code_that_is_refused_says_why(
    client_id: str, tenant: str, said: str, entra: RunningEntra
) -> None:
    with pytest.raises(SignInFailed, match=said):
        sign_in_with_device_code(entra.url, client_id, SCOPE, pytest.fail, tenant=tenant, ca=entra.ca)


def test_without_a_named_person_the_command_line_asks_for_the_device_code(entra: RunningEntra) -> None:
    ada = Person(entra, "Ada Lovelace")
    assert token(running(entra), None, "contoso.example", ada).count(".") == 2
    assert len(ada.shown) == 1


def test_the_issuers_reason_reaches_the_terminal(entra: RunningEntra) -> None:
    person = who(SEED, None, "ada", development=True)
    wrong = replace(running(entra), scope=SCOPE.replace("Tasks", "Mail"))
    with pytest.raises(ClientError, match=r"ada@contoso\.example could not sign in at .*AADSTS70011"):
        token(wrong, person, None, pytest.fail)


def test_at_microsoft_nobody_is_chosen_by_name(tmp_path: Path) -> None:
    assert not is_development({"SWITCHBOARD_ENTRA_AUTHORITY": "https://login.microsoftonline.com"})
    assert is_development({})
    assert who(tmp_path / "no-seed.yaml", "contoso.com", None, development=False) is None
    with pytest.raises(ClientError, match="leave out --user"):
        who(tmp_path / "no-seed.yaml", None, "ada", development=False)


def test_an_entra_of_ones_own_comes_with_its_registrations() -> None:
    given = {"SWITCHBOARD_ENTRA_AUTHORITY": "https://login.microsoftonline.com"}
    with pytest.raises(ServiceFailed, match="SWITCHBOARD_API_CLIENT_ID and SWITCHBOARD_ADDIN_CLIENT_IDS"):
        check_program(given)
    given |= {"SWITCHBOARD_API_CLIENT_ID": API_CLIENT_ID, "SWITCHBOARD_ADDIN_CLIENT_IDS": "[]"}
    with pytest.raises(ServiceFailed, match="JSON list"):
        check_program(given)
    given["SWITCHBOARD_ADDIN_CLIENT_IDS"] = '["one", "two"]'
    check_program(given)
    assert program(given) == ("one", SCOPE)
    check_program({})
