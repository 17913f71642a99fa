import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from app.local.display import Log, addresses, clean, cleaned, finished_job
from app.local.places import place

_JOB: dict[str, Any] = {
    "id": "7",
    "state": "succeeded",
    "result": {
        "text": "Costs fall by [red]12[/red] percent. [1]",
        "citations": [
            {
                "anchor": {"type": "word", "part": "word/document.xml", "ordinal": 3},
                "quote": "costs fall " * 40,
            }
        ],
        "coverage": {"segments": 9, "processed": 9, "cited": 1, "ratio": 1.0},
    },
    "decision": {
        "why": "the platform's route",
        "member": {
            "deployment": "d",
            "provider_name": "here",
            "request_model": "small",
            "method": "generative",
        },
        "hops": [
            {
                "deployment": "first",
                "outcome": "rejected",
                "error_code": "invalid_output",
                "detail": "unrelated",
            }
        ],
        "excluded": [{"deployment": "other", "reason": "region"}],
    },
    "usage": {"input_tokens": 10, "output_tokens": 2, "calls": 1, "cost_micros": 1234, "currency": "EUR"},
}


_EVIL = "\x1b]0;mine\x07\x1b[2J\x9b31mtext\x00\r\x7f"
_HARMLESS = "]0;mine[2J31mtext"


def _shown(job: dict[str, Any], *, name: str = "memo.docx", documents: Sequence[str] = ()) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(finished_job(job, seconds=1.25, name=name, documents=documents))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_citations_of_several_documents_name_theirs() -> None:
    anchor = {"type": "text", "line": 3}
    citations = [
        {"document": 1, "anchor": anchor, "quote": "b"},
        {"document": 9, "anchor": anchor, "quote": "c"},
    ]
    job = {**_JOB, "result": {**_JOB["result"], "citations": citations}}
    shown = _shown(job, documents=("a.md", "b\x1b[2J.md"))
    assert "b[2J.md, line 3" in shown
    assert "\n  [2]  line 3 " in shown
    assert "b.md" not in _shown(job, documents=("b.md",))


def test_the_end_of_a_job_names_answer_place_coverage_author_and_cost() -> None:
    shown = _shown(_JOB)
    for part in (
        "Costs fall by [red]12[/red] percent. [1]",
        "paragraph 4",
        "9 of 9 segments read (100%), 1 cited",
        "small at here, method generative",
        "the platform's route",
        "first rejected (invalid_output: unrelated)",
        "other (region)",
        "10 in, 2 out, 1 call",
        "0.001234 EUR",
        "1.2 s",
    ):
        assert part in shown


def test_who_wrote_a_result_is_told_where_the_last_step_asked_nobody() -> None:
    joined = {"answers": {"small": 2}, "reused": {"answers": 3, "by": {"large": 3}}}
    shown = _shown({**_JOB, "decision": joined})
    assert "Written by  small (2), 3 answers of earlier jobs again, by large\n" in _lines(shown)
    again = {"answers": {}, "reused": {"answers": 1}}
    assert "Written by  1 answer of earlier jobs again\n" in _lines(_shown({**_JOB, "decision": again}))


def test_a_file_that_was_made_is_named_with_its_place_or_the_way_to_it() -> None:
    file = {"name": "a.de.docx", "applied": 9, "degraded": 1, "refused": 0}
    job = {**_JOB, "result": {**_JOB["result"], "file": file}}
    assert "a.de.docx, not saved: `switchboard job 7 --output FILE` gets it (9 texts written, 1" in _shown(
        job
    )
    console = Console(file=io.StringIO(), width=200)
    console.print(finished_job(job, seconds=1, name="x", saved=Path("out/a.de.docx")))
    assert isinstance(console.file, io.StringIO)
    assert "saved as out/a.de.docx (9 texts written, 1 with formatting lost)" in console.file.getvalue()


def _lines(shown: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in shown.splitlines())


def test_long_quotes_are_cut() -> None:
    assert "…”" in _shown(_JOB)


def test_a_job_without_anything_is_shown_too() -> None:
    assert "failed" in _shown({"id": "7", "state": "failed", "result": None, "decision": None, "usage": None})


