"""What our registrations prove themselves with, through MSAL, against the development Entra over TLS."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from app.identity.errors import CredentialUnavailable
from app.identity.msal_clients import MsalClients
from app.local.entra.keys import SigningKey
from app.local.entra.registrations import (
    API_CLIENT_ID,
    DEVELOPMENT_SECRET,
    PORTAL_CLIENT_ID,
    Federated,
)
from app.settings import MissingSetting, Settings
from tests.entra import RunningEntra
from tests.local.door import Answer, Door, opened
from tests.local.entra_clients import CONTOSO, pem, self_signed

SUBJECT = "system:serviceaccount:switchboard:api"


@contextmanager
def clients(entra: RunningEntra, **credential: Any) -> Iterator[MsalClients]:
    """MSAL's clients with one credential."""
    settings = Settings.model_validate(
        {
            "env": "development",
            "entra_authority": entra.url,
            "entra_ca": entra.ca,
            "api_client_id": API_CLIENT_ID,
            "portal_client_id": PORTAL_CLIENT_ID,
            **credential,
        }
    )
    made = MsalClients(settings)
    try:
        yield made
    finally:
        made._pool.shutdown()
        made._session.close()


async def answer(made: MsalClients) -> dict[str, Any]:
    """What Entra answers to our API that asks for itself."""

    def ask() -> dict[str, Any]:
        client = made.api(CONTOSO)
        got: dict[str, Any] = client.acquire_token_for_client([f"{API_CLIENT_ID}/.default"])
        return got

    return await made.run(ask)


def register(entra: RunningEntra, **changes: Any) -> None:
    """Change how the API proves itself; nothing else is left."""
    none: dict[str, Any] = {"secret": None, "certificate": None, "federated": ()}
    known = entra.app.registrations
    known[API_CLIENT_ID] = replace(known[API_CLIENT_ID], **(none | changes))


def key_pem(key: SigningKey, password: bytes | None = None) -> str:
    """A private key as text."""
    encryption: serialization.KeySerializationEncryption = (
        serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    )
    content: bytes = key.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    return content.decode()


async def test_the_development_secret_proves_us(entra: RunningEntra) -> None:
    with clients(entra, entra_client_secret=DEVELOPMENT_SECRET) as made:
        assert "access_token" in await answer(made)


@pytest.mark.parametrize("password", [None, "a password"])
async def test_a_pem_certificate_proves_us_and_its_renewal_needs_no_restart(
    entra: RunningEntra, tmp_path: Path, password: str | None
) -> None:
    file, secret = tmp_path / "api.pem", password.encode() if password else None
    first, second = SigningKey.new(), SigningKey.new()
    named = {"entra_certificate": file, "entra_certificate_password": password}
    with clients(entra, **named) as made:
        for key in (first, second):
            certificate = self_signed(key)
            register(entra, certificate=certificate)
            file.write_text(key_pem(key, secret) + pem(certificate))
            assert "access_token" in await answer(made)
        register(entra, certificate=self_signed(first))
        assert (await answer(made))["error_codes"] == [700027]


async def test_a_pfx_certificate_proves_us(entra: RunningEntra, tmp_path: Path) -> None:
    key = SigningKey.new()
    certificate = self_signed(key)
    register(entra, certificate=certificate)
    file = tmp_path / "api.pfx"
    encryption = serialization.BestAvailableEncryption(b"a password")
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"api", key.key, certificate, None, encryption))

    with clients(entra, entra_certificate=file, entra_certificate_password="a password") as made:
        assert "access_token" in await answer(made)


async def test_a_certificate_that_cannot_be_used_is_said_in_words_without_its_content(
    entra: RunningEntra, tmp_path: Path
) -> None:
    key, other = SigningKey.new(), SigningKey.new()
    file = tmp_path / "api.pem"
    with clients(entra, entra_certificate=file) as made:
        for content in (
            None,
            "",
            "no certificate",
            key_pem(key),
            pem(self_signed(key)),
            key_pem(key) + pem(self_signed(other)),
            key_pem(key, b"a password") + pem(self_signed(key)),
        ):
            if content is not None:
                file.write_text(content)
                os.utime(file, ns=(len(content) + 1, len(content) + 1))
            with pytest.raises(CredentialUnavailable) as caught:
                await answer(made)
            assert "PRIVATE" not in str(caught.value)
    assert entra.app.requests.total() == 0


