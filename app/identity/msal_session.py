"""What MSAL talks through: nothing of the machine's environment, bounded waits, no cookies, few discoveries."""

import time
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

_TIMEOUT_SECONDS = 10.0
_DISCOVERY = "/.well-known/openid-configuration"
_DISCOVERY_SECONDS = 3600.0
_MOST_DISCOVERIES = 5000


class MsalSession(requests.Session):
    """A `requests.Session` without proxy, certificate or password of the environment; shared by threads."""

    def __init__(self, ca: Path | None = None, *, connections: int = 10) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = str(ca) if ca is not None else True
        # What Entra remembers of one person's request must not go along with another's.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.mount("https://", HTTPAdapter(pool_connections=4, pool_maxsize=connections))
        self._discovered: dict[str, tuple[float, requests.Response]] = {}

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send; MSAL itself sets no timeout, and each of its clients asks anew where the addresses are."""
        options["timeout"] = options.get("timeout") or _TIMEOUT_SECONDS
        url = request.url or ""
        if request.method != "GET" or not url.endswith(_DISCOVERY):
            return super().send(request, **options)
        until, known = self._discovered.get(url, (0.0, None))
        if known is not None and time.monotonic() < until:
            return known
        answer = super().send(request, **options)
        if answer.status_code == requests.codes.ok:
            if len(self._discovered) >= _MOST_DISCOVERIES:
                self._discovered.clear()
            self._discovered[url] = (time.monotonic() + _DISCOVERY_SECONDS, answer)
        return answer
