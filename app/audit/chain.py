"""The chain itself, as pure functions: what an entry's MAC covers, and what is wrong with a sequence of them.

    MAC(n) = HMAC-SHA256(chain key of the tenant, MAC(n-1) | canonical JSON of entry n)

The key is known to who holds the key-encryption key, so a superuser of the database can neither write nor
change an entry unnoticed. A cut tail leaves a chain that is right in itself: anchors outside find it.
Method: Schneier and Kelsey, "Secure Audit Logs to Support Computer Forensics" (1999), without its key evolution.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.audit.actions import AuditAction
from app.audit.record import ActorKind, address_digest

GENESIS = bytes(32)
"""Stands before the first entry."""
_FORMAT = "switchboard-audit-1"


@dataclass(frozen=True)
class Link:
    """An entry with its place in the chain, as it is stored. `address` is not covered itself, its digest is."""

    tenant_id: UUID
    id: UUID
    at: datetime
    actor_kind: str
    actor: str
    address: str | None
    address_salt: bytes | None
    address_digest: bytes | None
    action: str
    target_type: str
    target_id: str
    detail: Mapping[str, Any]
    position: int
    chained_at: datetime | None
    previous_mac: bytes | None = field(repr=False)
    mac: bytes | None = field(repr=False)

    @property
    def address_erased(self) -> bool:
        """There was an address, and it has been taken out."""
        return self.address is None and self.address_digest is not None


def compute_mac(key: bytes, link: Link, previous: bytes) -> bytes:
    """The MAC of an entry that stands behind the one with MAC `previous`."""
    return hmac.digest(key, previous + _canonical(link), hashlib.sha256)


def _canonical(link: Link) -> bytes:
    covered = {
        "format": _FORMAT,
        "tenant_id": str(link.tenant_id),
        "position": link.position,
        "id": str(link.id),
        "at": _time(link.at),
        "chained_at": _time(link.chained_at),
        "actor_kind": link.actor_kind,
        "actor": link.actor,
        "address_digest": None if link.address_digest is None else link.address_digest.hex(),
        "action": link.action,
        "target_type": link.target_type,
        "target_id": link.target_id,
        "detail": link.detail,
    }
    return json.dumps(covered, sort_keys=True, separators=(",", ":")).encode()


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


class Flaw(StrEnum):
    """What can be wrong with a chain."""

    CHANGED = "changed"
    """The entry is not what was chained, or was never chained by us."""
    OUT_OF_ORDER = "out_of_order"
    """The entry is right in itself and does not follow the one before it."""
    MISSING = "missing"
    """Entries between two that are there are gone."""
    CUT = "cut"
    """An anchor speaks of a later entry than the last one."""
    REWRITTEN = "rewritten"
    """The entry is another one than an anchor says."""
    ADDRESS_REMOVED = "address_removed"
    """Addresses are gone and no erasure explains it."""
    UNANCHORED = "unanchored"
    """The chain has gone on without anchors."""
    NOT_CHAINED = "not_chained"
    """Entries wait for the writer for too long."""
    NO_KEY = "no_key"
    """The chain's key is gone or does not open."""


@dataclass(frozen=True)
class Finding:
    """One flaw and where it is; `position` of 0 is the chain as a whole."""

    flaw: Flaw
    position: int
    message: str


class Examination:
    """Looks at one tenant's entries in order, each once. `anchors`: MAC by position."""

    def __init__(self, key: bytes, anchors: Mapping[int, bytes], *, most: int = 100) -> None:
        self._key = key
        self._anchors = anchors
        self._most = most
        self._previous = GENESIS
        self._erased: set[str] = set()
        self._without_address: dict[str, int] = {}
        self._tenant_erased = False
        self._trusted = True
        self.position = 0
        self.last_chained_at: datetime | None = None
        self.unanchored_since: datetime | None = None
        self.entries = 0
        self.addresses_erased = 0
        self.flaws = 0
        self.findings: list[Finding] = []

    def add(self, link: Link) -> None:
        """Examine the next entry; entries come by position."""
        self.entries += 1
        expected = self.position + 1
        gap = link.position - expected
        if gap > 0:
            many = f"{expected} to {link.position - 1}" if gap > 1 else str(expected)
            self.report(Flaw.MISSING, expected, f"{gap} missing: {many}")
        # Behind an entry that is wrong itself, the next one cannot be told to follow or not.
        self._trusted = self._check_entry(link, follows=gap == 0 and self._trusted)
        anchored = self._anchors.get(link.position)
        if anchored is not None:
            self.unanchored_since = None
            if link.mac is None or not hmac.compare_digest(anchored, link.mac):
                self.report(Flaw.REWRITTEN, link.position, "the anchor speaks of another entry")
        elif self.unanchored_since is None:
            self.unanchored_since = link.chained_at
        self._check_address(link)
        self._note_erasure(link)
        self._previous = link.mac or b""
        self.position = max(self.position, link.position)
        self.last_chained_at = link.chained_at

    def finish(self) -> None:
        """Look at what only the end can tell."""
        last = max(self._anchors, default=0)
        if last > self.position:
            self.report(
                Flaw.CUT,
                self.position + 1,
                f"an anchor speaks of entry {last}, the last one is {self.position}",
            )
        if not self._tenant_erased:
            for actor, position in self._without_address.items():
                if actor and actor not in self._erased:
                    self.report(Flaw.ADDRESS_REMOVED, position, f"of {actor or 'nobody'}, who was not erased")

    def report(self, flaw: Flaw, position: int, message: str) -> None:
        """Note a flaw; of very many only the first are kept, all are counted."""
        self.flaws += 1
        if len(self.findings) < self._most:
            self.findings.append(Finding(flaw, position, message))

    def _check_entry(self, link: Link, *, follows: bool) -> bool:
        """Whether the entry is one that we chained."""
        if link.mac is None or link.previous_mac is None:
            self.report(Flaw.CHANGED, link.position, "has lost its MAC")
            return False
        if not hmac.compare_digest(compute_mac(self._key, link, link.previous_mac), link.mac):
            self.report(Flaw.CHANGED, link.position, f"{link.action} is not what was recorded")
            return False
        if follows and not hmac.compare_digest(link.previous_mac, self._previous):
            self.report(
                Flaw.OUT_OF_ORDER, link.position, f"{link.action} does not follow the entry before it"
            )
        return True

    def _check_address(self, link: Link) -> None:
        if link.address is not None:
            digest = address_digest(link.address_salt or b"", link.address)
            if link.address_digest is None or not hmac.compare_digest(digest, link.address_digest):
                self.report(Flaw.CHANGED, link.position, "its address is not the one that was recorded")
        elif link.address_erased:
            self.addresses_erased += 1
            # Of the platform's own and of unknown callers nothing is ever erased but with the tenant.
            who = link.actor or ("" if link.actor_kind in _PEOPLE else link.actor_kind)
            self._without_address.setdefault(who, link.position)

    def _note_erasure(self, link: Link) -> None:
        if link.action == AuditAction.MEMBER_ERASE:
            self._erased.add(link.target_id)
        elif link.action == AuditAction.TENANT_ERASE:
            self._tenant_erased = True


_PEOPLE = frozenset({ActorKind.MEMBER, ActorKind.APPLICATION, ActorKind.OPERATOR})
"""Without a pseudonym they were erased before their entry was chained."""
