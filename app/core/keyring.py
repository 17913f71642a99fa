"""Key-encryption keys in a file of this machine: for development, where there is no vault."""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.core.crypto import KEY_BYTES, NONCE_BYTES, SealBroken
from app.core.wrapping import KeysUnavailable, WrappedKey

_PREFIX = "local-"


class LocalKeyring:
    """The keys of a keyring file. The last one wraps, all unwrap; a key added later is found when needed."""

    def __init__(self, keys: Mapping[str, bytes], path: Path | None = None) -> None:
        self._keys = dict(keys)
        self._path = path

    @classmethod
    def create(cls, path: Path) -> None:
        """Write a new keyring that only its owner can read, unless one is there."""
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return
        with os.fdopen(handle, "w") as file:
            json.dump({f"{_PREFIX}1": _encoded(secrets.token_bytes(KEY_BYTES))}, file)

    @classmethod
    def load(cls, path: Path) -> "LocalKeyring":
        """Read a keyring. Raises: `SealBroken` if others can read it or it is not one."""
        return cls(_read(path), path)

    @classmethod
    def add(cls, path: Path) -> str:
        """Add a key, which wraps from now on; gives its name. Raises: `SealBroken`."""
        keys = _read(path)
        name = f"{_PREFIX}{len(keys) + 1}"
        content = {known: _encoded(key) for known, key in keys.items()}
        content[name] = _encoded(secrets.token_bytes(KEY_BYTES))
        scratch = path.with_name(f"{path.name}.new")
        handle = os.open(scratch, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        # In one step: half a keyring would make every tenant's content unreadable.
        scratch.replace(path)
        return name

    async def newest(self) -> str:
        """The name of the key that wraps."""
        self._look_again()
        return next(reversed(self._keys))

    async def wrap(self, tenant_id: UUID, version: int, data_key: bytes) -> WrappedKey:
        """Encrypt a data key for this tenant. `version` is the data key's."""
        name = await self.newest()
        nonce = secrets.token_bytes(NONCE_BYTES)
        wrapped = nonce + AESGCM(self._keys[name]).encrypt(nonce, data_key, _context(tenant_id, version))
        return WrappedKey(name, wrapped)

    async def unwrap(self, tenant_id: UUID, version: int, wrapped: WrappedKey) -> bytes:
        """The data key. Raises: `SealBroken`, `KeysUnavailable` when the keyring lacks the wrapping key."""
        if wrapped.name not in self._keys:
            self._look_again()
        key = self._keys.get(wrapped.name)
        if key is None:
            raise KeysUnavailable(f"the keyring does not hold {wrapped.name}")
        nonce, ciphertext = wrapped.wrapped[:NONCE_BYTES], wrapped.wrapped[NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, _context(tenant_id, version))
        except (InvalidTag, ValueError) as error:
            raise SealBroken from error

    async def close(self) -> None:
        """Nothing is open."""

    def _look_again(self) -> None:
        """Another process may have added a key since."""
        if self._path is not None and self._path.exists():
            self._keys = _read(self._path)


def _context(tenant_id: UUID, version: int) -> bytes:
    # The first version's is the one that keyrings had before there were others.
    return tenant_id.bytes if version == 1 else tenant_id.bytes + version.to_bytes(4, "big")


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _read(path: Path) -> dict[str, bytes]:
    if path.stat().st_mode & 0o077:
        raise SealBroken(f"the keyring {path} can be read by others: chmod 600 it")
    try:
        keys = {
            name: base64.b64decode(key, validate=True) for name, key in json.loads(path.read_text()).items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise SealBroken(f"the keyring {path} is damaged: restore it from a backup") from error
    if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
        raise SealBroken(f"the keyring {path} holds no usable key")
    return keys