@pytest.mark.parametrize(
    ("anchor", "words"),
    [
        ({"type": "word", "part": "word/document.xml", "ordinal": 0}, "paragraph 1"),
        ({"type": "word", "part": "word/footnotes.xml", "ordinal": 1}, "footnotes, paragraph 2"),
        ({"type": "pdf", "page": 3, "bbox": [0, 0, 1, 1]}, "page 3"),
        ({"type": "text", "line": 12}, "line 12"),
        ({"type": "excel", "worksheet": "Costs", "a1": "B7"}, "Costs!B7"),
        ({"type": "powerpoint", "slide_id": 256, "shape_id": 2, "paragraph": 0}, "slide id 256, paragraph 1"),
        (
            {"type": "powerpoint", "slide_id": 256, "shape_id": 2, "paragraph": 0, "part": "notes"},
            "notes of slide id 256, paragraph 1",
        ),
        ({"type": "outlook", "part": "body", "quote": "q"}, "body of the mail"),
        ({"type": "outlook", "part": "2/body", "quote": "q"}, "body of attached mail 2"),
        ({"type": "pane", "client_ref": "p7", "text_hash": "x"}, "p7"),
        ({}, "in the document"),
    ],
)
def test_places_are_told_in_words(anchor: dict[str, Any], words: str) -> None:
    assert place(anchor) == words


def test_the_log_goes_to_console_and_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "switchboard.log"
    console = Console(file=io.StringIO(), width=80)
    with Log(file, console) as log:
        log.say("api", "[bold]started[/bold]")
        log.say("worker", "ready")
    log.say("api", "after the end")
    assert isinstance(console.file, io.StringIO)
    assert "api        │ [bold]started[/bold]" in console.file.getvalue()
    assert [line.split()[1] for line in file.read_text().splitlines()] == ["api", "worker"]
    assert file.stat().st_mode & 0o077 == 0


def test_a_large_log_is_put_aside(tmp_path: Path) -> None:
    file = tmp_path / "switchboard.log"
    file.write_bytes(b"x" * (11 * 2**20))
    with Log(file, None) as log:
        log.say("api", "fresh")
    assert file.stat().st_size < 1000
    assert (tmp_path / "switchboard.log.1").exists()


@given(st.text(st.one_of(st.characters(max_codepoint=0xA0), st.characters(exclude_categories=["Cs"]))))
def test_of_control_characters_only_ends_of_lines_and_tabs_stay(source: str) -> None:
    kept = [one for one in source if one in "\n\t" or not (one < " " or "\x7f" <= one <= "\x9f")]
    assert clean(source) == "".join(kept)


def test_json_values_are_cleaned_all_the_way_down() -> None:
    assert cleaned({_EVIL: [_EVIL, {"a": _EVIL}, 1, None, True]}) == {
        _HARMLESS: [_HARMLESS, {"a": _HARMLESS}, 1, None, True]
    }


def test_nothing_of_a_job_reaches_the_terminal_as_a_command() -> None:
    job = {
        "id": _EVIL,
        "state": _EVIL,
        "result": {
            "text": _EVIL,
            "citations": [{"anchor": {"type": "word", "part": _EVIL, "ordinal": 0}, "quote": _EVIL}],
        },
        "decision": {"why": _EVIL, "hops": [{"deployment": _EVIL, "outcome": "rejected"}]},
        "usage": {"currency": _EVIL},
    }
    shown = _shown(job, name=f"{_EVIL}.docx")
    assert shown == clean(shown)
    assert shown.count(_HARMLESS) >= 8


@pytest.mark.parametrize("name", ["[red]memo[/red].docx", "[/].docx", "[link=http://x]a.docx"])
def test_markup_in_the_name_of_a_file_is_shown_as_it_is(name: str) -> None:
    assert name in _shown(_JOB, name=name)


def test_a_box_of_addresses_is_shown_as_it_is() -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(addresses({"Entra": _EVIL}, title="[bold]Title[/bold]"))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert shown == clean(shown)
    assert "[bold]Title[/bold]" in shown


def test_a_long_path_is_shown_whole() -> None:
    console = Console(file=io.StringIO(), width=60)
    path = "/var/lib/switchboard" + "/a-folder" * 12
    console.print(addresses({"Log": path}, title="Switchboard"))
    assert isinstance(console.file, io.StringIO)
    shown = "".join(one for one in console.file.getvalue() if one not in " \n│")
    assert path in shown


def test_the_log_passes_no_command_on(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=80)
    with Log(tmp_path / "log", console) as log:
        log.say("api", _EVIL)
    assert isinstance(console.file, io.StringIO)
    for told in (console.file.getvalue(), (tmp_path / "log").read_text()):
        assert told == clean(told)
        assert _HARMLESS in told
