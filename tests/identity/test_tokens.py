"""Which access tokens are believed. Every token is really signed, and the keys come over real TLS."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given, settings
from hypothesis import strategies as st

from app.identity.errors import InvalidToken
from app.identity.keys import SigningKeys
from app.identity.tokens import LARGEST_TOKEN, AccessTokens
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


def _with_other_algorithm(entra: RunningEntra, algorithm: str = "RS512") -> str:
    current = entra.app.keys.current
    return jwt.encode(entra.claims(), current.key, algorithm=algorithm, headers={"kid": current.kid})


def _with_header(entra: RunningEntra, **changes: Any) -> str:
    header = {"alg": "RS256", "kid": entra.app.keys.current.kid, **changes}
    return f"{part(header)}.{part(entra.claims())}.AAAA"


def _signed_text(entra: RunningEntra, payload: str) -> str:
    """A token whose payload is this very text, really signed: what no library would write."""
    current = entra.app.keys.current
    unsigned = f"{part({'alg': 'RS256', 'kid': current.kid})}.{_encoded(payload.encode())}"
    signature = current.key.sign(unsigned.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{unsigned}.{_encoded(signature)}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _with_first_said_otherwise(entra: RunningEntra, name: str) -> str:
    """The right claims, with another value of one of them before."""
    return _signed_text(entra, f'{{"{name}":"elsewhere",{json.dumps(entra.claims())[1:]}')


def _of_length(entra: RunningEntra, length: int) -> str:
    """A really signed token of exactly so many characters."""
    for header in range(4):
        shortest = len(entra.token(headers={"x": "x" * header}, padding=""))
        for size in range((length - shortest) * 3 // 4 - 4, (length - shortest) * 3 // 4 + 4):
            token = entra.token(headers={"x": "x" * header}, padding="x" * size)
            if len(token) == length:
                return token
    raise AssertionError(length)


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
    "alg PS256": lambda entra: _with_other_algorithm(entra, "PS256"),
    "alg in small letters": lambda entra: _with_header(entra, alg="rs256"),
    "no alg": lambda entra: f"{part({'kid': 'x'})}.{part(entra.claims())}.AAAA",
    "jwk": _with_embedded_key,
    "jku": lambda entra: entra.token(key=_STRANGER, headers={"jku": "https://127.0.0.1:9/keys"}),
    "x5u": lambda entra: entra.token(headers={"x5u": "https://127.0.0.1:9/chain"}),
    "x5c": lambda entra: entra.token(headers={"x5c": ["MIIB"]}),
    "crit": _with_critical_header,
    "no kid": lambda entra: f"{part({'alg': 'RS256'})}.{part(entra.claims())}.AAAA",
    "kid is a list": lambda entra: f"{part({'alg': 'RS256', 'kid': ['x']})}.{part(entra.claims())}.AAAA",
    "b64": lambda entra: _with_header(entra, b64=True),
    "four parts": lambda entra: f"{entra.token()}.AAAA",
    "padded with =": lambda entra: entra.token().replace(".", "=.", 1),
    "white space around": lambda entra: f" {entra.token()} ",
    "a line break inside": lambda entra: entra.token().replace(".", ".\n", 1),
    "header is not UTF-8": lambda entra: _encoded(b"{\xff}") + f".{part(entra.claims())}.AAAA",
    "payload is not JSON": lambda entra: _signed_text(entra, "tid=contoso"),
    "aud stands there twice": lambda entra: _with_first_said_otherwise(entra, "aud"),
    "tid stands there twice": lambda entra: _with_first_said_otherwise(entra, "tid"),
    "a number without end": lambda entra: _signed_text(entra, f'{{"exp":{"9" * 5000}}}'),
    "not a number": lambda entra: _signed_text(entra, json.dumps({**entra.claims(), "exp": float("nan")})),
    "a list of issuers": lambda entra: _signed_text(
        entra, json.dumps({**entra.claims(), "iss": [entra.claims()["iss"]]})
    ),
    "infinity": lambda entra: _signed_text(entra, json.dumps({**entra.claims(), "nbf": float("inf")})),
    "an exponent beyond floats": lambda entra: _signed_text(
        entra, json.dumps({**entra.claims(), "exp": "E"}).replace('"E"', "1e400")
    ),
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
    "an expiry in quotes": {"exp": "4000000000"},
    "an expiry of true": {"exp": True},
    "an expiry with a fraction": {"exp": 4_000_000_000.5},
    "an expiry beyond all years": {"exp": 10**30},
    "a beginning before all years": {"nbf": -1},
    "an audience that begins like ours": {"aud": f"{API_CLIENT_ID}0"},
    "our audience alone, but in a list": {"aud": [API_CLIENT_ID]},
    "the program named as version 1 does": {"azp": None, "appid": ADDIN_CLIENT_ID},
    "the API itself as the program": {"azp": API_CLIENT_ID},
    "a list of programs": {"azp": [ADDIN_CLIENT_ID]},
    "a scope of white space": {"scp": "  "},
    "the scope as a role": {"scp": None, "roles": ["Tasks.ReadWrite"]},
    "roles in one text": {"roles": "TenantAdmin"},
    "a version that is a number": {"ver": 2.0},
    "an empty subject": {"sub": ""},
    "a person in capitals": {"oid": "6A1D3C52-8F0B-4E77-B2C9-15D0A7E4F831"},
    "a device instead of a person": {"idtyp": "device"},
}


@pytest.mark.parametrize("kind", _WRONG_CLAIMS)
async def test_a_really_signed_token_that_is_not_for_us_is_refused(
    kind: str, entra: RunningEntra, tokens: AccessTokens
) -> None:
    with pytest.raises(InvalidToken):
        await tokens.verify(entra.token(**_WRONG_CLAIMS[kind]))


_WRONG_ISSUERS: dict[str, Callable[[RunningEntra, str], str]] = {
    "another cloud": lambda _, tid: f"https://login.microsoftonline.us/{tid}/v2.0",
    "a slash at the end": lambda entra, tid: f"{entra.url}/{tid}/v2.0/",
    "capital letters": lambda entra, tid: f"{entra.url}/{tid}/v2.0".upper(),
    "a tenant's name": lambda entra, _: f"{entra.url}/organizations/v2.0",
    "plain http": lambda entra, tid: f"{entra.url}/{tid}/v2.0".replace("https", "http"),
}


@pytest.mark.parametrize("kind", _WRONG_ISSUERS)
async def test_an_issuer_is_exactly_the_authoritys_for_that_tenant(
    kind: str, entra: RunningEntra, tokens: AccessTokens
) -> None:
    claimed = _WRONG_ISSUERS[kind](entra, entra.claims()["tid"])

    with pytest.raises(InvalidToken) as refused:
        await tokens.verify(entra.token(iss=claimed))

    assert refused.value.reason == "audience_or_issuer"
    assert entra.app.requests.total() == 0


async def test_a_token_of_sixteen_kibibytes_is_read_and_one_byte_more_is_not(
    entra: RunningEntra, tokens: AccessTokens
) -> None:
    await tokens.verify(_of_length(entra, LARGEST_TOKEN))

    with pytest.raises(InvalidToken) as refused:
        await tokens.verify(_of_length(entra, LARGEST_TOKEN + 1))
    assert refused.value.reason == "size"


class _StillClock(datetime):
    """The clock by which PyJWT judges dates, stopped."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "_StillClock":
        return cls(2030, 1, 1, tzinfo=tz)


@pytest.mark.parametrize(("claim", "direction"), [("exp", -1), ("nbf", 1), ("iat", 1)])
async def test_clocks_may_differ_by_two_minutes(
    claim: str, direction: int, entra: RunningEntra, tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jwt.api_jwt.datetime", _StillClock)
    now = int(_StillClock.now(UTC).timestamp())
    dates: dict[str, Any] = {"exp": now + 3600, "nbf": now, "iat": now}
    near = dates | {claim: now + 119 * direction}
    far = dates | {claim: now + 121 * direction}

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
