"""What keeps a document with the model that began it: the sticky key of a job.

A person's jobs on the same document have the same key, and by it the same draw in a pool (`pools.stickiness`): the
text does not change its model in the middle of an edit. So the key names the file, by its place in Microsoft 365 or
by its name, never by its content, which every edit changes. Jobs on a text that the pane sends itself go by the
person. The person is always part of it, so that no two people's jobs show that they work on the same file; and
it is a digest under the tenant's own key, so that nobody else can tell of which person and which file.
"""

import json
from collections.abc import Iterable
from uuid import UUID

from app.core.crypto import Sealer

_BYTES = 16


def by_item(drive_id: str, item_id: str) -> str:
    """The document that a drive item is, whatever it is called and holds."""
    return json.dumps(["item", drive_id, item_id])


def by_name(name: str) -> str:
    """The document that an uploaded file is."""
    return json.dumps(["name", name])


def sticky_key(sealer: Sealer, member_id: UUID, documents: Iterable[str] = ()) -> bytes:
    """The key of a member's jobs on these documents (`by_item`, `by_name`), in whatever order; of none, of the member.

    Raises: `SealBroken`.
    """
    whose = json.dumps([str(member_id), *sorted(documents)])
    return sealer.digest("stickiness", whose.encode())[:_BYTES]
