"""Sealing of content: AES-256-GCM under a tenant's data key, itself wrapped by a key-encryption key.

Envelope: version (1 byte) | data key version (4 bytes, big endian) | nonce (12) | ciphertext and tag.
The place of a value (tenant, table, row, column, key version) is the additional data, so a sealed
value moved to another row or column does not open.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.core.errors import AppError
from app.core.logging import get_logger

_log = get_logger(__name__)
FORMAT = b"\x01"
KEY_BYTES = 32
FIRST_VERSION = 1
"""Of every tenant's data key. Versions are added and, but for an erasure, none is removed."""
NONCE_BYTES = 12
_HEAD_BYTES = 5
_MOST_TOLD = 10_000


class Sealed(bytes):
    """Sealed bytes; only `Sealer.seal` makes them."""


class SealBroken(AppError):
    """A sealed value does not open: its key is gone, or it was moved or changed. Asking again changes nothing."""

    status = 500
    code = "content_unreadable"
    title = "Content cannot be read"

    def __init__(self, message: str = "") -> None:
        super().__init__(
            message
            or "This content was kept, but its seal does not open any more: send the document again,"
            " and give the request-id to your operator."
        )


@dataclass(frozen=True)
class Place:
    """Where a sealed value lives."""

    table: str
    row: UUID | str
    column: str


@dataclass(frozen=True)
class Sealer:
    """Seals and opens one tenant's content. `keys` are its data keys by version.

    `seals_with` is the version that seals, by default the newest: a version that has just been made only
    opens, until every process knows it.
    """

    tenant_id: UUID
    keys: Mapping[int, bytes] = field(repr=False)
    seals_with: int | None = None

    def seal(self, place: Place, plaintext: bytes) -> Sealed:
        """Encrypt `plaintext` for `place`."""
        version = max(self.keys) if self.seals_with is None else self.seals_with
        nonce = secrets.token_bytes(NONCE_BYTES)
        ciphertext = AESGCM(self.keys[version]).encrypt(nonce, plaintext, self._context(place, version))
        return Sealed(head(version) + nonce + ciphertext)

    def knows(self, sealed: bytes) -> bool:
        """Whether the data key that sealed a value is here; it may have been made after us."""
        return version_of(sealed) in self.keys

    def open(self, place: Place, sealed: bytes) -> bytes:
        """Decrypt what `seal` made for the same place. Raises: `SealBroken`, after saying so in the log."""
        try:
            return self.try_open(place, sealed)
        except SealBroken:
            _tell_once(self.tenant_id, place, version_of(sealed))
            raise

    def try_open(self, place: Place, sealed: bytes) -> bytes:
        """As `open`, for whoever looks for broken seals and tells of them itself. Raises: `SealBroken`."""
        version = version_of(sealed)
        key = None if version is None else self.keys.get(version)
        if version is None or key is None:
            raise SealBroken
        nonce, ciphertext = sealed[_HEAD_BYTES:][:NONCE_BYTES], sealed[_HEAD_BYTES + NONCE_BYTES :]
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, self._context(place, version))
        except (InvalidTag, ValueError) as error:
            # ValueError: cut so short that it holds no whole nonce.
            raise SealBroken from error

    def digest(self, purpose: str, content: bytes) -> bytes:
        """A keyed hash under the tenant's first key, so that it is stable and says nothing outside.

        Raises: `SealBroken` when that key does not open: under another one, the same would be something else.
        """
        hasher = self.hasher(purpose)
        hasher.update(content)
        return hasher.digest()

    def hasher(self, purpose: str) -> hmac.HMAC:
        """What `digest` gives, for content that comes piece by piece. Raises: `SealBroken`."""
        first = self.keys.get(FIRST_VERSION)
        if first is None:
            raise SealBroken(
                "The first key of your organisation does not open, so nothing new can be taken; give the"
                " request-id to your operator."
            )
        return hmac.new(hmac.digest(first, purpose.encode(), hashlib.sha256), digestmod=hashlib.sha256)

    def _context(self, place: Place, version: int) -> bytes:
        return f"{self.tenant_id}|{place.table}|{place.row}|{place.column}|{version}".encode()


def head(version: int) -> bytes:
    """How every value sealed with this version of a data key begins."""
    return FORMAT + version.to_bytes(_HEAD_BYTES - 1, "big")


def version_of(sealed: bytes) -> int | None:
    """The version of the data key that sealed a value; None if it is no sealed value."""
    if len(sealed) < _HEAD_BYTES or sealed[:1] != FORMAT:
        return None
    return int.from_bytes(sealed[1:_HEAD_BYTES], "big")


_told: OrderedDict[tuple[UUID, Place, int | None], None] = OrderedDict()


def _tell_once(tenant_id: UUID, place: Place, version: int | None) -> None:
    """One line a process for each value: a client that asks again and again must not fill the log."""
    known = (tenant_id, place, version)
    if known in _told:
        return
    _told[known] = None
    while len(_told) > _MOST_TOLD:
        _told.popitem(last=False)
    _log.error(
        "content unreadable",
        tenant_id=str(tenant_id),
        table=place.table,
        row=str(place.row),
        column=place.column,
        key_version=version,
    )
