"""Every route is guarded, every place for an id is reviewed, and the contract changes only on purpose.

After a change of the contract: `python -m tests.architecture.test_routes` writes the snapshot anew.
"""

import inspect
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from app.http.routes import GuardedRoute
from app.main import create_app
from app.settings import Settings
from tests.house import House
from tests.isolation.review import unreviewed
from tests.isolation.table import TABLE
from tests.trust import PLAIN

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


def test_every_place_of_the_document_is_reviewed() -> None:
    """Whatever may hold an id is replayed by strangers in tests/isolation, which needs a way to make a real one."""
    assert unreviewed(application().openapi(), TABLE) == []


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


def _called(dependant: Dependant) -> Iterator[Any]:
    for one in dependant.dependencies:
        yield one.call
        yield from _called(one)


def test_no_dependency_waits_for_a_thread() -> None:
    """FastAPI calls what is not asynchronous in a thread, which costs more than what ours do there."""
    called = {
        one
        for context in iter_route_contexts(application().routes)
        if (dependant := getattr(context, "dependant", None)) is not None
        for one in _called(dependant)
    }
    asynchronous = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    threads = {one for one in called if not any(kind(one) or kind(one.__call__) for kind in asynchronous)}
    assert called
    assert {one.__qualname__ for one in threads} == set()


async def test_without_a_token_every_route_says_sign_in(house: House) -> None:
    import httpx

    async with httpx.AsyncClient(base_url=house.api, trust_env=False, verify=PLAIN) as anonymous:
        for method, path, _ in operations():
            if path not in OPEN:
                address = path.replace("{job_id}", str(uuid.uuid4()))
                answer = await anonymous.request(method, address, params={"name": "x.txt"})
                assert answer.status_code == 401, (method, path)
                wanted = "session_required" if path.startswith("/portal/") else "invalid_token"
                assert answer.json()["error"]["code"] == wanted, (method, path)


if __name__ == "__main__":
    SNAPSHOT.write_text(rendered())
