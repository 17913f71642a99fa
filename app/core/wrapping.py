"""What wraps tenants' data keys: a vault in production, a file of this machine in development."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from app.core.errors import TemporarilyUnavailable


@dataclass(frozen=True)
class WrappedKey:
    """A data key as it is stored: `name` is the version of the key-encryption key that wraps it."""

    name: str
    wrapped: bytes = field(repr=False)


class KeysUnavailable(TemporarilyUnavailable):
    """Whatever unwraps data keys is away or refuses: nothing can be opened or sealed meanwhile.

    `reason` is for operators and the log; members are told only that it will pass.
    """

    code = "keys_unavailable"
    title = "Keys are not available"

    def __init__(self, reason: str, *, retry_after_seconds: float = 5.0) -> None:
        super().__init__(
            "The keys of your content cannot be reached just now; send the request again."
            " Nothing of it was kept.",
            retry_after_seconds=retry_after_seconds,
        )
        self.reason = reason


class WrappingKeys(Protocol):
    """Versions of one key-encryption key: the newest wraps, all unwrap."""

    async def newest(self) -> str:
        """The name of the version that wraps. Raises: `KeysUnavailable`."""

    async def wrap(self, tenant_id: UUID, version: int, data_key: bytes) -> WrappedKey:
        """Wrap a tenant's data key of this version. Raises: `KeysUnavailable`."""

    async def unwrap(self, tenant_id: UUID, version: int, wrapped: WrappedKey) -> bytes:
        """The data key; only for the tenant and version it was wrapped for.

        Raises: `KeysUnavailable`, `SealBroken` when it does not unwrap.
        """

    async def close(self) -> None:
        """Close what is open."""
