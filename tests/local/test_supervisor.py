"""The whole embedded system, for real: started, used, killed."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from app.local.demo import SAMPLE
from app.local.running import is_ready, read_running, running_file
from app.local.state import State, StateLocked
from app.local.supervisor import Supervisor
from tests.entra import operators_tenant
from tests.forked import run
from tests.trust import PLAIN

BARBARA_ID = operators_tenant()["people"][0]["object_id"]
pytestmark = pytest.mark.processes


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
    return {**kept, "SWITCHBOARD_HOME": str(home)}


@contextmanager
def _starting(home: Path) -> Iterator["subprocess.Popen[str]"]:
    """`switchboard up`."""
    with subprocess.Popen(
        [sys.executable, "-m", "app.switchboard", "up", "--offline"],
        env=_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _until(process: "subprocess.Popen[str]", *words: str) -> None:
    """Read what it says until a line has these words."""
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        told.append(line)
        if all(word in line for word in words):
            return
    pytest.fail("".join(told))


def _run(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return _switchboard(home, "run", *arguments)


def _switchboard(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run("app.switchboard", *arguments, environment=_environment(home), seconds=100)


def _below(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_the_system_does_a_job_and_ends_cleanly_when_it_is_interrupted(home: Path) -> None:
    with _starting(home) as process:
        _until(process, "switchboard│ ready")
        running = read_running(State(home))
        assert running is not None
        assert running.pid == process.pid
        assert is_ready(running.api, running.instance)
        assert not is_ready(running.api, "another")

        done = _run(home, "summarize", str(SAMPLE), "--json", "--param", "length=sentence")
        assert done.returncode == 0, done.stdout + done.stderr
        answer = json.loads(done.stdout)
        assert answer["state"] == "succeeded"
        assert answer["result"]["text"]
        assert {"segment", "anchor", "quote"} <= answer["result"]["citations"][0].keys()
        assert answer["result"]["coverage"]["ratio"] == 1.0
        assert answer["decision"]["member"]["deployment"]

        again = _switchboard(home, "job", answer["job_id"], "--json")
        assert json.loads(again.stdout)["result"]["text"] == answer["result"]["text"]
        others = _switchboard(home, "job", answer["job_id"], "--json", "--tenant", "Fabrikam")
        assert json.loads(others.stdout)["error"]["code"] == "job_not_found"

        printed = run("app.cli", "token", "--user", "grace", environment=_environment(home)).stdout.strip()
        me = httpx.get(
            f"{running.api}/addin/v1/me", headers={"Authorization": f"Bearer {printed}"}, verify=PLAIN
        )
        assert me.json()["tenant"]["name"] == "Fabrikam"
        granted = run("app.cli", "operator", "grant", BARBARA_ID, environment=_environment(home))
        assert f"{BARBARA_ID} is already a platform operator" in granted.stdout
        for words in (("keys", "status", "--quick"), ("audit", "verify"), ("ledger", "check")):
            found = run("app.cli", *words, environment=_environment(home))
            assert found.returncode == 0, found.stdout + found.stderr

        refused = _run(home, "summarize", str(SAMPLE), "--json", "--user", "nobody")
        assert refused.returncode == 1
        assert json.loads(refused.stdout)["error"]["code"] == "unknown_person"

        with pytest.raises(StateLocked), Supervisor(State(home), say=lambda _name, _line: None, environ={}):
            pass

        below = _below(process)
        next(one for one in below if one.cmdline()[-1] == "workers.reaper").kill()
        _until(process, "reaper", "starting it again")
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
        assert process.stdout is not None
        assert process.stdout.read().rstrip().endswith("switchboard│ stopped")
        assert not running_file(State(home)).exists()
        assert psutil.wait_procs(below, timeout=1)[1] == []


def test_killed_it_leaves_nothing_behind_and_a_command_alone_starts_the_system_for_itself(home: Path) -> None:
    with _starting(home) as process:
        # All processes of the product are begun together: when one speaks, the others live.
        _until(process, "relay", "configuration renewed")
        below = _below(process)
        assert len(below) >= 2 * 8
        process.kill()
        assert psutil.wait_procs(below, timeout=40)[1] == []
    assert read_running(State(home)) is None

    done = _run(home, "summarize", str(SAMPLE), "--offline")
    assert done.returncode == 0, done.stderr
    assert "starting the system on this machine" in done.stderr
    assert "46 of 46 segments read (100%)" in done.stdout
    assert not running_file(State(home)).exists()


@pytest.fixture
def home() -> Iterator[Path]:
    """A state folder outside pytest's own, which is closed to the user that Postgres runs as under root."""
    with tempfile.TemporaryDirectory(prefix="switchboard-test-") as folder:
        yield State(Path(folder)).ensure().path
