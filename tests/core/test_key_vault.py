"""Our client of Azure Key Vault, through Microsoft's library, against a vault on loopback."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.core.clock import new_id
from app.core.crypto import SealBroken
from app.core.key_vault import KeyVault
from app.core.vault_address import KeyAddress
from app.core.wrapping import KeysUnavailable, WrappedKey
from app.settings import Settings
from tests.scripted_vault import ScriptedVault, scripted_vault

_KEY = bytes(range(32))
_TENANT = new_id()


@pytest.fixture
async def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedVault]:
    async with scripted_vault(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
async def client(vault: ScriptedVault) -> AsyncIterator[KeyVault]:
    made = vault.client()
    yield made
    await made.close()


async def test_a_data_key_is_wrapped_and_unwrapped_after_one_challenge_and_one_token(
    vault: ScriptedVault, client: KeyVault
) -> None:
    wrapped = await client.wrap(_TENANT, 1, _KEY)
    assert wrapped.name == await client.newest()
    assert _KEY not in wrapped.wrapped

    assert await client.unwrap(_TENANT, 1, wrapped) == _KEY

    assert vault.asked["challenge"] == 1
    assert vault.asked["unwrapkey"] == 1
    assert set(vault.assertions) == {"a-federated-token"}
    assert vault.resolver.others == []


async def test_a_managed_identity_signs_in_at_the_platforms_endpoint(
    vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{vault.plain_port}/managed")
    monkeypatch.setenv("IDENTITY_HEADER", "from-the-platform")
    client = KeyVault(
        KeyAddress.parse(vault.address), identity="managed", resolver=vault.resolver, trust=vault.trust
    )
    try:
        assert await client.unwrap(_TENANT, 1, await client.wrap(_TENANT, 1, _KEY)) == _KEY
    finally:
        await client.close()
    assert vault.asked["managed"] >= 1
    assert vault.asked["token"] == 0


async def test_a_pinned_version_wraps_in_the_vault_where_reading_the_key_is_not_granted(
    vault: ScriptedVault,
) -> None:
    pinned = f"{vault.address}/{next(iter(vault.versions))}"
    vault.rotate()
    vault.answers["get"] = (403, {})
    client = vault.client(pinned)
    try:
        wrapped = await client.wrap(_TENANT, 1, _KEY)
        assert wrapped.name == pinned
        assert await client.unwrap(_TENANT, 1, wrapped) == _KEY
    finally:
        await client.close()
    assert vault.asked["wrapkey"] == 1


async def test_a_new_version_wraps_at_once_and_the_old_one_still_unwraps(
    vault: ScriptedVault, client: KeyVault
) -> None:
    before = await client.wrap(_TENANT, 1, _KEY)
    newest = vault.rotate()

    after = await client.wrap(_TENANT, 1, _KEY)

    assert after.name == newest != before.name
    assert await client.unwrap(_TENANT, 1, before) == _KEY
    assert await client.unwrap(_TENANT, 1, after) == _KEY


@pytest.mark.parametrize(("tenant", "version"), [(new_id(), 1), (_TENANT, 2)])
async def test_a_wrapped_key_counts_only_for_its_tenant_and_version(
    vault: ScriptedVault, client: KeyVault, tenant: object, version: int
) -> None:
    wrapped = await client.wrap(_TENANT, 1, _KEY)
    with pytest.raises(SealBroken):
        await client.unwrap(tenant, version, wrapped)  # type: ignore[arg-type]


async def test_a_wrapped_key_that_was_changed_does_not_unwrap_and_does_not_rest_the_vault(
    vault: ScriptedVault, client: KeyVault
) -> None:
    wrapped = await client.wrap(_TENANT, 1, _KEY)
    with pytest.raises(SealBroken):
        await client.unwrap(_TENANT, 1, WrappedKey(wrapped.name, bytes(256)))
    assert await client.unwrap(_TENANT, 1, wrapped) == _KEY


def planted(vault: ScriptedVault, tenant_id: UUID, version: int) -> bytes:
    """A data key that somebody knows, wrapped as we wrap with nothing but the public half of the vault's key."""
    public = next(reversed(vault.versions.values())).public_key()
    content = tenant_id.bytes + version.to_bytes(4, "big") + bytes(32)
    return public.encrypt(content, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))


