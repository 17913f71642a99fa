"""Which app-only tokens are believed. Every token is really signed, and the keys come over real TLS."""

from typing import Any
from uuid import UUID

import pytest

from app.identity.errors import InvalidToken
from app.identity.tokens import AccessTokens
from app.local.entra.keys import SigningKey
from app.local.entra.registrations import (
    ADDIN_CLIENT_ID,
    API_CLIENT_ID,
    APPLICATION_ROLE,
    AUTOMATION_CLIENT_ID,
    GRAPH_CLIENT_ID,
)
from tests.entra import RunningEntra, seed_tenants

_CONTOSO, _FABRIKAM = (one["entra_tenant_id"] for one in seed_tenants())


async def test_a_program_that_acts_for_itself_is_believed(entra: RunningEntra, tokens: AccessTokens) -> None:
    claims = await tokens.verify_application(entra.application_token())

    assert str(claims.entra_tenant_id) == _CONTOSO
    assert claims.client_id == UUID(AUTOMATION_CLIENT_ID)
    assert claims.roles == {APPLICATION_ROLE}


async def test_what_a_registration_does_not_ask_for_need_not_be_there(
    entra: RunningEntra, tokens: AccessTokens
) -> None:
    await tokens.verify_application(entra.application_token(idtyp=None))
    await tokens.verify_application(entra.application_token(idtyp="app"))


_WRONG: dict[str, dict[str, Any]] = {
    "a scope and a role": {"scp": "Tasks.ReadWrite"},
    "an empty scope": {"scp": ""},
    "no role": {"roles": None},
    "an empty list of roles": {"roles": []},
    "roles in one text": {"roles": APPLICATION_ROLE},
    "roles that are no texts": {"roles": [7, None]},
    "it says that it is a person": {"idtyp": "user"},
    "another API": {"aud": GRAPH_CLIENT_ID},
    "the resource's URI for its id": {"aud": f"api://{API_CLIENT_ID}"},
    "several audiences": {"aud": [API_CLIENT_ID, GRAPH_CLIENT_ID]},
    "another tenant's issuer": {"tid": _FABRIKAM},
    "version 1.0": {"ver": "1.0"},
    "no program": {"azp": None},
    "the program named as version 1 does": {"azp": None, "appid": AUTOMATION_CLIENT_ID},
    "a program that is no GUID": {"azp": "automation"},
    "no object": {"oid": None},
    "the subject of a person": {"sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ"},
    "the subject of a person, and no word on whose it is": {"sub": "AAAA", "idtyp": None},
    "no expiry": {"exp": None},
    "long expired": {"exp": 1_600_000_000},
}


@pytest.mark.parametrize("kind", _WRONG)
async def test_a_really_signed_token_that_is_not_a_programs_is_refused(
    kind: str, entra: RunningEntra, tokens: AccessTokens
) -> None:
    with pytest.raises(InvalidToken):
        await tokens.verify_application(entra.application_token(**_WRONG[kind]))


async def test_a_persons_token_is_no_programs_and_a_programs_is_no_persons(
    entra: RunningEntra, tokens: AccessTokens
) -> None:
    for person in (entra.token(), entra.token(roles=[APPLICATION_ROLE])):
        with pytest.raises(InvalidToken):
            await tokens.verify_application(person)
    for program in (entra.application_token(), entra.application_token(azp=ADDIN_CLIENT_ID)):
        with pytest.raises(InvalidToken):
            await tokens.verify(program)
    assert entra.app.requests.total() == 0


async def test_a_program_cannot_sign_for_itself(entra: RunningEntra, tokens: AccessTokens) -> None:
    forged = entra.token(
        key=SigningKey.new(),
        headers={"kid": entra.app.keys.current.kid},
        scp=None,
        sub=entra.claims()["oid"],
        azp=AUTOMATION_CLIENT_ID,
        roles=[APPLICATION_ROLE],
    )

    with pytest.raises(InvalidToken) as refused:
        await tokens.verify_application(forged)
    assert refused.value.reason == "InvalidSignatureError"
