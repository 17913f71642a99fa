"""What every answer carries, whoever made it; and which pages may read it."""

from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from app.http.response_headers import ResponseHeaders
from app.settings import Settings
from tests.house import House, serve
from tests.trust import PLAIN

_PAGE = "https://pane.contoso.example"
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
_PREFLIGHT = {
    "Origin": _PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,idempotency-key,client-request-id,content-type",
}


async def test_every_answer_has_the_fields_of_security_and_its_ids(house: House) -> None:
    big = b"[" * (8 * 2**20 + 1)
    async with httpx.AsyncClient(base_url=house.api, trust_env=False, verify=PLAIN) as anonymous:
        answers = {
            "health": await anonymous.get("/health/live"),
            "no token": await anonymous.get("/addin/v1/me"),
            "no such address": await anonymous.get("/nothing"),
            "no such method": await anonymous.delete("/health/live"),
            "the contract": await anonymous.get("/openapi.json"),
            "too large": await anonymous.post("/addin/v1/jobs", content=big),
            "a good one": await house.client().get("/me"),
            "malformed": await house.client().post("/jobs", json=[]),
        }
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "health": 200,
        "no token": 401,
        "no such address": 404,
        "no such method": 405,
        "the contract": 200,
        "too large": 413,
        "a good one": 200,
        "malformed": 422,
    }
    for name, answer in answers.items():
        assert {field: answer.headers.get(field) for field in _ALWAYS} == _ALWAYS, name
        assert answer.headers["request-id"], name
        assert "strict-transport-security" not in answer.headers


async def test_a_bug_is_answered_with_ids_and_fields_and_says_nothing_of_itself(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("app.identity.authenticate.Authenticator.principal", broken)
    answer = await house.client().get("/me", headers={"Origin": _PAGE, "client-request-id": "mine"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert {field: answer.headers.get(field) for field in _ALWAYS} == _ALWAYS
    assert answer.headers["client-request-id"] == "mine"
    assert answer.json()["error"]["innererror"]["request-id"] == answer.headers["request-id"]


async def _sent(*, over_tls: bool, own: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    messages: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": own})

    async def keep(message: Any) -> None:
        messages.append(message)

    async def nothing() -> Any:
        raise AssertionError

    await ResponseHeaders(app, over_tls=over_tls)({"type": "http"}, nothing, keep)
    found = messages[0]["headers"]
    assert len(found) == len(dict(found)), "a field stands there twice"
    return dict(found)


async def test_production_tells_browsers_to_come_by_tls_only() -> None:
    fields = await _sent(over_tls=True, own=[])
    assert fields[b"strict-transport-security"].startswith(b"max-age=63072000")
    assert b"strict-transport-security" not in await _sent(over_tls=False, own=[])


async def test_what_a_response_says_itself_stays() -> None:
    fields = await _sent(over_tls=True, own=[(b"Cache-Control", b"max-age=60")])
    assert fields[b"Cache-Control"] == b"max-age=60"
    assert b"cache-control" not in fields


async def test_a_page_of_the_addin_may_call_its_door_and_read_what_office_needs(house: House) -> None:
    async with (
        serve(house.system, house.entra, addin_origins=(_PAGE,)) as api,
        httpx.AsyncClient(base_url=api, trust_env=False, verify=PLAIN, headers={"Origin": _PAGE}) as page,
    ):
        allowed = await page.options("/addin/v1/jobs", headers=_PREFLIGHT)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == _PAGE
        assert allowed.headers["access-control-max-age"] == "7200"
        assert "access-control-allow-credentials" not in allowed.headers
        refused = await page.get("/addin/v1/me")
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == _PAGE
        assert refused.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in refused.headers
        exposed = {
            name.strip().lower() for name in refused.headers["access-control-expose-headers"].split(",")
        }
        assert exposed >= {
            "location",
            "operation-location",
            "retry-after",
            "request-id",
            "client-request-id",
            "etag",
            "ratelimit",
            "ratelimit-policy",
            "www-authenticate",
        }
        too_large = await page.post("/addin/v1/jobs", content=b"[" * (8 * 2**20 + 1))
        assert too_large.status_code == 413
        assert too_large.headers["access-control-allow-origin"] == _PAGE


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "https://pane.contoso.example.evil.example",
        "https://evil-pane.contoso.example",
        "http://pane.contoso.example",
        "https://pane.contoso.example:8443",
        "https://pane.contoso.example/",
        "HTTPS://PANE.CONTOSO.EXAMPLE",
        "*",
        "",
    ],
)
async def test_no_other_page_may(house: House, origin: str) -> None:
    async with (
        serve(house.system, house.entra, addin_origins=(_PAGE,)) as api,
        httpx.AsyncClient(base_url=api, trust_env=False, verify=PLAIN, headers={"Origin": origin}) as page,
    ):
        refused = await page.options("/addin/v1/jobs", headers={**_PREFLIGHT, "Origin": origin})
        assert "access-control-allow-origin" not in refused.headers
        answer = await page.get("/addin/v1/me")
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/portal/v1/me", "/automation/v1/jobs", "/health/live", "/openapi.json", "/"]
)
async def test_other_doors_are_open_to_no_page_of_elsewhere(house: House, path: str) -> None:
    async with (
        serve(house.system, house.entra, addin_origins=(_PAGE,)) as api,
        httpx.AsyncClient(base_url=api, trust_env=False, verify=PLAIN, headers={"Origin": _PAGE}) as page,
    ):
        for answer in (await page.options(path, headers=_PREFLIGHT), await page.get(path)):
            assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.contoso.example",
        "https://a.example/",
        "https://a.example/pane",
        "a.example",
        "",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_at_start(origin: str) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"env": "development", "addin_origins": (origin,)})


def test_production_takes_no_page_over_plain_http() -> None:
    Settings.model_validate({"env": "production", "addin_origins": ("https://pane.example:8443",)})
    Settings.model_validate({"env": "development", "addin_origins": ("http://localhost:3000",)})
    with pytest.raises(ValidationError):
        Settings.model_validate({"env": "production", "addin_origins": ("http://pane.example",)})
