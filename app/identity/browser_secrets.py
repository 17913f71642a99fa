"""Secrets that only a browser holds, and what we keep for it sealed under them.

Redis sees a digest and ciphertext: whoever reads it can neither act as a session nor read one.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_BYTES = 32
_NONCE_BYTES = 12
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class BrowserSecret:
    """256 random bits, as base64url in a cookie."""

    value: str = field(repr=False)

    @classmethod
    def new(cls) -> "BrowserSecret":
        """One that nobody has seen yet."""
        return cls(secrets.token_urlsafe(_BYTES))

    @classmethod
    def read(cls, cookie: str | None) -> "BrowserSecret | None":
        """What a cookie holds, if it has the form of one of ours."""
        return cls(cookie) if cookie is not None and _FORM.fullmatch(cookie) else None

    def digest(self) -> str:
        """A name that says nothing about the secret."""
        return hashlib.sha256(b"name|" + self.value.encode()).hexdigest()

    def seal(self, purpose: str, plaintext: bytes) -> bytes:
        """Encrypt for whoever brings the secret again, for this purpose only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._key()).encrypt(nonce, plaintext, purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes | None:
        """What was sealed under this secret for this purpose, or None if that is something else."""
        try:
            return AESGCM(self._key()).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError):
            return None

    def _key(self) -> bytes:
        # The secret is uniform already, so one keyed hash separates key from name.
        return hmac.digest(self.value.encode(), b"key", hashlib.sha256)