async def test_a_workload_identitys_file_is_read_each_time_because_its_platform_renews_it(
    entra: RunningEntra, tmp_path: Path
) -> None:
    workloads = entra.app.workloads
    register(entra, federated=(Federated(workloads.issuer, SUBJECT),))
    file = tmp_path / "token"
    file.write_text(workloads.token(SUBJECT, seconds=-10) + "\n")
    with clients(entra, entra_federated_token_file=file) as made:
        assert (await answer(made))["error_codes"] == [700024]
        file.write_text(workloads.token(SUBJECT) + "\n")
        assert "access_token" in await answer(made)
        file.write_text(workloads.token("system:serviceaccount:other:api"))
        assert (await answer(made))["error_codes"] == [700213]
        file.unlink()
        with pytest.raises(CredentialUnavailable):
            await answer(made)


@pytest.fixture
def platform() -> Iterator[Door]:
    """Where a machine has its identity from."""
    with opened() as door:
        yield door


def gives(entra: RunningEntra, **changes: Any) -> Answer:
    """The platform's answer with a token that the API's registration trusts."""
    workloads = entra.app.workloads
    register(entra, federated=(Federated(workloads.issuer, SUBJECT),))
    return Answer({"access_token": workloads.token(SUBJECT), "expires_in": "3599", **changes})


async def test_a_virtual_machines_identity_proves_us(
    entra: RunningEntra, platform: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", platform.api)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    platform.answers["GET /metadata/identity/oauth2/token"] = [gives(entra)]
    with clients(entra, entra_managed_identity="system") as made:
        assert "access_token" in await answer(made)
        assert "access_token" in await answer(made)

    # The second time MSAL had it still.
    [asked] = platform.asked
    assert asked.headers["metadata"] == "true"
    assert "resource=api%3A%2F%2FAzureADTokenExchange" in asked.path
    assert "client_id" not in asked.path


async def test_an_app_services_user_assigned_identity_proves_us(
    entra: RunningEntra, platform: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = "7c1b6f0e-2d3a-4e58-9b47-1f0a6c5d8e92"
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{platform.api}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "a header")
    platform.answers["GET /msi/token"] = [gives(entra, expires_on="4102444800")]
    with clients(entra, entra_managed_identity=identity) as made:
        assert "access_token" in await answer(made)

    [asked] = platform.asked
    assert asked.headers["x-identity-header"] == "a header"
    assert f"client_id={identity}" in asked.path


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_platform_without_an_identity_is_our_own_trouble_not_the_callers(
    entra: RunningEntra, platform: Door, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", platform.api)
    refusal = Answer({"error": "invalid_request", "error_description": "Identity not found"}, status)
    platform.answers["GET /metadata/identity/oauth2/token"] = [refusal]
    with clients(entra, entra_managed_identity="system") as made, pytest.raises(CredentialUnavailable):
        await answer(made)


async def test_without_a_credential_the_way_to_name_one_is_said(entra: RunningEntra) -> None:
    with clients(entra) as made, pytest.raises(MissingSetting, match="SWITCHBOARD_ENTRA_CERTIFICATE"):
        await answer(made)


async def test_entra_away_is_one_kind_of_error_and_addresses_are_asked_for_once(entra: RunningEntra) -> None:
    with clients(entra, entra_client_secret=DEVELOPMENT_SECRET) as made:
        entra.app.failing = True
        with pytest.raises(requests.RequestException):
            await answer(made)
        entra.app.failing = False
        for _ in range(3):
            assert "access_token" in await answer(made)
    discovery = f"/{CONTOSO}/v2.0/.well-known/openid-configuration"
    assert entra.app.requests[discovery] == 2


async def test_a_directory_that_entra_does_not_know_is_a_value_error(entra: RunningEntra) -> None:
    with (
        clients(entra, entra_client_secret=DEVELOPMENT_SECRET) as made,
        pytest.raises(ValueError, match="tenant"),
    ):
        await made.run(made.api, "99999999-9999-4999-8999-999999999999")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"entra_client_secret": "x"}, "only for development"),
        ({"webhook_ca": "ca.pem"}, "only for development"),
        ({"entra_managed_identity": "system", "entra_certificate": "a.pem"}, "only one credential"),
        ({"portal_url": "http://portal.example"}, "https"),
        ({"portal_url": "https://portal.example/path"}, "nothing more"),
        ({"portal_url": "https://user@portal.example"}, "nothing more"),
    ],
)
def test_production_refuses_what_it_must_not_have(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings.model_validate({"env": "production", **values})
