"""What `switchboard audit` does: verify chains, export entries, find a member's pseudonym.

It works wherever DATABASE_SYSTEM_URL leads; without it, on the system that runs on this machine.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any
from uuid import UUID

from rich.console import Console
from rich.text import Text

from app.audit.actions import AuditAction
from app.audit.anchors import AnchorFile
from app.audit.ocsf import to_ocsf
from app.audit.record import Actor, ActorKind, record
from app.audit.repository import SystemAuditRepository
from app.audit.verify import Verdict, Verifier, read_links
from app.core.database import Database
from app.core.key_encryption import open_wrapping_keys
from app.core.wrapping import WrappingKeys
from app.local.system_role import system_database
from app.local.this_machine import of_this_machine
from app.settings import Settings


def verify(out: Console, settings: Settings, *, tenants: Sequence[UUID], as_json: bool) -> int:
    """Verify chains and print what was found; 0 if nothing is wrong. Raises: `MissingSetting`, `AnchorsUnusable`."""
    settings = of_this_machine(settings)
    path = settings.audit_anchors
    anchors = None if path is None else AnchorFile(path)

    async def work() -> tuple[list[Verdict], list[int]]:
        async with (
            system_database(settings, name="switchboard-audit") as system,
            _wrapping(settings) as wrapping,
        ):
            verifier = Verifier(system, wrapping, anchors)
            return await verifier.run(tenants), verifier.anchor_gaps

    verdicts, gaps = asyncio.run(work())
    sound = not gaps and all(verdict.flaws == 0 for verdict in verdicts)
    if as_json:
        out.file.write(json.dumps(_report(verdicts, gaps, sound=sound, anchored=anchors is not None)) + "\n")
        return 0 if sound else 1
    for verdict in verdicts:
        _print(out, verdict)
    for number in gaps:
        out.print(Text(f"anchor line {number} is missing from {path}", style="bold red"))
    if anchors is None:
        out.print("SWITCHBOARD_AUDIT_ANCHORS is not set: a cut at the end of a chain cannot be found.")
    out.print("Every chain is whole." if sound else "The record has been tampered with or is incomplete.")
    return 0 if sound else 1


@dataclass(frozen=True)
class Selection:
    """Which entries to export: of which tenants (none: all), from `since` to before `until`."""

    tenants: Sequence[UUID] = ()
    since: datetime | None = None
    until: datetime | None = None


def export(file: IO[str], settings: Settings, selection: Selection) -> int:
    """Write entries as JSON lines, tenant by tenant in order; gives how many. Raises: `MissingSetting`."""
    settings = of_this_machine(settings)

    async def work() -> int:
        count = 0
        async with system_database(settings, name="switchboard-audit") as system:
            async with system.system() as session:
                known = await SystemAuditRepository(session).tenants()
            for tenant_id in sorted(known.intersection(selection.tenants) if selection.tenants else known):
                await _record(system, tenant_id, AuditAction.AUDIT_EXPORT, "tenant", tenant_id)
                async for link in read_links(system, tenant_id, since=selection.since, until=selection.until):
                    file.write(json.dumps(to_ocsf(link), ensure_ascii=False, separators=(",", ":")) + "\n")
                    count += 1
        return count

    return asyncio.run(work())


def pseudonym(settings: Settings, *, tenant_id: UUID, member_id: UUID) -> str | None:
    """How the record calls a member; None if it has no name for it, any more or yet. Raises: `MissingSetting`."""
    settings = of_this_machine(settings)

    async def work() -> str | None:
        async with system_database(settings, name="switchboard-audit") as system:
            async with system.system() as session:
                found = await SystemAuditRepository(session).pseudonym(tenant_id, member_id)
            if found is not None:
                # Of somebody who is erased nothing is written: the entry would name them again.
                await _record(system, tenant_id, AuditAction.AUDIT_IDENTIFY, "member", member_id)
            return found

    return asyncio.run(work())


async def _record(
    system: Database, tenant_id: UUID, action: AuditAction, target_type: str, target_id: UUID
) -> None:
    """Whoever reads a record stands in it: written before the first line is."""
    async with system.system() as session:
        await record(
            session,
            tenant_id=tenant_id,
            actor=Actor(ActorKind.OPERATOR),
            action=action,
            target_type=target_type,
            target_id=str(target_id),
        )


def _report(verdicts: Sequence[Verdict], gaps: list[int], *, sound: bool, anchored: bool) -> dict[str, Any]:
    return {
        "sound": sound,
        "anchored": anchored,
        "anchor_lines_missing": gaps,
        "tenants": [
            {
                "tenant_id": str(verdict.tenant_id),
                "entries": verdict.entries,
                "waiting": verdict.waiting,
                "addresses_erased": verdict.addresses_erased,
                "anchored_position": verdict.anchored_position,
                "flaws": verdict.flaws,
                "findings": [
                    {"flaw": one.flaw, "position": one.position, "message": one.message}
                    for one in verdict.findings
                ],
            }
            for verdict in verdicts
        ],
    }


def _print(out: Console, verdict: Verdict) -> None:
    facts = f"{verdict.entries} entries, anchored up to {verdict.anchored_position}"
    if verdict.waiting:
        facts += f", {verdict.waiting} not chained yet"
    if verdict.addresses_erased:
        facts += f", {verdict.addresses_erased} addresses erased"
    mark = Text("ok      ", style="green") if verdict.flaws == 0 else Text("problem ", style="bold red")
    out.print(mark + Text(f"{verdict.tenant_id}  {facts}"), soft_wrap=True)
    for one in verdict.findings:
        out.print(Text(f"        entry {one.position}: {one.flaw}: {one.message}"), soft_wrap=True)
    if verdict.flaws > len(verdict.findings):
        out.print(Text(f"        and {verdict.flaws - len(verdict.findings)} more"))


@asynccontextmanager
async def _wrapping(settings: Settings) -> AsyncIterator[WrappingKeys]:
    wrapping = open_wrapping_keys(settings)
    try:
        yield wrapping
    finally:
        await wrapping.close()
