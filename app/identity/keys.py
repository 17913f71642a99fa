"""The issuer's signing keys: one cache for all tenants, refreshed in the background.

Unknown key ids refetch at most every five minutes after a fetch that succeeded; after one that failed
the wait is 1 to 30 seconds, and callers learn that it is we who cannot answer (503), not they (401).
"""

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.core.logging import get_logger
from app.identity.errors import InvalidToken, KeysUnavailable

_log = get_logger(__name__)
_REFRESH_SECONDS = 3600.0
_LIFETIME_SECONDS = 86_400.0
_UNKNOWN_KEY_SECONDS = 300.0
_FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 1.0, 30.0
_MOST_DOUBLINGS = 5
_LARGEST_ANSWER = 1_000_000
_SMALLEST_KEY_BITS = 2048
_FETCH_SECONDS = 10.0
# What a broken issuer can make the download raise; anything else is a bug.
_NOT_FETCHED = (
    httpx.HTTPError,
    httpx.InvalidURL,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    jwt.PyJWTError,
)


@dataclass(frozen=True)
class SigningKey:
    """A public key, and the template of the issuer that may sign with it."""

    key: Any
    issuer: str


class SigningKeys:
    """Keys of `{authority}/organizations`. Give it a loop by `start`; `get` works without it as well."""

    def __init__(
        self, authority: str, *, ca: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._authority = authority.rstrip("/")
        self._clock = clock
        self._http = httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=str(ca)) if ca is not None else True,
            trust_env=False,
            timeout=5.0,
            follow_redirects=False,
        )
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at: float | None = None
        self._not_before = 0.0
        self._failures = 0
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Refresh hourly on the running loop."""
        self._task = asyncio.create_task(self._refresh_forever(), name="signing-keys")

    async def close(self) -> None:
        """Stop refreshing and close the client."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._http.aclose()

    async def get(self, kid: str) -> SigningKey:
        """The key of an id. Raises: `InvalidToken` if the issuer has none, `KeysUnavailable`."""
        found = self._known(kid)
        if found is not None:
            return found
        async with self._lock:
            found = self._known(kid)
            if found is None and self._clock() >= self._not_before:
                await self._fetch()
                found = self._known(kid)
        if found is not None:
            return found
        if self._failures or self._fetched_at is None:
            raise KeysUnavailable(max(1.0, self._not_before - self._clock()))
        raise InvalidToken("unknown_key")

    def _known(self, kid: str) -> SigningKey | None:
        expired = self._fetched_at is None or self._clock() - self._fetched_at > _LIFETIME_SECONDS
        return None if expired else self._keys.get(kid)

    async def _fetch(self) -> None:
        """Replace the keys; on a failure keep the last ones and come back later."""
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                keys = await self._download()
        except _NOT_FETCHED as error:
            self._failures += 1
            doublings = min(self._failures - 1, _MOST_DOUBLINGS)
            wait = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2**doublings)
            self._not_before = self._clock() + wait
            _log.info("signing keys not fetched", reason=type(error).__name__, again_in_seconds=wait)
            return
        self._keys, self._failures = keys, 0
        self._fetched_at = self._clock()
        self._not_before = self._fetched_at + _UNKNOWN_KEY_SECONDS

    async def _download(self) -> dict[str, SigningKey]:
        configuration = await self._json(
            f"{self._authority}/organizations/v2.0/.well-known/openid-configuration"
        )
        address = configuration["jwks_uri"]
        if not isinstance(address, str) or not address.startswith(f"{self._authority}/"):
            raise ValueError("the keys are not under the authority")
        keys = {}
        for one in (await self._json(address))["keys"]:
            # One key that we cannot read must not take away the others.
            with contextlib.suppress(jwt.PyJWTError, ValueError, TypeError, AttributeError):
                key = _read_key(one)
                if key is not None:
                    keys[one["kid"]] = key
        if not keys:
            raise ValueError("the issuer has no keys")
        return keys

    async def _json(self, address: str) -> dict[str, Any]:
        body = bytearray()
        async with self._http.stream("GET", address) as answer:
            # A redirect is not followed, and not an answer either.
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > _LARGEST_ANSWER:
                    raise ValueError("the answer is too large")
        value: dict[str, Any] = json.loads(body)
        return value

    async def _refresh_forever(self) -> None:
        while True:
            async with self._lock:
                await self._fetch()
            wait = self._not_before - self._clock() if self._failures else _REFRESH_SECONDS
            await asyncio.sleep(max(0.1, wait))


def _read_key(one: Any) -> SigningKey | None:
    """A published key that may sign tokens. Raises: as PyJWT does on one that cannot be read."""
    if one.get("kty") != "RSA" or one.get("use", "sig") != "sig" or not isinstance(one.get("kid"), str):
        return None
    key = jwt.PyJWK(one, "RS256").key
    # A private key among the public ones, or one that can be factored, is a mistake of theirs.
    if not isinstance(key, RSAPublicKey) or key.key_size < _SMALLEST_KEY_BITS:
        return None
    return SigningKey(key, str(one.get("issuer", "")))
