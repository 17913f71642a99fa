"""What is left of an erased person's identity: enough to know them when they come back, and nothing else.

A keyed hash of Entra's object id under the tenant's first data key. It is the same for as long as the tenant is,
whatever is rotated, says nothing to whoever has the rows without that key, and goes with the key when the
tenant is erased.
"""

from uuid import UUID

from app.core.crypto import Sealer

_PURPOSE = "erased member"
_BYTES = 16


def tombstone(sealer: Sealer, entra_object_id: UUID) -> UUID:
    """The person's tombstone in the sealer's tenant. Raises: `SealBroken` without the tenant's first key."""
    return UUID(bytes=sealer.digest(_PURPOSE, entra_object_id.bytes)[:_BYTES], version=5)
