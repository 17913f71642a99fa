"""What is under way: codes to redeem, devices that wait, refresh tokens. In memory; a restart forgets them."""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import TypeVar

from app.local.entra.errors import invalid_grant
from app.local.entra.keys import encode
from app.local.entra.people import Person

_Kept = TypeVar("_Kept")
_CODE_SECONDS = 600.0
_DEVICE_SECONDS = 900.0
_MOST_KEPT = 10_000
_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


@dataclass(frozen=True)
class Code:
    """An authorization code that waits to be redeemed."""

    person: Person
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str
    nonce: str | None
    era: int
    until: float = field(default_factory=lambda: time.monotonic() + _CODE_SECONDS)


@dataclass
class Device:
    """A device that waits for somebody to sign in elsewhere."""

    client_id: str
    segment: str
    scopes: tuple[str, ...]
    user_code: str
    person: Person | None = None
    until: float = field(default_factory=lambda: time.monotonic() + _DEVICE_SECONDS)

    @property
    def lifetime_seconds(self) -> int:
        """How long the user code is good from now on."""
        return max(0, int(self.until - time.monotonic()))


@dataclass(frozen=True)
class Refresh:
    """What a refresh token stands for."""

    person: Person
    client_id: str
    scopes: tuple[str, ...]
    era: int
    """Of the sign-in that it renews."""


class SignIns:
    """Sign-ins that have begun or that can be renewed."""

    def __init__(self) -> None:
        self._codes: dict[str, Code | None] = {}
        self._devices: dict[str, Device] = {}
        self._refresh: dict[str, Refresh] = {}

    def add_code(self, code: Code) -> str:
        """Remember a code; gives its secret name."""
        return _add(self._codes, code)

    def redeem(self, name: str, *, client_id: str, redirect_uri: str, verifier: str) -> Code:
        """Take a code, once. Raises: `Refused`."""
        if name not in self._codes:
            raise invalid_grant(70000, "The provided authorization code is malformed or unknown.")
        code = self._codes[name]
        if code is None:
            raise invalid_grant(54005, "OAuth2 authorization code was already redeemed.")
        if code.client_id != client_id:
            raise invalid_grant(700005, "The code was issued to another application.")
        self._codes[name] = None
        if code.until < time.monotonic():
            raise invalid_grant(70008, "The provided authorization code has expired.")
        if code.redirect_uri != redirect_uri:
            raise invalid_grant(500112, "The reply address does not match the one of the code request.")
        challenge = encode(hashlib.sha256(verifier.encode()).digest())
        if not hmac.compare_digest(challenge, code.challenge):
            raise invalid_grant(501481, "The code_verifier does not match the code_challenge.")
        return code

    def add_device(self, *, client_id: str, segment: str, scopes: tuple[str, ...]) -> tuple[str, Device]:
        """Begin a device flow; gives (device code, the device)."""
        user_code = "".join(secrets.choice(_CODE_LETTERS) for _ in range(9))
        device = Device(client_id, segment, scopes, user_code)
        return _add(self._devices, device), device

    def waiting(self, user_code: str) -> Device | None:
        """The device that shows this code, while it waits."""
        return next(
            (
                one
                for one in self._devices.values()
                if one.user_code == user_code.strip().upper() and one.person is None and one.lifetime_seconds
            ),
            None,
        )

    def device(self, name: str, *, client_id: str) -> Device:
        """The device behind a device code. Raises: `Refused`."""
        device = self._devices.get(name)
        if device is None or device.client_id != client_id:
            raise invalid_grant(70000, "The device code is unknown or was issued to another application.")
        return device

    def forget_device(self, name: str) -> None:
        """A device code is good for one sign-in."""
        self._devices.pop(name, None)

    def add_refresh(self, refresh: Refresh) -> str:
        """A refresh token."""
        return _add(self._refresh, refresh)

    def refresh(self, name: str, *, client_id: str) -> Refresh:
        """What a refresh token stands for; it stays good, as Entra's does. Raises: `Refused`."""
        known = self._refresh.get(name)
        if known is None:
            raise invalid_grant(70000, "The refresh token is malformed, revoked or unknown.")
        if known.client_id != client_id:
            raise invalid_grant(700005, "The refresh token was issued to another application.")
        return known


def is_challenge(text: str) -> bool:
    """Whether this is base64url of a SHA-256, as `S256` makes it."""
    try:
        return len(base64.urlsafe_b64decode(f"{text}=")) == 32 and len(text) == 43
    except (ValueError, binascii.Error):
        return False


def _add(kept: dict[str, _Kept], value: _Kept) -> str:
    while len(kept) >= _MOST_KEPT:
        del kept[next(iter(kept))]
    name = secrets.token_urlsafe(48)
    kept[name] = value
    return name
