"""What people see on a terminal: the log with coloured names, the progress of a job, its readable end."""

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.core.clock import now
from app.local.places import source
from app.local.results import answer, change_place
from app.local.state import private_file
from app.vocabulary import JobState

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
_NAME_WIDTH = 11
_OLD_LOG_BYTES = 10 * 2**20
_QUOTE_CHARACTERS = 160
_MICROS = 1_000_000
_STATES: dict[str, str] = {
    JobState.SUCCEEDED: "has succeeded",
    JobState.PARTIAL: "has ended with a part of the answer",
    JobState.FAILED: "has failed",
    JobState.CANCELLED: "was cancelled",
}
_FILE_COUNTS = {"degraded": "with formatting lost", "refused": "left as they were"}
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """A text without the control characters that a terminal obeys; ends of lines and tabs stay."""
    return _CONTROLS.sub("", text)


def cleaned(value: Any) -> Any:
    """A JSON value with all its texts clean."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): cleaned(one) for key, one in value.items()}
    if isinstance(value, Sequence):
        return [cleaned(one) for one in value]
    return value


def state_in_words(state: str) -> str:
    """The state of a job as the end of a sentence of its own."""
    return f"the job {_STATES.get(state) or f'is {state}'}"


class Log:
    """Takes the lines of all processes, from any thread: to a file, and to a console if one is given."""

    def __init__(self, file: Path, console: Console | None) -> None:
        self._path = file
        self._console = console
        self._lock = threading.Lock()
        self._colours: dict[str, str] = {}

    def __enter__(self) -> Self:
        if private_file(self._path).stat().st_size > _OLD_LOG_BYTES:
            self._path.replace(self._path.with_suffix(".log.1"))
        self._file = private_file(self._path).open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._file.close()

    def say(self, name: str, line: str) -> None:
        """Write one line of the process `name`."""
        line = clean(line)
        with self._lock:
            if self._file.closed:
                return
            self._file.write(f"{now().isoformat(timespec='milliseconds')} {name:<{_NAME_WIDTH}} {line}\n")
            self._file.flush()
            if self._console is not None:
                colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
                prefix = Text(f"{name:<{_NAME_WIDTH}}│ ", style=colour)
                self._console.print(prefix + Text(line), soft_wrap=True, highlight=False)


def addresses(rows: Mapping[str, str], *, title: str) -> RenderableType:
    """A box of names and addresses."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    # A path has no spaces to wrap at, and half a path is of no use.
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(Text(name, style="bold"), Text(clean(value)))
    return Panel(table, title=_title(title), title_align="left", border_style="green", expand=False)


def finished_job(
    job: Mapping[str, Any],
    *,
    seconds: float,
    name: str,
    documents: Sequence[str] = (),
    saved: Path | None = None,
) -> RenderableType:
    """The end of a job for people: answer, citations with their place, coverage, who wrote it, cost, time.

    `documents` are the names of several, in the order they were given: each citation then says which.
    `saved` is where the file that it made has been put.
    """
    job, documents = cleaned(job), [clean(one) for one in documents]
    result = job.get("result") or {}
    decision = job.get("decision") or {}
    told = Group(*answer(result, documents))
    parts: list[RenderableType] = [Panel(told, title=_title(name), title_align="left", border_style="cyan")]
    citations = result.get("citations") or []
    if citations:
        table = _citations(citations, result.get("changes") or [], documents)
        parts += [Text("Citations", style="bold"), Padding(table, (0, 0, 1, 2))]
    facts = Table.grid(padding=(0, 2))
    for label, value in _facts(job, decision, seconds, saved):
        facts.add_row(Text(label, style="bold"), Text(value))
    return Group(*parts, facts)


def _title(name: str) -> Text:
    """A name as it is: in a plain string Rich would read markup."""
    return Text(clean(name))


def _citations(
    citations: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]], documents: Sequence[str]
) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for number, citation in enumerate(citations, 1):
        quote = " ".join(str(citation.get("quote", "")).split())
        if len(quote) > _QUOTE_CHARACTERS:
            quote = quote[: _QUOTE_CHARACTERS - 1] + "…"
        table.add_row(
            Text(f"[{number}]", style="cyan"),
            Text(_cited(citation, changes, documents), style="dim"),
            Text(f"“{quote}”"),
        )
    return table


