"""Addresses from which nobody signs in: refused before any work on their tokens, without asking anybody.

Only refused tokens count, because a whole office may share one address; and whoever was let in before with
the same token is let in still, so that one broken client does not lock out its colleagues. Each process
counts for itself: this protects its processor, not a secret.

What is refused at one door counts at no other, so that an add-in that is broken does not keep its office out
of the portal. Sign-ins that are begun there count by themselves: each leaves something in Redis for ten minutes.
"""

import hashlib
import ipaddress
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto

from app.core.errors import Throttled
from app.http.sliding import SlidingCounts, Subject

_WINDOW_SECONDS = 60
_PARTS = 6
"""Coarse, because there may be very many addresses."""
_MOST_ADDRESSES = 50_000
_MOST_TOKENS = 20_000
_NETWORK_BITS = 64
"""What one subscriber of IPv6 usually has. Source: RFC 6177."""


class TooManySignIns(Throttled):
    """Too many tokens from this address were not valid."""

    code = "too_many_sign_ins"
    title = "Too many attempts"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            f"Too many requests from your address came without a valid token;"
            f" sign in and try again in {retry_after_seconds} seconds.",
            retry_after_seconds=retry_after_seconds,
        )


class TooManyStarts(Throttled):
    """Too many sign-ins were begun from this address."""

    code = "too_many_sign_ins"
    title = "Too many attempts"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            f"Too many sign-ins were begun from your address; try again in {retry_after_seconds} seconds.",
            retry_after_seconds=retry_after_seconds,
        )


class Door(Enum):
    """Where somebody proves who they are, and by what."""

    TOKEN = auto()
    """By an access token of Entra: the doors of people's and programs' API."""
    SESSION = auto()
    """By the cookie of a session of the portal."""
    SIGN_IN = auto()
    """By what Entra sends a browser back with."""


class SignInLimits:
    """Counts refused proofs, and sign-ins begun, by address, in any minute, in bounded memory."""

    def __init__(
        self, most: int, *, most_starts: int = 120, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._most_starts = most_starts
        self._clock = clock
        self._refused = SlidingCounts(most=_MOST_ADDRESSES, parts=_PARTS)
        self._begun = SlidingCounts(most=_MOST_ADDRESSES, parts=_PARTS)
        self._believed: OrderedDict[bytes, None] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def check(self, door: Door, address: str, token: str | None) -> None:
        """Refuse an address that has used up its attempts at a door. Raises: `TooManySignIns`."""
        found = self._refused.count(self._at(door, address), self._clock())
        if found.used < self._most:
            return
        if token is None or self._digest(token) not in self._believed:
            raise TooManySignIns(math.ceil(found.frees_in))

    def begin(self, address: str) -> None:
        """Count a sign-in that is about to begin. Raises: `TooManyStarts`."""
        subject = Subject(network(address), self._most_starts, _WINDOW_SECONDS)
        (found,) = self._begun.admit([subject], self._clock())
        if found.used > self._most_starts:
            raise TooManyStarts(math.ceil(found.frees_in))

    def refused(self, door: Door, address: str) -> None:
        """Count a token that was not believed."""
        self._refused.add(self._at(door, address), self._clock())

    def believed(self, token: str) -> None:
        """Remember, by a keyed digest, a token that was believed."""
        digest = self._digest(token)
        self._believed[digest] = None
        self._believed.move_to_end(digest)
        if len(self._believed) > _MOST_TOKENS:
            self._believed.popitem(last=False)

    def _at(self, door: Door, address: str) -> Subject:
        return Subject(f"{door.name} {network(address)}", self._most, _WINDOW_SECONDS)

    def _digest(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode("utf-8", "replace"), key=self._key, digest_size=16).digest()


def network(address: str) -> str:
    """Who is counted together: an IPv4 address, the /64 of an IPv6 address, everybody without one."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, _NETWORK_BITS), strict=False))
