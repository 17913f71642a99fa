"""Everybody's drive: items with versions, in memory. Ids have the shape of SharePoint's."""

import base64
import hashlib
import mimetypes
import secrets
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.local.entra.people import Person

DOWNLOAD_HOST = "localhost"
"""Another name than Graph's own, as SharePoint's is: where content comes from."""
SAMPLE = Path(__file__).parents[1] / "samples" / "memo.docx"


@dataclass(frozen=True)
class Item:
    """A file as one version of it stands."""

    id: str
    drive_id: str
    name: str
    content: bytes
    owner_id: str
    readers: frozenset[str] = frozenset()
    """Object ids of others it is shared with."""
    folder_id: str | None = None
    """The folder that it is in; None: the drive's root."""
    is_folder: bool = False
    version: int = 1
    changed_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def etag(self) -> str:
        """Changes with every version."""
        number = str(uuid.uuid5(uuid.NAMESPACE_OID, self.id)).upper()
        return f'"{{{number}}},{self.version}"'

    def body(self, *, url: str, download_url: str) -> dict[str, Any]:
        """The `driveItem` resource. Source: Microsoft Graph v1.0 reference, driveItem."""
        changed = self.changed_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        facet: dict[str, Any] = {"folder": {"childCount": 0}}
        if not self.is_folder:
            facet = {
                "@microsoft.graph.downloadUrl": download_url,
                "file": {
                    "mimeType": mimetypes.guess_type(self.name)[0] or "application/octet-stream",
                    "hashes": {"sha256Hash": hashlib.sha256(self.content).hexdigest().upper()},
                },
            }
        return {
            "@odata.context": f"{url}/v1.0/$metadata#drives('{self.drive_id}')/items/$entity",
            "id": self.id,
            "name": self.name,
            "size": len(self.content),
            "eTag": self.etag,
            "cTag": self.etag.replace('"{', '"c:{'),
            "createdDateTime": changed,
            "lastModifiedDateTime": changed,
            "webUrl": f"https://example.sharepoint.com/{self.drive_id}/{self.id}",
            "parentReference": {
                "driveType": "business",
                "driveId": self.drive_id,
                "path": f"/drives/{self.drive_id}/root:",
            },
            **facet,
        }


class Drives:
    """The items of everybody, made when somebody first looks."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._known: set[str] = set()

    def clear(self) -> None:
        """Everybody has the sample again, and nothing else."""
        self._items.clear()
        self._known.clear()

    def items(self, person: Person) -> list[Item]:
        """What is in a person's drive; at first the sample memo."""
        drive_id = drive_of(person)
        if drive_id not in self._known:
            self._known.add(drive_id)
            sample = Item(
                _item_id(f"{drive_id}/sample"), drive_id, SAMPLE.name, SAMPLE.read_bytes(), person.object_id
            )
            self._items[sample.id] = sample
        return [one for one in self._items.values() if one.drive_id == drive_id]

    def add(self, person: Person, name: str, content: bytes, **more: Any) -> Item:
        """A new file in a person's drive, or what else `more` says of it."""
        self.items(person)
        return self.put(
            Item(_item_id(secrets.token_hex(16)), drive_of(person), name, content, person.object_id, **more)
        )

    def put(self, item: Item) -> Item:
        """Store an item as it now is."""
        self._items[item.id] = item
        return item

    def change(self, item_id: str, **changes: Any) -> Item:
        """The next version of an item, with another eTag."""
        known = self._items[item_id]
        return self.put(replace(known, **changes, version=known.version + 1, changed_at=datetime.now(UTC)))

    def remove(self, item_id: str) -> None:
        """The item is gone."""
        self._items.pop(item_id, None)

    def children(self, drive_id: str, folder_id: str | None) -> list[Item]:
        """What is in a folder, in the order in which it came there; of None in the drive's root."""
        return [one for one in self._items.values() if (one.drive_id, one.folder_id) == (drive_id, folder_id)]

    def get(self, drive_id: str, item_id: str) -> Item | None:
        """An item by drive and id."""
        item = self._items.get(item_id)
        return item if item is not None and item.drive_id == drive_id else None


def drive_of(person: Person) -> str:
    """The id of a person's drive."""
    digest = hashlib.sha512(f"drive/{person.tenant_id}/{person.object_id}".encode()).digest()
    return f"b!{base64.urlsafe_b64encode(digest[:48]).decode()}"


def _item_id(seed: str) -> str:
    return f"01{base64.b32encode(hashlib.sha256(seed.encode()).digest()[:20]).decode()}"
