"""Sealing of content: AES-256-GCM under a tenant's data key, itself wrapped by a key-encryption key.

Envelope: version (1 byte) | data key version (4 bytes, big endian) | nonce (12) | ciphertext and tag.
The place of a value (tenant, table, row, column, key version) is the additional data, so a sealed
value moved to another row or column does not open.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32


class Sealed(bytes):
    """Sealed bytes; only `Sealer.seal` makes them."""


class SealBroken(Exception):
    """A sealed value does not open: wrong key, moved or changed."""


@dataclass(frozen=True)
class Place:
    """Where a sealed value lives."""

    table: str
    row: UUID | str
    column: str


@dataclass(frozen=True)
class Sealer:
    """Seals and opens one tenant's content. `keys` are its data keys by version; the newest seals."""

    tenant_id: UUID
    keys: Mapping[int, bytes] = field(repr=False)

    def seal(self, place: Place, plaintext: bytes) -> Sealed:
        """Encrypt `plaintext` for `place`."""
        version = max(self.keys)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        ciphertext = AESGCM(self.keys[version]).encrypt(nonce, plaintext, self._context(place, version))
        return Sealed(_FORMAT + version.to_bytes(4, "big") + nonce + ciphertext)

    def open(self, place: Place, sealed: bytes) -> bytes:
        """Decrypt what `seal` made for the same place. Raises: `SealBroken`."""
        version = int.from_bytes(sealed[1:5], "big")
        key = self.keys.get(version)
        if sealed[:1] != _FORMAT or key is None:
            raise SealBroken(f"sealed value of {place.table}.{place.column}: unknown key version")
        nonce, ciphertext = sealed[5 : 5 + _NONCE_BYTES], sealed[5 + _NONCE_BYTES :]
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, self._context(place, version))
        except InvalidTag as error:
            raise SealBroken(f"sealed value of {place.table}.{place.column} does not open") from error

    def digest(self, purpose: str, content: bytes) -> bytes:
        """A keyed hash under the tenant's oldest key, so that it is stable and says nothing outside."""
        key = hmac.digest(self.keys[min(self.keys)], purpose.encode(), hashlib.sha256)
        return hmac.digest(key, content, hashlib.sha256)

    def _context(self, place: Place, version: int) -> bytes:
        return f"{self.tenant_id}|{place.table}|{place.row}|{place.column}|{version}".encode()


class LocalKeyring:
    """Key-encryption keys in a file of this machine (development). Newest key wraps; all unwrap."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)
        self.current = next(reversed(self._keys))

    @classmethod
    def create(cls, path: Path) -> None:
        """Write a new keyring that only its owner can read, unless one is there."""
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return
        with os.fdopen(handle, "w") as file:
            json.dump({"local-1": base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}, file)

    @classmethod
    def load(cls, path: Path) -> "LocalKeyring":
        """Read a keyring. Raises: `SealBroken` if others can read it or it is not one."""
        if path.stat().st_mode & 0o077:
            raise SealBroken(f"the keyring {path} can be read by others: chmod 600 it")
        try:
            keys = {
                name: base64.b64decode(key, validate=True)
                for name, key in json.loads(path.read_text()).items()
            }
        except (ValueError, AttributeError) as error:
            raise SealBroken(f"the keyring {path} is damaged: restore it from a backup") from error
        if not keys or any(len(key) != _KEY_BYTES for key in keys.values()):
            raise SealBroken(f"the keyring {path} holds no usable key")
        return cls(keys)

    def new_data_key(self, tenant_id: UUID) -> tuple[str, bytes]:
        """A fresh data key, wrapped: (name of the wrapping key, wrapped key)."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        wrapped = AESGCM(self._keys[self.current]).encrypt(
            nonce, secrets.token_bytes(_KEY_BYTES), tenant_id.bytes
        )
        return self.current, nonce + wrapped

    def unwrap(self, tenant_id: UUID, name: str, wrapped: bytes) -> bytes:
        """The data key. Raises: `SealBroken`."""
        try:
            return AESGCM(self._keys[name]).decrypt(
                wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], tenant_id.bytes
            )
        except (KeyError, InvalidTag) as error:
            raise SealBroken(f"data key of tenant {tenant_id} does not unwrap with {name}") from error
