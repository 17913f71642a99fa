"""What only browsers need: our cookies, and the proof that a change comes from our own pages.

`__Host-` cookies are Secure, for this host and all its paths, and no other host can set them. Chromium and
Firefox also take them from http://localhost; Safari does not, so development needs one of the others.
"""

from fastapi import Request, Response

from app.identity.browser_secrets import BrowserSecret
from app.identity.errors import CrossSite

SESSION_COOKIE = "__Host-switchboard-session"
FLOW_COOKIE = "__Host-switchboard-sign-in"
HEADER = "X-Switchboard-Portal"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def check_same_origin(request: Request, origin: str) -> None:
    """Refuse a change that another site could make the browser send.

    Another site can send neither our header (the browser would ask us first, and we allow no origin) nor
    a same-origin `Sec-Fetch-Site`. Old browsers without that send `Origin`. Whatever is there must agree.
    Raises: `CrossSite`. Source: OWASP, "Cross-Site Request Forgery Prevention", fetch metadata.
    """
    if request.method in _SAFE:
        return
    site, sent_from = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    proven = site is not None or sent_from is not None
    agrees = site in {None, "same-origin"} and sent_from in {None, origin}
    if not proven or not agrees or request.headers.get(HEADER) != "1":
        raise CrossSite


def set_cookie(response: Response, name: str, secret: BrowserSecret, *, seconds: int | None = None) -> None:
    """Give the browser a secret to keep, until it is closed or for so long."""
    response.set_cookie(
        name, secret.value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax"
    )


def clear_cookie(response: Response, name: str) -> None:
    """Take a secret back."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def address(request: Request) -> str:
    """Where a request comes from, as the server sees it."""
    return "" if request.client is None else request.client.host
