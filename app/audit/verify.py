"""Verification of every chain against its key and its anchors. System role and the key-encryption key."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.audit.anchors import AnchorFile
from app.audit.chain import Examination, Finding, Flaw, Link
from app.audit.keys import AuditKeys
from app.audit.repository import SystemAuditRepository, Waiting
from app.core.clock import now
from app.core.crypto import SealBroken
from app.core.database import Database
from app.core.wrapping import KeysUnavailable, WrappingKeys

PATIENCE = timedelta(minutes=10)
"""How long an entry may wait for the writer, or a chained one for an anchor."""
_PAGE = 1000
_START = (-(2**63), UUID(int=0))


@dataclass(frozen=True)
class Verdict:
    """What verification found at one tenant. `flaws` counts also those that `findings` leaves out."""

    tenant_id: UUID
    entries: int
    waiting: int
    addresses_erased: int
    anchored_position: int
    flaws: int
    findings: tuple[Finding, ...]


class Verifier:
    """Verifies chains, reading them in short transactions while they grow."""

    def __init__(self, system: Database, wrapping: WrappingKeys, anchors: AnchorFile | None) -> None:
        self._system = system
        self._keys = AuditKeys(system, wrapping)
        self._anchors = anchors

    async def run(self, only: Iterable[UUID] = ()) -> list[Verdict]:
        """Verify some tenants, or all that rows or anchors speak of. Raises: `AnchorsUnusable`."""
        # Anchors first: a chain that grows meanwhile is ahead of them, never behind.
        anchored = self._read_anchors()
        wanted = set(only)
        if not wanted:
            async with self._system.system() as session:
                wanted = await SystemAuditRepository(session).tenants() | set(anchored)
        return [await self._verify(tenant_id, anchored.get(tenant_id, {})) for tenant_id in sorted(wanted)]

    @property
    def anchor_gaps(self) -> list[int]:
        """Numbers of lines that are missing from the anchors, after `run`."""
        return [] if self._anchors is None else self._anchors.gaps

    def _read_anchors(self) -> Mapping[UUID, dict[int, bytes]]:
        found: dict[UUID, dict[int, bytes]] = defaultdict(dict)
        if self._anchors is not None:
            for anchor in self._anchors.read():
                # Of two that disagree the older one is right: it was there before whatever came later.
                found[anchor.tenant_id].setdefault(anchor.position, anchor.mac)
        return found

    async def _verify(self, tenant_id: UUID, anchors: Mapping[int, bytes]) -> Verdict:
        no_key = ""
        try:
            keys = await self._keys.existing(tenant_id)
            key = b"" if keys is None else keys.chain
        except SealBroken:
            no_key, key = "the chain's key does not unwrap: it is not the one that was made for it", b""
        except KeysUnavailable as error:
            no_key, key = error.reason, b""
        examination = Examination(key, anchors)
        if key:
            async for link in read_links(self._system, tenant_id):
                examination.add(link)
        async with self._system.system() as session:
            repository = SystemAuditRepository(session)
            waiting = await repository.waiting(tenant_id)
            if not key and ((await repository.last_link(tenant_id))[0] or anchors or no_key):
                no_key = no_key or "the tenant's row in audit_chains is gone: nothing can be verified"
                examination.report(Flaw.NO_KEY, 0, no_key)
        if key:
            examination.finish()
            self._check_times(examination, waiting)
        return Verdict(
            tenant_id=tenant_id,
            entries=examination.entries,
            waiting=waiting.entries,
            addresses_erased=examination.addresses_erased,
            anchored_position=max(anchors, default=0),
            flaws=examination.flaws,
            findings=tuple(examination.findings),
        )

    def _check_times(self, examination: Examination, waiting: Waiting) -> None:
        overdue = now() - PATIENCE
        if _before(waiting.oldest_at, overdue):
            message = f"{waiting.entries} entries wait since {waiting.oldest_at:%Y-%m-%d %H:%M} UTC: is the reaper running?"
            examination.report(Flaw.NOT_CHAINED, examination.position + 1, message)
        since = examination.unanchored_since
        if self._anchors is not None and _before(since, overdue):
            message = f"no anchor since {since:%Y-%m-%d %H:%M} UTC: is the reaper running?"
            examination.report(Flaw.UNANCHORED, examination.position, message)


async def read_links(
    system: Database, tenant_id: UUID, *, since: datetime | None = None, until: datetime | None = None
) -> AsyncIterator[Link]:
    """A tenant's chained entries in order, those that happened from `since` to before `until`."""
    after = _START
    while True:
        async with system.system() as session:
            page = await SystemAuditRepository(session).links(tenant_id, after=after, limit=_PAGE)
        for link in page:
            if (since is None or link.at >= since) and (until is None or link.at < until):
                yield link
        if len(page) < _PAGE:
            return
        after = (page[-1].position, page[-1].id)


def _before(moment: datetime | None, other: datetime) -> bool:
    return moment is not None and moment < other
