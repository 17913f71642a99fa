"""MSAL signs people in at the development Entra over TLS, and what it gets opens our door."""

from pathlib import Path

import pytest

from app.identity.sign_in import SignInFailed, sign_in
from app.identity.tokens import AccessTokens
from app.local.entra.registrations import ADDIN_CLIENT_ID, SCOPE, SCOPE_NAME
from tests.entra import ADA, GRACE, RunningEntra, seed_tenants


@pytest.mark.parametrize(("login", "tenant"), [(ADA, 0), (GRACE, 1)])
async def test_a_person_signs_in_and_the_token_is_believed(
    login: str, tenant: int, entra: RunningEntra, tokens: AccessTokens
) -> None:
    claims = await tokens.verify(sign_in(entra.url, ADDIN_CLIENT_ID, SCOPE, login, entra.ca))

    assert str(claims.entra_tenant_id) == seed_tenants()[tenant]["entra_tenant_id"]
    assert claims.scopes == {SCOPE_NAME}


def test_nothing_of_the_environment_is_in_the_way(
    entra: RunningEntra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "no-authorities.pem"
    empty.touch()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(empty))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert sign_in(entra.url, ADDIN_CLIENT_ID, SCOPE, ADA, entra.ca)


@pytest.mark.parametrize(
    ("client_id", "scope", "login", "said"),
    [
        (ADDIN_CLIENT_ID, SCOPE, "nobody@contoso.example", "AADSTS50034"),
        (ADDIN_CLIENT_ID, SCOPE.replace("Tasks", "Mail"), ADA, "AADSTS70011"),
        (ADDIN_CLIENT_ID, "api://unknown/Tasks.ReadWrite", ADA, "AADSTS500011"),
        ("99999999-9999-4999-8999-999999999999", SCOPE, ADA, "answered 400"),
        (ADDIN_CLIENT_ID, SCOPE, "", "with a browser"),
    ],
)
def test_a_refused_sign_in_says_why(
    client_id: str, scope: str, login: str, said: str, entra: RunningEntra
) -> None:
    with pytest.raises(SignInFailed, match=said):
        sign_in(entra.url, client_id, scope, login, entra.ca)


def test_an_issuer_that_does_not_work_is_a_failure_in_words(entra: RunningEntra) -> None:
    entra.app.failing = True

    with pytest.raises(SignInFailed, match="does not work"):
        sign_in(entra.url, ADDIN_CLIENT_ID, SCOPE, ADA, entra.ca)


def test_an_issuer_with_another_certificate_is_not_talked_to(
    entra: RunningEntra, other_authority: RunningEntra
) -> None:
    with pytest.raises(OSError, match="certificate"):
        sign_in(entra.url, ADDIN_CLIENT_ID, SCOPE, ADA, other_authority.ca)

    assert entra.app.requests.total() == 0