@pytest.mark.parametrize("version", [1, 0xFFFF_0001], ids=["of content", "of the record"])
async def test_a_data_key_that_somebody_wrapped_with_the_public_key_is_none_of_ours(
    vault: ScriptedVault, client: KeyVault, version: int
) -> None:
    ours = await client.wrap(_TENANT, version, _KEY)
    theirs = planted(vault, _TENANT, version)
    own_key = rsa.generate_private_key(65537, 2048)
    forged = own_key.sign(theirs, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    signature = ours.wrapped[len(ours.wrapped) // 2 :]
    for wrapped in (theirs, theirs + forged, theirs + signature, theirs + bytes(256), theirs + theirs, b""):
        with pytest.raises(SealBroken):
            await client.unwrap(_TENANT, version, WrappedKey(ours.name, wrapped))
    # The vault was not even asked to open one.
    assert vault.asked["unwrapkey"] == 0
    assert await client.unwrap(_TENANT, version, ours) == _KEY


async def test_a_signature_counts_only_for_its_own_ciphertext_tenant_and_version(
    vault: ScriptedVault, client: KeyVault
) -> None:
    one, other = await client.wrap(_TENANT, 1, _KEY), await client.wrap(_TENANT, 1, _KEY)
    half = len(one.wrapped) // 2
    mixed = WrappedKey(one.name, one.wrapped[:half] + other.wrapped[half:])
    for tenant_id, version, wrapped in ((_TENANT, 1, mixed), (_TENANT, 2, one), (new_id(), 1, one)):
        with pytest.raises(SealBroken):
            await client.unwrap(tenant_id, version, wrapped)
    assert vault.asked["unwrapkey"] == 0


async def test_without_the_right_to_sign_nothing_is_wrapped(vault: ScriptedVault, client: KeyVault) -> None:
    vault.answers["sign"] = (403, {})
    with pytest.raises(KeysUnavailable) as caught:
        await client.wrap(_TENANT, 1, _KEY)
    assert caught.value.reason == "sign: HTTP 403"


@pytest.mark.parametrize(
    "name",
    [
        "https://evil.vault.azure.net/keys/kek/" + "0" * 32,
        "https://vault.azure.net.evil.example/keys/kek/" + "0" * 32,
        "https://{vault}/keys/other/" + "0" * 32,
        "https://{vault}/keys/kek",
        "local-1",
    ],
)
async def test_a_row_cannot_send_us_to_another_key_or_vault(
    vault: ScriptedVault, client: KeyVault, name: str
) -> None:
    wrapped = WrappedKey(name.replace("{vault}", vault.host), bytes(256))
    with pytest.raises(KeysUnavailable):
        await client.unwrap(_TENANT, 1, wrapped)
    assert not vault.asked
    assert vault.resolver.others == []


async def test_a_former_vaults_key_unwraps_while_it_is_rotated_away(
    vault: ScriptedVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = vault.client(f"https://elsewhere.vault.azure.net/keys/new/{'a' * 32}", former=(vault.address,))
    home = vault.client()
    try:
        wrapped = await home.wrap(_TENANT, 1, _KEY)
        assert await moved.unwrap(_TENANT, 1, wrapped) == _KEY
    finally:
        await moved.close()
        await home.close()


async def test_throttling_is_passed_on_with_its_time_and_the_vault_is_left_alone_meanwhile(
    vault: ScriptedVault, client: KeyVault
) -> None:
    wrapped = await client.wrap(_TENANT, 1, _KEY)
    vault.answers["unwrapkey"] = (429, {"Retry-After": "7"})

    for _ in range(20):
        with pytest.raises(KeysUnavailable) as caught:
            await client.unwrap(_TENANT, 1, wrapped)
        assert 0 < (caught.value.retry_after_seconds or 0) <= 7
        assert (caught.value.status, caught.value.code) == (503, "keys_unavailable")

    assert vault.asked["unwrapkey"] == 1


async def test_a_key_that_was_disabled_is_refused_without_taking_others_along(
    vault: ScriptedVault, client: KeyVault
) -> None:
    old = await client.wrap(_TENANT, 1, _KEY)
    vault.rotate()
    new = await client.wrap(_TENANT, 1, _KEY)
    vault.disabled.add(old.name.rpartition("/")[2])

    with pytest.raises(KeysUnavailable) as caught:
        await client.unwrap(_TENANT, 1, old)

    assert caught.value.reason == "unwrap: HTTP 403"
    assert await client.unwrap(_TENANT, 1, new) == _KEY


async def test_a_vault_that_is_away_is_said_to_be_away_at_once_to_everybody(
    vault: ScriptedVault, client: KeyVault
) -> None:
    wrapped = await client.wrap(_TENANT, 1, _KEY)
    await vault.hang_up()

    began = time.monotonic()
    found = await asyncio.gather(
        *(client.unwrap(_TENANT, 1, wrapped) for _ in range(50)), return_exceptions=True
    )

    assert {type(one) for one in found} == {KeysUnavailable}
    assert time.monotonic() - began < 5


async def test_a_sign_in_that_is_away_is_the_vault_away(vault: ScriptedVault, client: KeyVault) -> None:
    vault.answers["token"] = (503, {"Retry-After": "1"})
    with pytest.raises(KeysUnavailable):
        await client.wrap(_TENANT, 1, _KEY)


async def test_a_challenge_for_another_resource_gets_no_token(vault: ScriptedVault, client: KeyVault) -> None:
    vault.resource = "https://graph.microsoft.com"
    with pytest.raises(KeysUnavailable):
        await client.wrap(_TENANT, 1, _KEY)
    assert vault.asked["token"] == 0


async def test_a_redirect_is_not_followed(vault: ScriptedVault, client: KeyVault) -> None:
    wrapped = await client.wrap(_TENANT, 1, _KEY)
    vault.answers["unwrapkey"] = (302, {"Location": "https://elsewhere.example/"})
    with pytest.raises(KeysUnavailable):
        await client.unwrap(_TENANT, 1, wrapped)
    assert vault.resolver.others == []


async def test_a_certificate_of_an_unknown_authority_is_refused(vault: ScriptedVault) -> None:
    client = KeyVault(KeyAddress.parse(vault.address), identity="workload", resolver=vault.resolver)
    try:
        with pytest.raises(KeysUnavailable):
            await client.wrap(_TENANT, 1, _KEY)
    finally:
        await client.close()
    assert not vault.asked


@pytest.mark.parametrize(
    "address",
    [
        "http://contoso.vault.azure.net/keys/kek",
        "https://contoso.vault.azure.net.evil.example/keys/kek",
        "https://vault.azure.net/keys/kek",
        "https://contoso.vault.azure.net:8443/keys/kek",
        "https://a@contoso.vault.azure.net/keys/kek",
        "https://contoso.vault.azure.net/secrets/kek",
        "https://contoso.vault.azure.net/keys/kek/latest",
        "https://contoso.vault.azure.net/keys/kek?x=1",
        "https://127.0.0.1/keys/kek",
        "https://contoso.vault.azure.net\\@evil.example/keys/kek",
    ],
)
def test_only_a_key_at_one_of_microsofts_vaults_is_taken(address: str) -> None:
    with pytest.raises(ValueError, match=r"must be https://NAME\.vault\.azure\.net"):
        Settings.model_validate({"env": "production", "key_vault_key": address})
    with pytest.raises(ValueError, match=r"must be https://NAME\.vault\.azure\.net"):
        Settings.model_validate({"env": "production", "key_vault_former_keys": [address]})


def test_a_process_without_a_vault_loads_none_of_azures_libraries() -> None:
    code = (
        "import sys, app.main, workers.worker; print([m for m in sys.modules if m.split('.')[0] == 'azure'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
