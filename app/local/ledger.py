"""What `switchboard ledger` does: prove that money adds up, and set what does not.

It works wherever DATABASE_SYSTEM_URL leads; without it, on the system that runs on this machine.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.text import Text

from app.core.database import Database
from app.local.system_role import system_database
from app.local.this_machine import of_this_machine
from app.settings import Settings
from app.usage.reconciliation import Difference, Flaw, differences, repair

_RETENTION_RUNS_DAILY = 2
"""Days of grace at the old end: retention removes the oldest calls while we look."""


def check(out: Console, settings: Settings, *, tenants: Sequence[UUID], mend: bool, as_json: bool) -> int:
    """Print what does not add up, after mending the sums of periods if asked to; 0 if nothing is left.

    Raises: `MissingSetting`.
    """
    settings = of_this_machine(settings)
    found, mended = asyncio.run(_work(settings, tenants, mend=mend))
    if as_json:
        told = {"adds_up": not found, "differences": [_told(one) for one in found]}
        out.file.write(json.dumps(told | {"repaired": [_told(one) for one in mended]}) + "\n")
        return 1 if found else 0
    for one in mended:
        out.print(_line("repaired", one, "green"), soft_wrap=True)
    for one in found:
        out.print(_line(one.flaw, one, "bold red"), soft_wrap=True)
    out.print("The ledger adds up." if not found else f"{len(found)} things do not add up.")
    return 1 if found else 0


async def _work(
    settings: Settings, tenants: Sequence[UUID], *, mend: bool
) -> tuple[list[Difference], list[Difference]]:
    async with system_database(settings, name="switchboard-ledger") as system:
        found = await _look(system, settings, tenants)
        mended: list[Difference] = []
        for one in found:
            if mend and one.flaw is Flaw.PERIOD:
                async with system.system() as session:
                    if await repair(session, one):
                        mended.append(one)
        return (await _look(system, settings, tenants) if mended else found), mended


async def _look(system: Database, settings: Settings, tenants: Sequence[UUID]) -> list[Difference]:
    async with system.system() as session:
        return [
            one
            async for one in differences(
                session,
                tenants=tenants,
                kept_days=max(1, settings.ledger_days - _RETENTION_RUNS_DAILY),
                # The reaper settles what is older than a job may be, and comes by within a minute.
                deadline_seconds=settings.job_deadline_seconds + 60.0,
            )
        ]


def _told(one: Difference) -> dict[str, Any]:
    return {
        "flaw": one.flaw,
        "tenant_id": str(one.tenant_id),
        "id": str(one.id),
        "starts_at": None if one.starts_at is None else one.starts_at.isoformat(),
        "message": one.message,
    }


def _line(word: str, one: Difference, style: str) -> Text:
    return Text(word, style=style) + Text(f" tenant {one.tenant_id} {one.id}: {one.message}", style="default")
