"""What the words of the `switchboard` command do; app/cli.py holds their options and help."""

import asyncio
import contextlib
import json
import os
import re
import signal
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar
from uuid import UUID

from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from app.audit.anchors import AnchorsUnusable
from app.core.crypto import SealBroken
from app.core.errors import AppError, SeedError
from app.core.wrapping import KeysUnavailable
from app.identity.registrations import HOME_PATH
from app.local import registrations as entra_registrations
from app.local.client import ClientError
from app.local.display import Log, addresses, clean, cleaned
from app.local.guarded import ServiceFailed
from app.local.model_server import ModelMissing
from app.local.new_file import new_file
from app.local.registrations import Form, Which
from app.local.running import Running, log_file, watch_parent
from app.local.state import State, StateLocked, StateUnusable
from app.local.supervisor import StopRequested, Supervisor
from app.settings import MissingSetting, Settings

_T = TypeVar("_T")
# JSON escapes the others itself.
_JSON_CONTROLS = re.compile(r"[\x7f-\x9f]")
_NAME_WIDTH = 20
_NOTED = frozenset({"state", "waiting", "restarted", "warning"})
_EXPECTED = (
    ServiceFailed,
    StateLocked,
    StateUnusable,
    MissingSetting,
    ModelMissing,
    SeedError,
    SealBroken,
    AnchorsUnusable,
)


def up(out: Console, *, offline: bool, port: int | None) -> None:
    """Run the system until a signal, or the end of whoever started us, asks to stop."""
    state = State.default().ensure()
    began = time.monotonic()
    with Log(log_file(state), out) as log:
        supervisor = Supervisor(state, say=log.say, offline=offline, port=port)
        _stop_on_signals(supervisor)
        watch_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
        with contextlib.suppress(StopRequested), supervisor:
            if supervisor.running is not None:
                out.print(_welcome(supervisor.running, state))
                for line in supervisor.announcements:
                    log.say("switchboard", line)
                log.say(
                    "switchboard", f"ready {supervisor.running.api} after {time.monotonic() - began:.1f} s"
                )
            supervisor.wait()
        log.say("switchboard", "stopped")


def _stop_on_signals(supervisor: Supervisor) -> None:
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked:
            # Asked twice: end now; the watchdogs clean up behind us.
            os._exit(128 + number)
        asked.append(number)
        supervisor.ask_to_stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, ask)


def _welcome(running: Running, state: State) -> Any:
    rows = {
        "API": f"{running.api}/addin/v1",
        "Ready": f"{running.api}/health/ready",
        "Portal": f"{running.api.replace('127.0.0.1', 'localhost')}{HOME_PATH}",
        "Entra": running.authority,
        "Log": running.log,
        "State": str(state.path),
        "Try": "switchboard demo   or   switchboard run summarize FILE",
        "Stop": "Ctrl-C",
    }
    return addresses(rows, title="Switchboard")


def json_line(value: Any) -> str:
    """One line of JSON, the same for a program and harmless for a terminal."""
    line = json.dumps(value, ensure_ascii=False)
    return _JSON_CONTROLS.sub(lambda found: f"\\u{ord(found.group()):04x}", line) + "\n"


def migrate(out: Console) -> None:
    """Bring the database of the settings to the newest state. Raises: `ServiceFailed`, `SeedError`."""
    # Alembic is for this command and for a start of the system; the others do without its load time.
    from app.local.seed import migrate as migrate_database

    for line in migrate_database(Settings()):
        out.print(clean(line), markup=False, highlight=False)


def rotate_keys(out: Console, *, data_keys: bool, reseal: bool, new_wrapping_key: bool) -> None:
    """Rotate keys, saying what is done. Raises: `ClientError` when something could not be done."""
    from app.local import keys
    from app.local.this_machine import of_this_machine

    def say(line: str) -> None:
        out.print(clean(line), markup=False, highlight=False, soft_wrap=True)

    async def work() -> bool:
        async with keys.opened(settings) as (database, wrapping):
            return await keys.rotate(database, wrapping, say, data_key_versions=data_keys, values=reseal)

    settings = of_this_machine(Settings())
    if new_wrapping_key:
        say(f"added {keys.add_wrapping_key(settings)} to the keyring")
    if not _with_keys(work):
        raise ClientError("keys_unreadable", "not everything could be rotated: see `switchboard keys status`")


def keys_status(out: Console, *, quick: bool, as_json: bool) -> int:
    """Print figures about keys and values; 0 when everything that is kept can be read."""
    from app.local import keys
    from app.local.this_machine import of_this_machine

    async def work() -> keys.KeysStatus:
        async with keys.opened(settings) as (database, wrapping):
            return await keys.status(database, wrapping, quick=quick)

    settings = of_this_machine(Settings())
    found = _with_keys(work)
    if as_json:
        out.file.write(json_line(found.as_json()))
    else:
        for line in keys.in_words(found):
            out.print(clean(line), markup=False, highlight=False, soft_wrap=True)
    return 0 if found.ok else 1


