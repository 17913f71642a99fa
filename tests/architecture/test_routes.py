"""Every route is guarded, every foreign id is a 404, and the contract changes only on purpose.

After a change of the contract: `python -m tests.architecture.test_routes` writes the snapshot anew.
"""

import json
import uuid
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.http.routes import GuardedRoute
from app.main import create_app
from app.settings import Settings
from tests.entra import GRACE
from tests.house import House

SNAPSHOT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
OPEN = {"/health/live", "/health/ready", "/portal/v1/sign-in", "/portal/v1/sign-in/callback"}


def application() -> FastAPI:
    return create_app(Settings(env="development"))


def rendered() -> str:
    return json.dumps(application().openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    paths: dict[str, dict[str, Any]] = application().openapi()["paths"]
    return [(method, path, one) for path, methods in paths.items() for method, one in methods.items()]


def test_the_contract_is_the_one_committed() -> None:
    assert SNAPSHOT.read_text() == rendered(), "run `python -m tests.architecture.test_routes`"


def test_every_route_asks_for_a_token() -> None:
    unguarded = {path for _, path, operation in operations() if not operation.get("security")}
    assert unguarded == OPEN


def test_every_route_with_a_body_asks_who_is_calling_before_it_reads_the_body() -> None:
    with_bodies = [
        context.original_route
        for context in iter_route_contexts(application().routes)
        if getattr(context, "body_field", None) is not None
    ]
    assert len(with_bodies) >= 2
    assert [route for route in with_bodies if not isinstance(route, GuardedRoute)] == []


async def test_without_a_token_every_route_says_sign_in(house: House) -> None:
    import httpx

    async with httpx.AsyncClient(base_url=house.api, trust_env=False) as anonymous:
        for method, path, _ in operations():
            if path not in OPEN:
                address = path.replace("{job_id}", str(uuid.uuid4()))
                answer = await anonymous.request(method, address, params={"name": "x.txt"})
                assert answer.status_code == 401, (method, path)
                wanted = "session_required" if path.startswith("/portal/") else "invalid_token"
                assert answer.json()["error"]["code"] == wanted, (method, path)


async def test_another_tenants_ids_are_not_found_on_any_route(house: House) -> None:
    job_id = (await house.submit({"input": {"text": "The harbour was closed for three days."}})).json()["id"]
    stranger = house.client(GRACE)
    tried = 0
    for method, path, _ in operations():
        if "{job_id}" in path and path.startswith("/addin/"):
            answer = await stranger.request(method, house.api + path.replace("{job_id}", job_id))
            assert answer.status_code == 404, (method, path)
            tried += 1
    assert tried >= 3
    assert (await house.job(job_id))["state"] == "queued"


if __name__ == "__main__":
    SNAPSHOT.write_text(rendered())
