"""What callers see of the validator over HTTP: which door takes which token, and what nobody can learn."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.local.entra.keys import SigningKey
from app.local.entra.registrations import API_CLIENT_ID
from app.tenants.directory import TenantDirectory
from tests.entra import ADA, GRACE, KEYS_PATH, RunningEntra, part
from tests.house import House, serve
from tests.trust import PLAIN

_ADDIN, _AUTOMATION = "/addin/v1/jobs", "/automation/v1/jobs"
_STRANGER = SigningKey.new()
_NOBODY = "0e0e0e0e-0e0e-4e0e-8e0e-0e0e0e0e0e0e"


@pytest.fixture
async def anonymous(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=house.api, trust_env=False, verify=PLAIN, timeout=30) as client:
        yield client


async def _ask(client: httpx.AsyncClient, token: str, path: str = _ADDIN) -> httpx.Response:
    return await client.get(path, headers={"Authorization": f"Bearer {token}"})


_WRONG_DOOR: dict[str, tuple[str, Callable[[RunningEntra], str]]] = {
    "a program at the people's": (_ADDIN, lambda entra: entra.application_token()),
    "a person at the programs'": (_AUTOMATION, lambda entra: entra.token()),
    "an administrator at the programs'": (
        _AUTOMATION,
        lambda entra: entra.token(roles=["Tasks.Process.All"]),
    ),
    "a program with a scope at the people's": (
        _ADDIN,
        lambda entra: entra.application_token(scp="Tasks.ReadWrite"),
    ),
    "a program with a scope at the programs'": (
        _AUTOMATION,
        lambda entra: entra.application_token(scp="Tasks.ReadWrite"),
    ),
    "a person without a scope at the programs'": (
        _AUTOMATION,
        lambda entra: entra.token(scp=None, roles=["Tasks.Process.All"]),
    ),
    "an ID token at the people's": (_ADDIN, lambda entra: entra.id_token()),
    "an ID token at the programs'": (_AUTOMATION, lambda entra: entra.id_token()),
    "an ID token that names our API": (
        _ADDIN,
        lambda entra: entra.token(scp=None, azp=None, nonce="n", aud=API_CLIENT_ID),
    ),
}


@pytest.mark.parametrize("kind", _WRONG_DOOR)
async def test_each_door_takes_one_kind_of_token(
    kind: str, house: House, anonymous: httpx.AsyncClient
) -> None:
    path, make = _WRONG_DOOR[kind]
    answer = await _ask(anonymous, make(house.entra), path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


_NO_BEARER = {
    "nothing": {},
    "no scheme": {"Authorization": "{token}"},
    "another scheme": {"Authorization": "Basic {token}"},
    "a proxy's field": {"Proxy-Authorization": "Bearer {token}"},
    "a cookie": {"Cookie": "access_token={token}; Authorization=Bearer {token}"},
    "a field of the gateway": {"X-MS-TOKEN-AAD-ACCESS-TOKEN": "{token}"},
}


@pytest.mark.parametrize("kind", _NO_BEARER)
async def test_a_good_token_counts_in_its_own_place_only(
    kind: str, house: House, anonymous: httpx.AsyncClient
) -> None:
    token = house.entra.token(ADA)
    headers = {name: value.format(token=token) for name, value in _NO_BEARER[kind].items()}
    answer = await anonymous.get(_ADDIN, headers=headers, params={"access_token": token})

    assert answer.status_code == 401
    assert (await _ask(anonymous, token)).status_code == 200


def _shape(answer: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    """What an answer says, without what is different each time."""
    body = json.loads(answer.text)
    body["error"]["innererror"]["date"] = body["error"]["innererror"]["request-id"] = ""
    fields = sorted(
        (name, value)
        for name, value in answer.headers.items()
        if name not in {"date", "request-id", "content-length"}
    )
    return answer.status_code, json.dumps(body), fields


async def test_forged_tokens_do_not_tell_who_is_a_customer(
    house: House, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.system.rows("UPDATE tenants SET state = 'suspended' WHERE name = 'Fabrikam' RETURNING id")
    looked_up: list[UUID] = []
    usual = TenantDirectory.by_entra_id

    async def counting(self: TenantDirectory, entra_tenant_id: UUID) -> Any:
        looked_up.append(entra_tenant_id)
        return await usual(self, entra_tenant_id)

    monkeypatch.setattr(TenantDirectory, "by_entra_id", counting)
    elsewhere: dict[str, Any] = {"tid": _NOBODY, "iss": f"{house.entra.url}/{_NOBODY}/v2.0"}
    our_kid = {"kid": house.entra.app.keys.current.kid}
    forged = {
        "a customer": house.entra.token(ADA, key=_STRANGER, headers=our_kid),
        "a suspended customer": house.entra.token(GRACE, key=_STRANGER, headers=our_kid),
        "nobody": house.entra.token(ADA, key=_STRANGER, headers=our_kid, **elsewhere),
        "a customer, unknown key": house.entra.token(ADA, key=_STRANGER),
        "nobody, unknown key": house.entra.token(ADA, key=_STRANGER, **elsewhere),
        "a customer, expired": house.entra.token(ADA, exp=1_600_000_000),
        "nobody, another audience": house.entra.token(ADA, aud="api://other", **elsewhere),
    }
    for path in (_ADDIN, _AUTOMATION):
        answers = {name: await _ask(anonymous, token, path) for name, token in forged.items()}
        assert {answer.status_code for answer in answers.values()} == {401}
        assert len({str(_shape(answer)) for answer in answers.values()}) == 1
    assert looked_up == []
    # A real token of the same tenants is told more: then we look.
    assert (await _ask(anonymous, house.entra.token(GRACE))).json()["error"]["code"] == "tenant_not_onboarded"
    assert (await _ask(anonymous, house.entra.token(ADA, **elsewhere))).status_code == 403
    assert len(looked_up) == 2


async def test_two_hundred_unknown_keys_over_http_cost_one_fetch(
    house: House, anonymous: httpx.AsyncClient
) -> None:
    tokens = [house.entra.token(key=_STRANGER, headers={"kid": str(uuid4())}) for _ in range(200)]
    assert (await _ask(anonymous, house.entra.token(ADA))).status_code == 200
    before = house.entra.app.requests[KEYS_PATH]
    answers = await asyncio.gather(*(_ask(anonymous, token) for token in tokens))

    assert {answer.status_code for answer in answers} == {401}
    # The one of the start was just now, so none of these is worth another.
    assert before == house.entra.app.requests[KEYS_PATH] == 1


async def test_while_the_issuer_is_down_the_door_says_503_each_time_and_when_to_come_back(
    house: House,
) -> None:
    token = house.entra.token(ADA)
    house.entra.app.failing = True
    async with (
        serve(house.system, house.entra) as api,
        httpx.AsyncClient(base_url=api, trust_env=False, verify=PLAIN) as client,
    ):
        for _ in range(3):
            answer = await _ask(client, token)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "identity_unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert "www-authenticate" not in answer.headers
        # What is plainly not for us needs no key to be refused.
        assert (await _ask(client, house.entra.token(ADA, ver="1.0"))).status_code == 401


async def test_last_good_keys_carry_the_door_through_an_outage(
    house: House, anonymous: httpx.AsyncClient
) -> None:
    assert (await _ask(anonymous, house.entra.token(ADA))).status_code == 200
    house.entra.app.failing = True

    assert (await _ask(anonymous, house.entra.token(GRACE))).status_code == 200


def _canaries(token: str) -> set[str]:
    """Pieces by which a part of a token that says something is found again, wherever it was cut."""
    return {
        piece[at : at + 24]
        for piece in token.split(".")[1:]
        for at in range(0, max(1, len(piece) - 24), 12)
        if len(piece) >= 24
    }


async def test_no_part_of_any_token_is_logged_or_answered(
    house: House,
    anonymous: httpx.AsyncClient,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    entra = house.entra
    our_kid = {"kid": entra.app.keys.current.kid}
    unread = f"{part({'alg': 'RS256', 'kid': 'x'})}.{part({'canary': 'unread-' + 'c' * 60})[:-1]}.{'s' * 60}"
    tokens = {
        "good": entra.token(ADA),
        "program": entra.application_token(),
        "forged": entra.token(key=_STRANGER, headers=our_kid),
        "unknown key": entra.token(key=_STRANGER),
        "expired": entra.token(exp=1_600_000_000),
        "of version 1": entra.token(ver="1.0"),
        "without scope": entra.token(scp="profile"),
        "of nobody": entra.token(tid=_NOBODY, iss=f"{entra.url}/{_NOBODY}/v2.0"),
        "an ID token": entra.id_token(),
        "too long": entra.token(padding="p" * 20_000),
        "unreadable": unread,
    }
    answers = []
    for token in tokens.values():
        answers += [
            *[
                await _ask(anonymous, token, path)
                for path in (_ADDIN, _AUTOMATION, "/nothing", "/health/live")
            ],
            await anonymous.get(_ADDIN, headers={"Authorization": f"Token {token}"}),
            await anonymous.get(_ADDIN, params={"access_token": token[:4000]}),
            await anonymous.post(
                _ADDIN,
                headers={"Authorization": f"Bearer {token}", "Idempotency-Key": token[:200]},
                json={"task_type": token[:4000], "unknown": token[:200]},
            ),
        ]

    async def broken(_self: object, raw_token: str, **_options: object) -> None:
        raise RuntimeError(f"a bug while it held {len(raw_token)} characters")

    monkeypatch.setattr("app.identity.authenticate.Authenticator.principal", broken)
    answers.append(await _ask(anonymous, tokens["good"]))
    assert answers[-1].status_code == 500
    assert {answer.status_code for answer in answers} >= {200, 401, 403, 404, 422, 500}

    printed = capfd.readouterr()
    # This test's own client writes down the addresses that it asks.
    records = [str(vars(one)) for one in caplog.records if not one.name.startswith("httpx")]
    logged = "\n".join([*records, *(line for line in printed.out.splitlines() if "HTTP Request" not in line)])
    logged += printed.err
    assert "token refused" in logged
    assert "a bug while it held" in logged
    said = "\n".join(answer.text + str(answer.headers) for answer in answers)
    for name, token in tokens.items():
        found = {piece for piece in _canaries(token) if piece in logged or piece in said}
        assert not found, f"{name}: {sorted(found)[:3]}"
