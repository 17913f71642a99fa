"""A world to ask in: what everybody shows at the doors, and what each has of their own."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from app.http.browsers import HEADER, SESSION_COOKIE
from tests.conftest import TestDatabase
from tests.isolation.actors import PEOPLE, Actor, Kind
from tests.isolation.places import Case, Shape
from tests.portal.browsers import Browser, Portal

CONTENT_CANARY = "quuxwort"
"""Stands in everything that is in a document or a file's name of the owners: for nobody else's eyes."""
TENANT_CANARY = "zwiebelfisch"
"""Stands in what administrators of the owning tenant wrote: for nobody outside of it."""
TEXT = f"The {CONTENT_CANARY} leaves in March. Its desk goes to the harbour. The lease ends in May."


@dataclass
class World:
    """The API, the people's browsers and tokens, and what was made for whom so far."""

    portal: Portal
    database: TestDatabase
    http: httpx.AsyncClient
    browsers: dict[Actor, Browser] = field(default_factory=dict)
    kept: dict[tuple[Actor, str], str] = field(default_factory=dict)
    """What an actor has of its own, by what it is: made once."""
    tokens: dict[Actor, str] = field(default_factory=dict)
    members: dict[Actor, str] = field(default_factory=dict)
    """Ids of member rows."""
    tenants: dict[str, str] = field(default_factory=dict)
    """Ids of customers, by domain."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(self.http.aclose(), *(one.http.aclose() for one in self.browsers.values()))

    async def browser(self, actor: Actor) -> Browser:
        """The actor's browser, signed in at the portal when it is first asked for."""
        if actor not in self.browsers:
            self.browsers[actor] = browser = self.portal.browser()
            answer = await browser.sign_in(actor.name)
            assert answer.status_code == 302, answer.text
        return self.browsers[actor]

    async def sign_everybody_in(self) -> None:
        """So that nobody's first visit changes anything later."""
        for actor in PEOPLE:
            await self.browser(actor)

    def token(self, actor: Actor) -> str:
        """The actor's access token."""
        if actor not in self.tokens:
            entra = self.portal.entra
            self.tokens[actor] = (
                entra.token(actor.name)
                if actor.kind is Kind.PERSON
                else entra.application_token(actor.tenant, azp=actor.name)
            )
        return self.tokens[actor]

    async def send(self, actor: Actor, method: str, path: str, shape: Shape | None = None) -> httpx.Response:
        """A request with the best that the actor has for that door: a cookie at the portal, else a token."""
        shape = shape or Shape()
        headers = dict(shape.headers)
        if path.startswith("/portal/") and actor.kind is Kind.PERSON:
            headers |= {"Sec-Fetch-Site": "same-origin", "Origin": self.portal.origin, HEADER: "1"}
            headers["Cookie"] = f"{SESSION_COOKIE}={(await self.browser(actor)).session}"
        elif actor.kind is not Kind.NOBODY:
            headers["Authorization"] = f"Bearer {self.token(actor)}"
        return await self.http.request(
            method, path, params=shape.query, headers=headers, json=shape.body, content=shape.content
        )

    async def made(self, actor: Actor, method: str, path: str, shape: Shape | None = None) -> dict[str, Any]:
        """The answer to a request that succeeds."""
        answer = await self.send(actor, method, path, shape)
        assert answer.is_success, f"{actor}: {method} {path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    async def ask(self, case: Case, shape: Shape, value: str | None, *, by: Actor) -> httpx.Response:
        """The request of a case, with a value in its place."""
        method, path = case.operation.split(" ")
        if value is not None:
            shape = put(shape, case.where, value)
        for name, one in shape.path.items():
            path = path.replace(f"{{{name}}}", one)
        assert "{" not in path, (case.operation, path)
        return await self.send(by, method, path, shape)


def put(shape: Shape, where: str, value: str) -> Shape:
    """The request with a value in a place; an array keeps what it has."""
    kind, _, name = where.partition(" ")
    parts = {"path": shape.path, "query": shape.query, "headers": shape.headers, "body": shape.body}
    if kind == "body":
        parts["body"] = _put_in(dict(shape.body or {}), name.split("."), value)
    else:
        key = "headers" if kind == "header" else kind
        parts[key] = {**(parts[key] or {}), name: value}
    return Shape(content=shape.content, **parts)  # type: ignore[arg-type]  # by name, as they came


def _put_in(body: Mapping[str, Any], names: list[str], value: str) -> dict[str, Any]:
    first, *rest = names
    if rest and first.endswith("[]"):
        # In the last object of the array.
        first = first.removesuffix("[]")
        *before, last = body.get(first) or [{}]
        return {**body, first: [*before, _put_in(dict(last), rest, value)]}
    if rest:
        return {**body, first: _put_in(dict(body.get(first, {})), rest, value)}
    if first.endswith("[]"):
        first = first.removesuffix("[]")
        return {**body, first: [*body.get(first, []), value]}
    return {**body, first: value}
