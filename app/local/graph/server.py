"""The addresses of the development Graph, and the controls that tests turn."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.local.entra.consents import Consents
from app.local.entra.freshness import Freshness
from app.local.entra.people import People, Person
from app.local.entra.tokens import Tokens
from app.local.graph.callers import Caller, challenge, read_caller
from app.local.graph.directory import (
    describe,
    matching,
    memberships,
    permission_grants,
    service_principals,
)
from app.local.graph.drives import DOWNLOAD_HOST, Drives, Item, drive_of
from app.local.graph.errors import GraphRefused, denied, not_found

_DOWNLOAD_SECONDS = 3600.0
_MOST_DOWNLOADS = 1000
_READ_FILES = ("Files.Read", "Files.Read.All", "Sites.Read.All")
_READ_GRANTS = ("DelegatedPermissionGrant.Read.All", "Directory.Read.All")


@dataclass(frozen=True)
class _Download:
    item: Item
    until: float


class Graph:
    """An ASGI application. `requests` counts what came, by path; `drives` can be changed."""

    def __init__(self, tokens: Tokens, people: People, consents: Consents, *, freshness: Freshness) -> None:
        self._tokens = tokens
        self._people = people
        self._consents = consents
        self._freshness = freshness
        self.drives = Drives()
        self.requests: Counter[str] = Counter()
        self.downloads: list[Mapping[str, str]] = []
        """The headers of each request for content, in order."""
        self._downloads: dict[str, _Download] = {}
        self._refusals: list[GraphRefused] = []
        self._denied: set[str] = set()
        self._challenged: dict[str, int] = {}
        self._elsewhere: str | None = None
        self._has_detour = False
        self.on_content: Callable[[Item], object] | None = None
        """Called with each item whose content is asked for, before it is given."""
        self._routes = Starlette(
            routes=[
                Route("/v1.0/me", self._me),
                Route("/v1.0/me/memberOf", self._member_of),
                Route("/v1.0/me/transitiveMemberOf", self._member_of),
                Route("/v1.0/me/drive", self._drive),
                Route("/v1.0/drives/{drive}/items/{item}", self._item),
                Route("/v1.0/drives/{drive}/items/{item}/content", self._content),
                Route("/v1.0/drives/{drive}/items/{item}/children", self._children),
                Route("/v1.0/oauth2PermissionGrants", self._grants),
                Route("/v1.0/servicePrincipals", self._principals),
                Route("/download/{name}", self._download),
                Route("/detour/{name}", self._detour),
            ],
            exception_handlers={GraphRefused: _render},
        )

    @property
    def url(self) -> str:
        """What stands for `https://graph.microsoft.com`."""
        return f"{self._tokens.authority}/graph"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self.requests[scope["path"].removeprefix("/graph")] += 1
        await self._routes(scope, receive, send)

    def reset(self) -> None:
        """Forget what was done with the controls."""
        self.drives.clear()
        self.requests.clear()
        self._downloads.clear()
        self._refusals.clear()
        self._denied.clear()
        self._challenged.clear()
        self.downloads.clear()
        self._elsewhere, self._has_detour, self.on_content = None, False, None

    def items(self, login: str) -> list[Item]:
        """What is in somebody's drive; at first the sample memo."""
        return self.drives.items(self._person(login))

    def add(self, login: str, name: str, content: bytes, *, folder: Item | None = None) -> Item:
        """A new file in somebody's drive, in its root or in a folder."""
        folder_id = None if folder is None else folder.id
        return self.drives.add(self._person(login), name, content, folder_id=folder_id)

    def add_folder(self, login: str, name: str, *, folder: Item | None = None) -> Item:
        """A new folder in somebody's drive."""
        folder_id = None if folder is None else folder.id
        return self.drives.add(self._person(login), name, b"", folder_id=folder_id, is_folder=True)

    def share(self, item: Item, login: str) -> Item:
        """Somebody else may read the item, too."""
        known = self.drives.get(item.drive_id, item.id) or item
        reader = self._person(login).object_id
        return self.drives.put(replace(known, readers=known.readers | {reader}))

    def challenge(self, login: str) -> None:
        """Tokens of sign-ins before this moment get 401 with a claims challenge."""
        person = self._person(login)
        self._challenged[person.object_id] = self._freshness.begin_era(person)

    def deny(self, login: str) -> None:
        """Everything of this person gets 403."""
        self._denied.add(self._person(login).object_id)

    def send_elsewhere(self, url: str) -> None:
        """Content is said to be at this address from now on."""
        self._elsewhere = url

    def make_detour(self) -> None:
        """Addresses of content answer with one more redirect from now on."""
        self._has_detour = True

    def refuse_next(
        self, status: int, *, retry_after_seconds: int | None = None, code: str = "", times: int = 1
    ) -> None:
        """The next requests are answered with this status, such as 429 or 503."""
        headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        refusal = GraphRefused(status, code or _CODES.get(status, "generalException"), "Try again later.")
        refusal.headers = headers
        self._refusals += [refusal] * times

    def _person(self, login: str) -> Person:
        found = self._people.find(login)
        if found is None:
            raise KeyError(login)
        return found

    def _caller(self, request: Request) -> Caller:
        if self._refusals:
            raise self._refusals.pop(0)
        caller = read_caller(request.headers.get("authorization"), tokens=self._tokens, people=self._people)
        if caller.person is not None:
            if caller.era < self._challenged.get(caller.person.object_id, 0):
                raise challenge(self._tokens.authority)
            if caller.person.object_id in self._denied:
                raise denied("Access to the resource is denied by a policy.")
        return caller

    async def _me(self, request: Request) -> Response:
        caller = self._caller(request)
        caller.require("User.Read", "Directory.Read.All")
        body = describe(caller.require_person())
        wanted = [one for one in request.query_params.get("$select", "").split(",") if one]
        return JSONResponse({name: body.get(name) for name in wanted} if wanted else body)

    async def _member_of(self, request: Request) -> Response:
        caller = self._caller(request)
        caller.require("User.Read", "GroupMember.Read.All", "Directory.Read.All")
        rows = memberships(caller.require_person())
        asked = request.query_params.get("$top", "100")
        most = min(int(asked), 999) if asked.isdecimal() else 100
        more = (
            {"@odata.nextLink": f"{self.url}{request.url.path}?$skiptoken=more"} if len(rows) > most else {}
        )
        return JSONResponse({"value": rows[:most], **more})

    async def _drive(self, request: Request) -> Response:
        caller = self._caller(request)
        caller.require(*_READ_FILES)
        return JSONResponse({"id": drive_of(caller.require_person()), "driveType": "business"})

    async def _item(self, request: Request) -> Response:
        item = self._readable(request)
        if request.headers.get("if-none-match") == item.etag:
            return Response(status_code=304, headers={"ETag": item.etag})
        body = item.body(url=self.url, download_url=self._download_url(item))
        return JSONResponse(body, headers={"ETag": item.etag})

    async def _content(self, request: Request) -> Response:
        item = self._readable(request)
        if item.is_folder:
            raise GraphRefused(400, "notSupported", "A folder has no content.")
        if request.headers.get("if-none-match") == item.etag:
            return Response(status_code=304, headers={"ETag": item.etag})
        if self.on_content is not None:
            self.on_content(item)
        return RedirectResponse(self._download_url(item), status_code=302)

    async def _children(self, request: Request) -> Response:
        """A page of what is in a folder, and where the next one is. Source: Graph v1.0 reference, List children."""
        drive_id, folder_id = request.path_params["drive"], request.path_params["item"]
        caller = self._caller(request)
        caller.require(*_READ_FILES)
        person = caller.require_person()
        if folder_id == "root" and drive_id == drive_of(person):
            inside = self.drives.children(drive_id, None)
        else:
            folder = self.drives.get(drive_id, folder_id)
            if (
                folder is None
                or not folder.is_folder
                or person.object_id not in {folder.owner_id, *folder.readers}
            ):
                raise not_found()
            inside = self.drives.children(drive_id, folder_id)
        asked, first = request.query_params.get("$top", "200"), request.query_params.get("$skiptoken", "0")
        most, start = min(int(asked), 1000), int(first)
        page = [one.body(url=self.url, download_url="") for one in inside[start : start + most]]
        wanted = request.query_params.get("$select", "").split(",")
        body: dict[str, Any] = {
            "value": [{name: one[name] for name in wanted if name in one} for one in page]
        }
        if len(inside) > start + most:
            following = f"$select={','.join(wanted)}&$top={most}&$skiptoken={start + most}"
            body["@odata.nextLink"] = f"{self.url}{request.url.path.removeprefix('/graph')}?{following}"
        return JSONResponse(body)

    async def _download(self, request: Request) -> Response:
        """Content by an address that is a permission in itself; a token has no business there."""
        self.downloads.append(dict(request.headers))
        if "authorization" in request.headers:
            raise GraphRefused(400, "invalidRequest", "A pre-authenticated address takes no Authorization.")
        known = self._downloads.get(request.path_params["name"])
        if known is None or known.until < time.monotonic():
            raise GraphRefused(401, "unauthenticated", "The download address has expired.")
        return Response(known.item.content, media_type="application/octet-stream")

    async def _detour(self, request: Request) -> Response:
        return RedirectResponse(f"/graph/download/{request.path_params['name']}", status_code=302)

    async def _grants(self, request: Request) -> Response:
        caller = self._caller(request)
        caller.require(*_READ_GRANTS)
        rows = permission_grants(caller.tenant_id, self._tokens.known, self._consents)
        return _listed(request, rows)

    async def _principals(self, request: Request) -> Response:
        caller = self._caller(request)
        caller.require(*_READ_GRANTS, "Application.Read.All")
        return _listed(request, service_principals(caller.tenant_id, self._tokens.known, self._consents))

    def _readable(self, request: Request) -> Item:
        """The item that the address names, if the caller may read it. Raises: `GraphRefused`."""
        caller = self._caller(request)
        caller.require(*_READ_FILES)
        person = caller.require_person()
        self.drives.items(person)
        item = self.drives.get(request.path_params["drive"], request.path_params["item"])
        if item is None or person.object_id not in {item.owner_id, *item.readers}:
            raise not_found()
        return item

    def _download_url(self, item: Item) -> str:
        while len(self._downloads) >= _MOST_DOWNLOADS:
            del self._downloads[next(iter(self._downloads))]
        name = secrets.token_urlsafe(32)
        self._downloads[name] = _Download(item, time.monotonic() + _DOWNLOAD_SECONDS)
        if self._elsewhere is not None:
            return self._elsewhere
        port = self._tokens.authority.rpartition(":")[2]
        way = "detour" if self._has_detour else "download"
        return f"https://{DOWNLOAD_HOST}:{port}/graph/{way}/{name}"


_CODES = {429: "TooManyRequests", 503: "serviceNotAvailable", 403: "accessDenied", 404: "itemNotFound"}


def _listed(request: Request, rows: list[dict[str, Any]]) -> Response:
    return JSONResponse({"value": matching(rows, request.query_params.get("$filter", ""))})


async def _render(_request: Request, error: Any) -> Response:
    response: Response = error.response()
    return response
