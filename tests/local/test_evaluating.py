"""`switchboard evaluate`: what its words do, on servers that the environment names."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.core.keyring import LocalKeyring
from app.evaluation.case_files import Case, dump_lines
from app.evaluation.service import RunView
from app.local.client import ClientError
from app.local.evaluating import run_lines
from app.local.valkey import remembered_url
from tests.conftest import TestDatabase
from tests.processes import system

CASES = tuple(
    Case(
        id=f"plant-{at}",
        language="en",
        documents=(f"Plant {at} made {at + 3} machines in Halle.\n\nIt closes in March {2027 + at}.",),
        contains=(f"{at + 3}|{2027 + at}",),
    )
    for at in range(2)
)


async def called(*arguments: str) -> str:
    """What the command printed. Raises: what the command raised."""
    done = await asyncio.to_thread(CliRunner().invoke, app, ["evaluate", *arguments])
    if done.exception is not None:
        raise done.exception
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("sing", "--members", "a"), "unknown_task_type"),
        (("summarize",), "bad_members"),
        (("summarize", "--members", "a,a"), "bad_members"),
        # A task type, and the word for comparing runs.
        (("compare", "--members", "a,a"), "bad_members"),
        (("compare", "--members=a,a"), "bad_members"),
    ],
)
async def test_what_is_wrong_is_told_before_anything_starts(arguments: tuple[str, ...], code: str) -> None:
    with pytest.raises(ClientError) as wrong:
        await called(*arguments)
    assert wrong.value.code == code


def test_a_list_of_runs_fits_a_narrow_terminal_and_cuts_no_id() -> None:
    run = RunView(
        id=UUID(int=7),
        task_type="extract_actions",
        data_set="[own]",
        cases=1,
        members=({"name": "small"}, {"name": "large"}),
        started_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        finished_at=None,
        digest=b"",
    )
    assert [str(line) for line in run_lines(run)] == [
        "00000000-0000-0000-0000-000000000007  2026-01-02 03:04 (interrupted)",
        "  extract_actions over [own], 1 case: small, large",
    ]


async def test_the_help_says_that_a_task_type_has_options_and_where_they_are() -> None:
    # Wide enough that no border stands within a sentence.
    told = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["evaluate", "--help"]).stdout
    assert "evaluate run --help explains these and further options" in told
    assert "--case-seconds" in await called("summarize", "--help")


def test_nobody_has_started_a_server_here(tmp_path: Path) -> None:
    assert remembered_url(tmp_path) is None


async def test_an_evaluation_is_run_listed_shown_compared_and_written_as_a_page(
    database: TestDatabase,
    redis_url: str,
    tmp_path: Path,
    keyring: LocalKeyring,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with system(database, redis_url, tmp_path, keyring) as running:
        await running.configure()
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("SWITCHBOARD_KEYRING", str(tmp_path / "keyring.json"))
    monkeypatch.setenv("SWITCHBOARD_EXTRACTION_PROCESSES_AHEAD", "0")
    payer = ("--tenant", str(database.tenant_id), "--user", str(database.member_id))
    file, page = tmp_path / "plants.jsonl", tmp_path / "page.html"
    await asyncio.to_thread(file.write_bytes, dump_lines(CASES))

    with pytest.raises(ClientError) as nobody:
        await called("list")
    assert nobody.value.code == "who_pays"

    printed = await called(
        "summarize", "--data", str(file), "--members", "extractive", "--html", str(page), *payer
    )
    assert "2 of 2  plant-1  extractive  answered" in printed
    assert page.read_text().startswith("<!doctype html>")
    first = json.loads(await called("list", "--json", *payer))["value"][0]
    assert "  summarize over plants, 2 cases: extractive\n" in await called("list", *payer)
    assert (first["data_set"], first["cases"], UUID(first["id"]).version) == ("plants", 2, 7)

    told = json.loads(
        await called("summarize", "--data", "plants", "--members", "extractive", "--json", *payer)
    )
    assert told["estimates"]["facts"]["extractive"]["value"] == 1.0
    second = told["runs"][0]
    assert "facts found" in await called("compare", first["id"], second["id"], *payer)
    assert "final: passed the checks" in await called("show", first["id"], "--case", "plant-0", *payer)
    assert "plants is deleted" in await called("forget", "plants", *payer)
