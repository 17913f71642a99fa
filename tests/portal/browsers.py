"""A browser at the portal: keeps cookies as Chromium does on localhost, follows a sign-in step by step."""

from dataclasses import dataclass
from http.cookiejar import Cookie
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx

from app.http.browsers import HEADER, SESSION_COOKIE
from app.http.services import Services
from tests.entra import ADA, RunningEntra
from tests.local.entra_clients import browser_of
from tests.trust import PLAIN

SIGN_IN = "/portal/v1/sign-in"


@dataclass
class Door:
    """Where the portal is, and Entra."""

    origin: str
    entra: RunningEntra

    def browser(self) -> "Browser":
        """A fresh one."""
        return Browser(self)


@dataclass
class Portal(Door):
    """The API in this process, with its services."""

    services: Services

    def move_clock(self, seconds: float) -> None:
        """Let so much time go by for sessions."""
        before = self.services.sessions.clock
        self.services.sessions.clock = lambda: before() + seconds


class Browser:
    """An HTTP client with cookies of its own."""

    def __init__(self, portal: Door) -> None:
        self.portal = portal
        self.planted: dict[str, str] = {}
        """Cookies that somebody else has put into the browser; the portal's own replace them."""
        self.http = httpx.AsyncClient(
            base_url=portal.origin,
            trust_env=False,
            verify=PLAIN,
            timeout=20.0,
            event_hooks={"request": [self._add_cookies]},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def _add_cookies(self, request: httpx.Request) -> None:
        # Secure cookies go to http://localhost, too, as in Chromium and Firefox; httpx would keep them back.
        held = self.planted | {one.name: one.value or "" for one in self.http.cookies.jar}
        if held:
            request.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in held.items())

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.get(f"/portal/v1{path}", **options)

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A change as the portal's own pages send it."""
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": self.portal.origin, HEADER: "1"}
        headers |= options.pop("headers", {})
        return await self.http.request(method, f"/portal/v1{path}", headers=headers, **options)

    async def begin(self, login: str = ADA, **query: str) -> str:
        """Start a sign-in; gives the address at Entra."""
        answer = await self.http.get(SIGN_IN, params={"login_hint": login, **query})
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def at_entra(self, place: str) -> dict[str, str]:
        """What Entra sends back for the address."""
        with browser_of(self.portal.entra) as client:
            location = client.get(place).headers["location"]
        return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    async def come_back(self, answer: dict[str, str]) -> httpx.Response:
        """Open the callback with Entra's answer."""
        return await self.http.get(f"{SIGN_IN}/callback", params=answer)

    async def sign_in(self, login: str = ADA, **query: str) -> httpx.Response:
        """All of it; gives the callback's answer."""
        return await self.come_back(self.at_entra(await self.begin(login, **query)))

    @property
    def session(self) -> str | None:
        """The session cookie's value."""
        return self.http.cookies.get(SESSION_COOKIE)

    def cookie(self, name: str) -> Cookie:
        """A cookie with its attributes."""
        return next(one for one in self.http.cookies.jar if one.name == name)


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and error code."""
    return answer.status_code, answer.json()["error"]["code"]
