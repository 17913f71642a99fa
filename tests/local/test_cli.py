import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import IO

import psutil
import psycopg
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.core.errors import Conflict, SeedError
from app.local.client import ServerEvent
from app.local.commands import explain, json_line
from app.local.guarded import ServiceFailed
from app.local.postgres import EmbeddedPostgres
from app.local.showing import describe_event
from app.local.state import free_port
from app.settings import Settings
from tests.forked import run


def _run(tmp_path: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    home = str(tmp_path / "home")
    return run(
        "app.switchboard", *arguments, environment={**os.environ, "SWITCHBOARD_HOME": home, **environment}
    )


def test_help_names_every_command() -> None:
    told = CliRunner().invoke(app, ["--help"]).output
    for command in ("up", "run", "job", "demo", "migrate", "doctor"):
        assert command in told


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.startswith("switchboard 0.")


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_an_interruption_while_it_loads_is_quiet(tmp_path: Path, arguments: list[str]) -> None:
    # The first module that the product's loading needs interrupts it.
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "app.switchboard", "run", "summarize", "x.md", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (130, "")
    assert (json.loads(done.stdout)["error"]["code"] == "interrupted") if arguments else done.stdout == ""


def test_a_job_id_that_is_none_is_told_before_anything_starts(tmp_path: Path) -> None:
    done = _run(tmp_path, "job", "seven")
    assert done.returncode == 1
    assert "'seven' is not the id of a job" in done.stderr


def test_an_error_is_one_json_object_and_status_1(tmp_path: Path) -> None:
    done = _run(tmp_path, "run", "summarize", "missing.docx", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["job_id"], told["state"], told["error"]["code"]) == (None, None, "file_not_found")
    assert done.stderr == ""


def test_a_usage_error_is_one_json_object_too(tmp_path: Path) -> None:
    done = _run(tmp_path, "run", "--json", "--no-such-option")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert (told["job_id"], told["error"]["code"]) == (None, "usage")
    assert "--no-such-option" in told["error"]["message"]
    assert done.stderr == ""


def _waiting(pipe: IO[str]) -> int:
    """How many bytes nobody has read yet."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]  # type: ignore[no-any-return]


def test_an_interruption_is_one_json_object_too(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "app.switchboard", "run", "summarize", "--text", "-", "--json"],
        env={**os.environ, "SWITCHBOARD_HOME": str(tmp_path / "home")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        # It reads standard input once everything is loaded: what does not fit the pipe is taken then,
        # and after that it sleeps in the read.
        assert process.stdin is not None
        process.stdin.write("x" * 100_000)
        process.stdin.flush()
        while psutil.Process(process.pid).status() != psutil.STATUS_SLEEPING or _waiting(process.stdin):
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["error"]["code"] == "interrupted"


def test_an_error_for_people_is_one_sentence(tmp_path: Path) -> None:
    done = _run(tmp_path, "run", "sing", "--text", "x")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: there is no task type 'sing'")
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_a_sentence_too(tmp_path: Path) -> None:
    done = _run(tmp_path, "migrate", SWITCHBOARD_API_PORT="many")
    assert done.returncode == 1
    assert done.stderr.startswith("error: a setting is wrong: ")
    assert "api_port" in done.stderr


def test_migrate_without_a_database_says_which_variable(tmp_path: Path) -> None:
    done = _run(tmp_path, "migrate")
    assert done.returncode == 1
    assert "DATABASE_OWNER_URL is not set" in done.stderr


def test_migrate_says_what_is_wrong_with_the_address(tmp_path: Path) -> None:
    nowhere = _run(tmp_path, "migrate", DATABASE_OWNER_URL=f"postgresql://x:secret@127.0.0.1:{free_port()}/z")
    assert nowhere.returncode == 1
    assert nowhere.stderr.startswith("error: DATABASE_OWNER_URL: nobody listens there (127.0.0.1, port ")
    assert "secret" not in nowhere.stderr
    nonsense = _run(tmp_path, "migrate", DATABASE_OWNER_URL="non:sense@secret")
    assert "DATABASE_OWNER_URL is not the address of a Postgres: write postgresql://" in nonsense.stderr
    assert "secret" not in nonsense.stderr


def test_migrate_in_another_role_than_the_owner_says_what_an_administrator_does(
    tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
        connection.execute("CREATE DATABASE strange")
        try:
            place = postgres.url.rpartition("@")[2].partition("/")[0]
            done = _run(tmp_path, "migrate", DATABASE_OWNER_URL=f"postgresql://stranger:x@{place}/strange")
        finally:
            connection.execute("DROP DATABASE strange")
            connection.execute("DROP ROLE stranger")
    assert done.returncode == 1
    assert "the database refuses the migration: permission denied" in done.stderr
    assert "CREATE ROLE switchboard_owner" in done.stderr


@pytest.mark.parametrize("command", [["up"], ["run", "summarize", "--text", "A text."]])
def test_a_database_that_is_named_in_part_is_told_before_anything_starts(
    tmp_path: Path, command: list[str]
) -> None:
    done = _run(tmp_path, *command, DATABASE_URL="postgresql://x:y@127.0.0.1:1/z")
    assert done.returncode == 1
    assert "DATABASE_SYSTEM_URL (the role switchboard_system) is not set, and DATABASE_URL is" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home" / "postgres").exists()


def test_servers_that_do_not_answer_are_told_before_anything_starts(tmp_path: Path) -> None:
    nowhere = f"postgresql://x:secret@127.0.0.1:{free_port()}/z"
    urls = dict.fromkeys(("DATABASE_URL", "DATABASE_SYSTEM_URL", "DATABASE_ERASER_URL"), nowhere)
    done = _run(tmp_path, "up", **urls)
    assert "DATABASE_URL: nobody listens there" in done.stderr
    done = _run(tmp_path, "up", REDIS_URL=f"redis://:secret@127.0.0.1:{free_port()}/0")
    assert done.returncode == 1
    assert "REDIS_URL: no connection" in done.stderr
    assert "secret" not in done.stderr


def test_up_refuses_production(tmp_path: Path) -> None:
    done = _run(tmp_path, "up", SWITCHBOARD_ENV="production")
    assert done.returncode == 1
    assert "SWITCHBOARD_ENV=production" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = _run(tmp_path, "up", SWITCHBOARD_HOME=str(tmp_path / "file" / "below"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "file") in done.stderr.replace("\n", "")
    assert "set SWITCHBOARD_HOME" in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (Conflict("it has ended"), "conflict", "it has ended"),
        (ServiceFailed("no Postgres here"), "service_failed", "no Postgres here"),
        (SeedError("infra/seed.yaml: tenants[0]: wrong"), "seed_error", "infra/seed.yaml"),
        (FileNotFoundError(2, "No such file", "/x"), "system_error", "/x: No such file"),
        (KeyError("content of a document"), "internal_error", "KeyError"),
    ],
)
def test_every_error_has_a_code_and_words(
    error: Exception, code: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWITCHBOARD_HOME", str(tmp_path))
    body = explain(error)
    assert body["code"] == code
    assert words in body["message"]
    assert "content of a document" not in body["message"]


def test_the_log_that_an_unexpected_error_names_says_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWITCHBOARD_HOME", str(tmp_path))
    with pytest.raises(KeyError) as caught:
        {"a": 1}["content of a document"]
    log = Path(explain(caught.value)["message"].rpartition(" ")[2]).read_text()
    assert "in test_the_log_that_an_unexpected_error_names_says_where_it_was" in log
    assert "KeyError: this should not happen" in log


def test_a_wrong_setting_is_explained_without_its_value() -> None:
    with pytest.raises(ValueError, match="lease_seconds") as caught:
        Settings.model_validate({"lease_seconds": "secret"})
    body = explain(caught.value)
    assert body["code"] == "bad_setting"
    assert "secret" not in body["message"]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (ServerEvent("state", {"state": "running"}), "the job is running"),
        (ServerEvent("state", {"state": "succeeded"}), "the job has succeeded"),
        (
            ServerEvent("progress", {"phase": "map", "done": 2, "total": 9, "message": "reading"}),
            "reading 2 of 9",
        ),
        (ServerEvent("progress", {"phase": "map"}), "map"),
        (ServerEvent("waiting", {"reason": "budget"}), "waiting: budget"),
        (ServerEvent("result", {"link": "x"}), ""),
    ],
)
def test_events_are_told_in_words(event: ServerEvent, words: str) -> None:
    assert describe_event(event) == words


def test_an_event_holds_nothing_that_a_terminal_obeys() -> None:
    assert describe_event(ServerEvent("text", {"sentence": "a\x1b[2J\x9b1mb"})) == "a[2J1mb"
    assert describe_event(ServerEvent("waiting", {"reason": "\x1b]0;x\x07"})) == "waiting: ]0;x"


def test_an_expected_error_holds_nothing_that_a_terminal_obeys() -> None:
    assert explain(SeedError("a\x1b[2Jb"))["message"] == "a[2Jb"


def test_json_is_the_same_for_a_program_and_harmless_for_a_terminal() -> None:
    value = {"text": "ä\x1b[2J\x7f\x9b\x9f\n"}
    line = json_line(value)
    assert json.loads(line) == value
    assert [one for one in line if one < " " or "\x7f" <= one <= "\x9f"] == ["\n"]


def test_the_name_of_a_missing_file_is_told_without_its_controls(tmp_path: Path) -> None:
    done = _run(tmp_path, "run", "summarize", "a\x1b[2Jb.docx")
    assert done.returncode == 1
    assert "a[2Jb.docx" in done.stderr
    assert "\x1b" not in done.stderr
