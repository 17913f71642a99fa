"""Which access tokens are believed. Every token is really signed, and the keys come over real TLS."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from app.identity.errors import InvalidToken
from app.identity.keys import SigningKeys
from app.identity.tokens import AccessTokens
from app.local.entra.keys import SigningKey
from app.local.entra.registrations import ADDIN_CLIENT_ID, API_CLIENT_ID, GRAPH_CLIENT_ID
from tests.entra import GRACE, MARY, RunningEntra, part, seed_tenants
from tests.identity.conftest import access_tokens

_FABRIKAM = seed_tenants()[1]["entra_tenant_id"]
_STRANGER = SigningKey.new()


async def test_an_access_token_for_our_api_is_believed(entra: RunningEntra, tokens: AccessTokens) -> None:
    contoso = seed_tenants()[0]

    claims = await tokens.verify(entra.token(MARY))

    assert claims.entra_tenant_id == UUID(contoso["entra_tenant_id"])
    assert str(claims.entra_object_id) in {one["object_id"] for one in contoso["people"]}
    assert claims.client_id == ADDIN_CLIENT_ID
    assert claims.scopes == {"Tasks.ReadWrite"}
    assert claims.roles == {"Auditor"}
    assert not claims.is_guest


async def test_every_tenant_of_the_cloud_signs_with_the_same_keys(
    entra: RunningEntra, tokens: AccessTokens
) -> None:
    await tokens.verify(entra.token())
    claims = await tokens.verify(entra.token(GRACE))

    assert str(claims.entra_tenant_id) == _FABRIKAM
    assert entra.key_fetches == 1


async def test_a_guest_is_marked(entra: RunningEntra, tokens: AccessTokens) -> None:
    assert (await tokens.verify(entra.token(acct=1))).is_guest
    assert not (await tokens.verify(entra.token(acct=0))).is_guest


def _hmac_with_public_key(entra: RunningEntra) -> str:
    """The classic confusion: our public key taken as a shared secret."""
    current = entra.app.keys.current
    public = current.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    unsigned = f"{part({'alg': 'HS256', 'kid': current.kid})}.{part(entra.claims())}"
    signature = hmac.digest(public, unsigned.encode(), hashlib.sha256)
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _without_signature(entra: RunningEntra) -> str:
    return f"{part({'alg': 'none', 'kid': entra.app.keys.current.kid})}.{part(entra.claims())}."


def _with_other_algorithm(entra: RunningEntra) -> str:
    current = entra.app.keys.current
    return jwt.encode(entra.claims(), current.key, algorithm="RS512", headers={"kid": current.kid})


def _with_embedded_key(entra: RunningEntra) -> str:
    key = _STRANGER.public("")
    return entra.token(key=_STRANGER, headers={"jwk": key, "kid": entra.app.keys.current.kid})


def _with_critical_header(entra: RunningEntra) -> str:
    header = {"alg": "RS256", "kid": entra.app.keys.current.kid, "crit": ["exp"], "exp": 1}
    return f"{part(header)}.{part(entra.claims())}.AAAA"


def _with_deep_payload(entra: RunningEntra) -> str:
    deep = "[" * 6000 + "]" * 6000
    payload = base64.urlsafe_b64encode(f'{{"tid":{deep}}}'.encode()).rstrip(b"=").decode()
    return f"{part({'alg': 'RS256', 'kid': 'x'})}.{payload}.AAAA"


_BEFORE_ANY_FETCH: dict[str, Callable[[RunningEntra], str]] = {
    "empty": lambda _: "",
    "not a token": lambda _: "a.b",
    "two dots": lambda _: "..",
    "not ASCII": lambda _: "ä.ö.ü",
    "lone surrogate": lambda _: "\ud800.\ud800.\ud800",
    "payload is a list": lambda _: f"{part({'alg': 'RS256', 'kid': 'x'})}.W10.AAAA",
    "payload nested too deep": _with_deep_payload,
    "larger than 16 KiB": lambda entra: entra.token(padding="x" * 17_000),
    "alg none": _without_signature,
    "alg HS256 with our public key": _hmac_with_public_key,
    "alg RS512": _with_other_algorithm,
    "jwk": _with_embedded_key,
    "jku": lambda entra: entra.token(key=_STRANGER, headers={"jku": "https://127.0.0.1:9/keys"}),
    "x5u": lambda entra: entra.token(headers={"x5u": "https://127.0.0.1:9/chain"}),
    "x5c": lambda entra: entra.token(headers={"x5c": ["MIIB"]}),
    "crit": _with_critical_header,
    "no kid": lambda entra: f"{part({'alg': 'RS256'})}.{part(entra.claims())}.AAAA",
    "kid is a list": lambda entra: f"{part({'alg': 'RS256', 'kid': ['x']})}.{part(entra.claims())}.AAAA",
    "no tid": lambda entra: entra.token(tid=None),
    "tid is no GUID": lambda entra: entra.token(tid="organizations"),
    "tid leads elsewhere": lambda entra: entra.token(tid="../common"),
    "tid in capitals": lambda entra: entra.token(tid=_FABRIKAM.upper()),
    "tid is a list": lambda entra: entra.token(tid=[_FABRIKAM]),
}


@pytest.mark.parametrize("kind", _BEFORE_ANY_FETCH)
async def test_a_hostile_token_is_refused_before_any_key_is_fetched(
    kind: str, entra: RunningEntra, tokens: AccessTokens
) -> None:
    with pytest.raises(InvalidToken):
        await tokens.verify(_BEFORE_ANY_FETCH[kind](entra))

    assert entra.app.requests.total() == 0


_WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "another API": {"aud": GRAPH_CLIENT_ID},
    "the resource's URI for its id": {"aud": f"api://{API_CLIENT_ID}"},
    "several audiences": {"aud": [API_CLIENT_ID, GRAPH_CLIENT_ID]},
    "no audience": {"aud": None},
    "another tenant's issuer": {"tid": _FABRIKAM},
    "an issuer of version 1": {"iss": "https://sts.windows.net/6a1d3c52-8f0b-4e77-b2c9-15d0a7e4f831/"},
    "the issuer's template": {"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"},
    "no issuer": {"iss": None},
    "version 1.0": {"ver": "1.0"},
    "no version": {"ver": None},
    "a program we do not know": {"azp": "99999999-9999-4999-8999-999999999999"},
    "no program": {"azp": None},
    "no scope": {"scp": None},
    "an empty scope": {"scp": ""},
    "scopes in a list": {"scp": ["Tasks.ReadWrite"]},
    "a program for itself": {"scp": None, "roles": ["Tasks.Process.All"]},
    "a program for itself with a scope": {"idtyp": "app"},
    "no person": {"oid": None},
    "a person who is no GUID": {"oid": "ada@contoso.example"},
    "no subject": {"sub": None},
    "no expiry": {"exp": None},
    "no beginning": {"nbf": None},
    "no date of issue": {"iat": None},
    "an expiry that is no number": {"exp": "soon"},
}


@pytest.mark.parametrize("kind", _WRONG_CLAIMS)
async def test_a_really_signed_token_that_is_not_for_us_is_refused(
    kind: str, entra: RunningEntra, tokens: AccessTokens
) -> None:
    with pytest.raises(InvalidToken):
        await tokens.verify(entra.token(**_WRONG_CLAIMS[kind]))


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -1), ("nbf", 1), ("iat", 1)])
async def test_clocks_may_differ_by_two_minutes(
    claim: str, seconds: int, entra: RunningEntra, tokens: AccessTokens
) -> None:
    near: dict[str, Any] = {claim: int(time.time()) + 60 * seconds}
    far: dict[str, Any] = {claim: int(time.time()) + 180 * seconds}

    await tokens.verify(entra.token(**near))
    with pytest.raises(InvalidToken):
        await tokens.verify(entra.token(**far))


async def test_an_id_token_opens_nothing(entra: RunningEntra, tokens: AccessTokens) -> None:
    with pytest.raises(InvalidToken):
        await tokens.verify(entra.id_token())


async def test_a_stranger_with_our_key_id_is_refused(entra: RunningEntra, tokens: AccessTokens) -> None:
    forged = entra.token(key=_STRANGER, headers={"kid": entra.app.keys.current.kid})

    with pytest.raises(InvalidToken):
        await tokens.verify(forged)


async def test_a_changed_claim_breaks_the_signature(entra: RunningEntra, tokens: AccessTokens) -> None:
    header, _, signature = entra.token().split(".")
    raised = part(entra.claims(roles=["TenantAdmin"]))

    with pytest.raises(InvalidToken):
        await tokens.verify(f"{header}.{raised}.{signature}")


async def test_a_token_of_another_authority_is_refused(
    other_authority: RunningEntra, tokens: AccessTokens
) -> None:
    with pytest.raises(InvalidToken):
        await tokens.verify(other_authority.token())


async def test_a_key_of_another_issuer_does_not_sign_for_this_one(
    entra: RunningEntra, tokens: AccessTokens
) -> None:
    token = entra.token()
    entra.app.tokens.authority = "https://login.elsewhere.example"

    with pytest.raises(InvalidToken) as refused:
        await tokens.verify(token)

    assert refused.value.reason == "issuer_of_key"


async def test_refusals_do_not_say_which_rule_was_broken(entra: RunningEntra, tokens: AccessTokens) -> None:
    messages = set()
    for token in ("a.b", entra.token(ver="1.0"), entra.token(key=_STRANGER), entra.token(exp=1)):
        with pytest.raises(InvalidToken) as refused:
            await tokens.verify(token)
        messages.add((refused.value.status, refused.value.code, refused.value.message))

    assert len(messages) == 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from(["alg", "kid", "typ", "tid", "iss", "aud", "exp", "b64", "crit", "oid"])
_PARTS = st.dictionaries(_NAMES, _JSON, max_size=6)


@cache
def _offline_door() -> AccessTokens:
    """A door that has just learned that there are no keys; it connects to nothing."""
    keys = SigningKeys("https://127.0.0.1:9")
    keys._fetched_at = keys._clock()
    keys._not_before = float("inf")
    return access_tokens("https://127.0.0.1:9", keys)


@settings(max_examples=100, deadline=None)
@given(header=_PARTS, payload=_PARTS, signature=st.binary(max_size=16), noise=st.text(max_size=20))
async def test_whatever_comes_is_refused_and_never_breaks_us(
    header: dict[str, Any], payload: dict[str, Any], signature: bytes, noise: str
) -> None:
    tail = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    for raw in (
        noise,
        f"{json.dumps(header)}.{noise}",
        f"{part(header)}.{part(payload)}.{tail}",
        f"{part({**header, 'alg': 'RS256', 'kid': 'x'})}.{part({**payload, 'tid': _FABRIKAM})}.{tail}",
    ):
        with pytest.raises(InvalidToken):
            await _offline_door().verify(raw)
