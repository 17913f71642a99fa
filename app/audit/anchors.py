"""Anchors: heads of chains, written where the database's superuser has no hand.

One JSON object a line, only ever appended, flushed to the disk before anybody relies on it:
    {"n": 7, "tenant": "0193...", "position": 120, "mac": "<hex>", "at": "2026-11-24T05:13:00+00:00"}
`n` counts the lines, so one that was taken out is missed. A line that broke off as its writer died is not
counted: the next one has its number.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from app.core.clock import now


class AnchorsUnusable(Exception):
    """The anchors cannot be read or written; the message says what to do."""


@dataclass(frozen=True)
class Anchor:
    """The head of a tenant's chain at some time."""

    tenant_id: UUID
    position: int
    mac: bytes
    at: datetime


class AnchorFile:
    """An append-only file of anchors. Several processes may append; each line stands whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        """Good lines read so far."""
        self.gaps: list[int] = []
        """Numbers of lines that are missing."""
        self._offset = 0
        self._heads: dict[UUID, Anchor] = {}

    def read(self) -> Iterator[Anchor]:
        """The anchors that came since the last reading. Raises: `AnchorsUnusable`."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    self._offset += len(line)
                    parsed = _parse(line)
                    if parsed is None:
                        continue
                    number, anchor = parsed
                    # A line that was whole but for its end has its number twice.
                    if number not in (self.lines, self.lines + 1):
                        self.gaps.append(self.lines + 1)
                    self.lines = number
                    self._heads[anchor.tenant_id] = anchor
                    yield anchor
        except FileNotFoundError:
            return
        except OSError as error:
            raise AnchorsUnusable(
                f"the audit anchors {self.path} cannot be read: {error.strerror}; see SWITCHBOARD_AUDIT_ANCHORS"
            ) from error

    def heads(self) -> Mapping[UUID, Anchor]:
        """The newest anchor of each tenant. Raises: `AnchorsUnusable`."""
        for _ in self.read():
            pass
        return self._heads

    def append(self, heads: Sequence[tuple[UUID, int, bytes]]) -> None:
        """Write heads (tenant, position, MAC) down and wait for the disk. Raises: `AnchorsUnusable`."""
        if not heads:
            return
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            new = not self.path.exists()
            handle = os.open(self.path, flags, 0o640)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                self.heads()
                _write(handle, self._lines_for(heads, torn=os.fstat(handle).st_size > self._offset))
                os.fsync(handle)
            finally:
                os.close(handle)
            if new:
                _sync_folder(self.path.parent)
        except OSError as error:
            raise AnchorsUnusable(
                f"the audit anchors {self.path} cannot be written: {error.strerror}; see SWITCHBOARD_AUDIT_ANCHORS"
            ) from error

    def _lines_for(self, heads: Sequence[tuple[UUID, int, bytes]], *, torn: bool) -> bytes:
        at = now().isoformat(timespec="seconds")
        lines = [
            json.dumps(
                {"n": number, "tenant": str(tenant_id), "position": position, "mac": mac.hex(), "at": at}
            )
            for number, (tenant_id, position, mac) in enumerate(heads, start=self.lines + 1)
        ]
        return (("\n" if torn else "") + "\n".join(lines) + "\n").encode()


def _parse(line: bytes) -> tuple[int, Anchor] | None:
    try:
        fields = json.loads(line)
        anchor = Anchor(
            UUID(fields["tenant"]),
            int(fields["position"]),
            bytes.fromhex(fields["mac"]),
            datetime.fromisoformat(fields["at"]),
        )
        return int(fields["n"]), anchor
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(handle: int, content: bytes) -> None:
    while content:
        content = content[os.write(handle, content) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