def _cited(
    citation: Mapping[str, Any], changes: Sequence[Mapping[str, Any]], documents: Sequence[str]
) -> str:
    """The place of a citation; a comparison cites its changes, which have one."""
    at = citation.get("change")
    if isinstance(at, int) and 0 <= at < len(changes):
        return f"change {at + 1}: {change_place(changes[at], documents)}"
    return source(citation, documents)


def _facts(
    job: Mapping[str, Any], decision: Mapping[str, Any], seconds: float, saved: Path | None
) -> list[tuple[str, str]]:
    result = job.get("result") or {}
    member = decision.get("member") or {}
    facts = [
        ("State", str(job.get("state", ""))),
        ("Coverage", _coverage(result.get("coverage") or {})),
        ("File", _file(job, result.get("file") or {}, saved)),
        ("Written by", _member(member) or _writers(decision)),
        ("Why", _why(decision)),
        ("Hops", ", ".join(_hop(hop) for hop in decision.get("hops") or [])),
        ("Left out", ", ".join(_left_out(one) for one in decision.get("excluded") or [])),
        ("Tokens", _tokens(job.get("usage") or {})),
        ("Cost", _cost(job.get("usage") or {})),
        ("Time", f"{seconds:.1f} s"),
        ("Job", str(job.get("id", ""))),
    ]
    return [(label, value) for label, value in facts if value]


def _coverage(coverage: Mapping[str, Any]) -> str:
    if not coverage:
        return ""
    processed, segments = coverage.get("processed", 0), coverage.get("segments", 0)
    ratio = float(coverage.get("ratio", 0.0))
    return f"{processed} of {segments} segments read ({ratio:.0%}), {coverage.get('cited', 0)} cited"


def _member(member: Mapping[str, Any]) -> str:
    if not member:
        return ""
    maker = f"{member.get('request_model') or member.get('deployment')} at {member.get('provider_name')}"
    return f"{maker}, method {member['method']}" if member.get("method") else maker


def _writers(decision: Mapping[str, Any]) -> str:
    """Who gave the parts that the last step only joined, those of earlier jobs among them."""
    parts = [f"{name} ({count})" for name, count in (decision.get("answers") or {}).items()]
    reused = decision.get("reused") or {}
    if reused:
        by = ", ".join(reused.get("by") or {})
        count = reused.get("answers", 0)
        again = f"{count} {'answer' if count == 1 else 'answers'} of earlier jobs again"
        parts.append(f"{again}, by {by}" if by else again)
    return ", ".join(parts)


def _file(job: Mapping[str, Any], file: Mapping[str, Any], saved: Path | None) -> str:
    """The file that the job made, and where it is now."""
    if not file:
        return ""
    counts = [f"{file.get('applied', 0)} texts written"]
    counts += [f"{file[name]} {words}" for name, words in _FILE_COUNTS.items() if file.get(name)]
    if saved is not None:
        where = f"saved as {clean(str(saved))}"
    else:
        where = f"{file.get('name')}, not saved: `switchboard job {job.get('id')} --output FILE` gets it"
    return f"{where} ({', '.join(counts)})"


def _why(decision: Mapping[str, Any]) -> str:
    if decision.get("why"):
        return str(decision["why"])
    if decision.get("pool"):
        return (
            f"{decision.get('route')}, to the pool {decision['pool']} (revision {decision.get('revision')})"
        )
    return ""


def _hop(hop: Mapping[str, Any]) -> str:
    detail = f": {hop['detail']}" if hop.get("detail") else ""
    error = f" ({hop['error_code']}{detail})" if hop.get("error_code") else ""
    return f"{hop.get('deployment')} {hop.get('outcome')}{error}"


def _left_out(one: Mapping[str, Any]) -> str:
    return f"{one.get('deployment')} ({one.get('reason')})"


def _tokens(usage: Mapping[str, Any]) -> str:
    if not usage:
        return ""
    calls = usage.get("calls", 0)
    sent, written = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    return f"{sent} in, {written} out, {calls} {'call' if calls == 1 else 'calls'}"


def _cost(usage: Mapping[str, Any]) -> str:
    if not usage:
        return ""
    amount = int(usage.get("cost_micros") or 0) / _MICROS
    # A call may cost a fraction of a cent; nothing and whole amounts read better short.
    digits = 2 if amount == 0 or amount >= 1 else 6
    return f"{amount:.{digits}f} {usage.get('currency') or ''}".strip()
