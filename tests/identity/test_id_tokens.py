"""Which ID tokens the portal believes."""

import hashlib
from typing import Any
from uuid import UUID

import pytest

from app.identity.errors import InvalidToken
from app.identity.id_tokens import IdTokens
from app.identity.keys import SigningKeys
from app.identity.tokens import AccessTokens
from app.local.entra.keys import SigningKey
from app.local.entra.registrations import ADDIN_CLIENT_ID, API_CLIENT_ID, PORTAL_CLIENT_ID
from tests.entra import ADA, ALAN, RunningEntra, seed_tenants

_CONTOSO, _FABRIKAM = (one["entra_tenant_id"] for one in seed_tenants())
_NONCE = "the flow's nonce as MSAL keeps it"
_GROUPS = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"]


@pytest.fixture
def id_tokens(entra: RunningEntra, keys: SigningKeys) -> IdTokens:
    """The portal's rules."""
    return IdTokens(keys, entra.url, PORTAL_CLIENT_ID)


def _token(entra: RunningEntra, login: str = ADA, *, key: SigningKey | None = None, **overrides: Any) -> str:
    person = entra.app.people.find(login)
    assert person is not None
    nonce = hashlib.sha256(_NONCE.encode()).hexdigest()
    claims = entra.app.tokens.identity(person, entra.app.registrations[PORTAL_CLIENT_ID], nonce=nonce)
    kept = {name: value for name, value in (claims | overrides).items() if value is not None}
    current = entra.app.keys.current
    return (SigningKey(current.kid, key.key) if key is not None else current).sign(kept)


async def test_whoever_signed_in_is_known(entra: RunningEntra, id_tokens: IdTokens) -> None:
    claims = await id_tokens.verify(
        _token(entra, ALAN, wids=["a-template"], groups=_GROUPS, auth_time=7), nonce=_NONCE
    )

    assert claims.entra_tenant_id == UUID(_CONTOSO)
    assert claims.name == "Alan Turing"
    assert claims.roles == {"TenantAdmin"}
    assert claims.wids == {"a-template"}
    assert claims.groups == set(_GROUPS)
    assert not claims.groups_overage
    assert not claims.is_guest
    assert claims.auth_time == 7


async def test_what_is_not_asked_for_need_not_be_there(entra: RunningEntra, id_tokens: IdTokens) -> None:
    token = _token(entra, wids=None, groups=None, roles=None, name=None)

    claims = await id_tokens.verify(token, nonce=_NONCE)

    assert claims.name == ""
    assert not claims.roles | claims.wids | claims.groups
    assert claims.auth_time is None


@pytest.mark.parametrize(
    "said",
    [
        {"_claim_names": {"groups": "src1"}},
        {"hasgroups": True},
        {"groups": [f"{number:08x}-1111-4111-8111-111111111111" for number in range(201)]},
    ],
)
async def test_more_groups_than_fit_are_said_to_be_unknown(
    said: dict[str, Any], entra: RunningEntra, id_tokens: IdTokens
) -> None:
    claims = await id_tokens.verify(_token(entra, **said), nonce=_NONCE)

    assert claims.groups_overage
    assert not claims.groups


async def test_a_guest_is_marked(entra: RunningEntra, id_tokens: IdTokens) -> None:
    assert (await id_tokens.verify(_token(entra, acct=1), nonce=_NONCE)).is_guest
    elsewhere = _token(entra, idp="https://sts.windows.net/elsewhere/")
    assert (await id_tokens.verify(elsewhere, nonce=_NONCE)).is_guest


_WRONG: dict[str, dict[str, Any]] = {
    "for the API": {"aud": API_CLIENT_ID},
    "for the add-in": {"aud": ADDIN_CLIENT_ID},
    "for several": {"aud": [PORTAL_CLIENT_ID, ADDIN_CLIENT_ID]},
    "for nobody": {"aud": None},
    "another tenant's issuer": {"tid": _FABRIKAM},
    "version 1.0": {"ver": "1.0"},
    "with a scope": {"scp": "Tasks.ReadWrite"},
    "with an empty scope": {"scp": ""},
    "with a program": {"azp": PORTAL_CLIENT_ID},
    "of a program for itself": {"idtyp": "app"},
    "no nonce": {"nonce": None},
    "another nonce": {"nonce": hashlib.sha256(b"another").hexdigest()},
    "the nonce itself instead of its hash": {"nonce": _NONCE},
    "the nonce in a list": {"nonce": [hashlib.sha256(_NONCE.encode()).hexdigest()]},
    "a nonce that is not ASCII": {"nonce": "ä\ud800"},
    "no person": {"oid": None},
    "long expired": {"exp": 1_600_000_000},
    "not yet": {"nbf": 4_000_000_000},
    "directory roles in one text": {"wids": "62e90394-69f5-4237-9190-012177145e10"},
}


@pytest.mark.parametrize("kind", _WRONG)
async def test_an_id_token_that_is_not_the_answer_to_us_is_refused(
    kind: str, entra: RunningEntra, id_tokens: IdTokens
) -> None:
    with pytest.raises(InvalidToken):
        await id_tokens.verify(_token(entra, **_WRONG[kind]), nonce=_NONCE)


async def test_a_stranger_cannot_say_who_signed_in(entra: RunningEntra, id_tokens: IdTokens) -> None:
    with pytest.raises(InvalidToken):
        await id_tokens.verify(_token(entra, key=SigningKey.new()), nonce=_NONCE)


async def test_access_tokens_and_id_tokens_do_not_stand_for_each_other(
    entra: RunningEntra, id_tokens: IdTokens, tokens: AccessTokens
) -> None:
    for access in (entra.token(), entra.token(aud=PORTAL_CLIENT_ID), entra.application_token()):
        with pytest.raises(InvalidToken):
            await id_tokens.verify(access, nonce=_NONCE)
    for identity in (_token(entra), _token(entra, aud=API_CLIENT_ID)):
        with pytest.raises(InvalidToken):
            await tokens.verify(identity)
        with pytest.raises(InvalidToken):
            await tokens.verify_application(identity)
    assert entra.app.requests.total() == 0