def _with_keys(work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run it; what members are told about a vault that is away does not help an operator."""
    try:
        return asyncio.run(work())
    except KeysUnavailable as error:
        raise ClientError(error.code, f"the wrapping keys cannot be used: {error.reason}") from error


def doctor(out: Console) -> int:
    """Print one line a check; 0 when nothing is wrong."""
    from app.local import doctor as diagnosis

    problems = 0
    for check in diagnosis.examine(State.default()):
        mark = Text("ok      ", style="green") if check.ok else Text("problem ", style="bold red")
        out.print(
            mark + Text(clean(f"{check.name:<{_NAME_WIDTH}}{check.detail}")), soft_wrap=True, highlight=False
        )
        if not check.ok:
            problems += 1
            out.print(
                Text(clean(f"        {'':<{_NAME_WIDTH}}→ {check.advice}")), soft_wrap=True, highlight=False
            )
    out.print("Everything is in place." if not problems else f"{problems} to look at.")
    return 1 if problems else 0


def registrations(
    out: Console,
    *,
    form: Form,
    only: Which | None,
    portal_url: str | None,
    addin_origins: Sequence[str],
    addin_pages: Sequence[str],
) -> None:
    """Print what an operator registers in Entra. Raises: `MissingSetting`, `ClientError`."""
    settings = Settings()
    found = entra_registrations.describe(
        settings, portal_url=portal_url, addin_origins=addin_origins, addin_pages=addin_pages
    )
    if form is Form.AZ:
        out.file.write(entra_registrations.as_script(settings, found))
    else:
        out.file.write(entra_registrations.as_json(found, only))


def audit_verify(out: Console, *, tenants: list[UUID], as_json: bool) -> int:
    """Verify chains of the audit record; 0 if nothing is wrong."""
    from app.local import audit

    return audit.verify(out, Settings(), tenants=tenants, as_json=as_json)


def audit_export(
    out: Console,
    err: Console,
    *,
    tenants: list[UUID],
    since: datetime | None,
    until: datetime | None,
    file: Path | None,
) -> None:
    """Write entries as OCSF JSON lines to a file or the output. A time without a zone is UTC."""
    from app.local import audit

    selection = audit.Selection(tenants, _utc(since), _utc(until))
    if file is None:
        audit.export(out.file, Settings(), selection)
        return
    with new_file(file) as lines:
        count = audit.export(lines, Settings(), selection)
    err.print(f"{count} entries in {file}", markup=False, highlight=False)


def audit_pseudonym(out: Console, *, tenant_id: UUID, member_id: UUID) -> int:
    """Say how the audit record calls a member; 1 if it has no name for it."""
    from app.local import audit

    found = audit.pseudonym(Settings(), tenant_id=tenant_id, member_id=member_id)
    none = (
        "No member of that id stands in this customer's record: unknown, erased, or without an entry so far."
    )
    out.print(found or none, markup=False, highlight=False, soft_wrap=True)
    return 0 if found else 1


def ledger_check(out: Console, *, tenants: list[UUID], repair: bool, as_json: bool) -> int:
    """Check that money adds up; 0 if nothing is left that does not."""
    from app.local import ledger

    return ledger.check(out, Settings(), tenants=tenants, mend=repair, as_json=as_json)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def explain(error: Exception) -> dict[str, Any]:
    """Any error as {code, message}: its own words if we expected it, its kind if we did not."""
    body: dict[str, Any] = cleaned(_explained(error))
    return body


def _explained(error: Exception) -> dict[str, Any]:
    if isinstance(error, AppError):
        return {"code": error.code, "message": error.message, "target": error.target, "details": []}
    if isinstance(error, _EXPECTED):
        return {"code": _code(error), "message": str(error), "target": None, "details": []}
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_input=False)
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}".strip(": ") for one in found)
        return {
            "code": "bad_setting",
            "message": f"a setting is wrong: {wrong}",
            "target": None,
            "details": [],
        }
    if isinstance(error, OSError) and error.filename:
        message = f"{error.filename}: {error.strerror}"
        return {"code": "system_error", "message": message, "target": None, "details": []}
    _note(error)
    message = f"{type(error).__name__}: this should not happen; the log is {log_file(State.default())}"
    return {"code": "internal_error", "message": message, "target": None, "details": []}


def _note(error: Exception) -> None:
    """Leave in the log where it happened; not its message, which may hold anything."""
    with contextlib.suppress(OSError, StateUnusable), Log(log_file(State.default().ensure()), None) as log:
        for lines in traceback.format_tb(error.__traceback__):
            for line in lines.splitlines():
                log.say("command", line)
        log.say("command", f"{type(error).__name__}: this should not happen")


def _code(error: Exception) -> str:
    name = type(error).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
