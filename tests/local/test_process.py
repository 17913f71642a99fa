import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.local.guarded import ServiceFailed
from app.local.process import AddressTaken, Backoff, Child, Keeper, describe, without_frames

_FOREVER = "import signal; print('ready', flush=True); signal.pause()"


class Lines:
    """Takes what is said, and lets a test wait for a line."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.all: list[tuple[str, str]] = []

    def say(self, name: str, line: str) -> None:
        with self._changed:
            self.all.append((name, line))
            self._changed.notify_all()

    def wait_for(self, part: str, *, count: int = 1) -> None:
        def there() -> bool:
            return sum(part in line for _, line in self.all) >= count

        with self._changed:
            assert self._changed.wait_for(there, 20), self.all


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        child.stop()


def _start(children: list[Child], lines: Lines, code: str, *, name: str = "small") -> Child:
    child = Child(
        name, [sys.executable, "-c", code], environment=dict(os.environ), say=lines.say, grace_seconds=2
    )
    children.append(child)
    child.start()
    return child


def _command(child: Child) -> psutil.Process:
    assert child.watchdog_pid is not None
    return psutil.Process(child.watchdog_pid).children()[0]


def test_lines_come_with_the_name_and_ready_is_seen(children: list[Child], lines: Lines) -> None:
    child = _start(children, lines, _FOREVER)
    child.wait_ready(20)
    lines.wait_for("ready")
    assert lines.all[0] == ("small", "ready")


def test_a_child_whose_port_somebody_else_has_says_so(children: list[Child], lines: Lines) -> None:
    taking = (
        "import socket; one = socket.create_server(('127.0.0.1', 0)); socket.create_server(one.getsockname())"
    )
    child = _start(children, lines, taking)
    with pytest.raises(AddressTaken, match="small did not start"):
        child.wait_ready(20)


def test_a_child_that_dies_while_starting_is_not_repeated_and_shows_its_last_lines(
    children: list[Child], lines: Lines
) -> None:
    child = _start(children, lines, "import sys; print('no such table'); sys.exit(3)")
    with pytest.raises(ServiceFailed, match=r"(?s)small did not start \(exit status 3\).*no such table"):
        child.wait_ready(20)
    assert child.restarts == 0


def test_a_child_that_never_says_ready_is_reported(children: list[Child], lines: Lines) -> None:
    child = _start(children, lines, "import signal; signal.pause()")
    with pytest.raises(ServiceFailed, match="not ready within"):
        child.wait_ready(0.05)


def test_a_killed_child_is_started_again_and_it_is_said(children: list[Child], lines: Lines) -> None:
    child = _start(children, lines, _FOREVER)
    child.wait_ready(20)
    _command(child).kill()
    lines.wait_for("ended unexpectedly (killed by SIGKILL)")
    lines.wait_for("ready", count=2)
    assert child.restarts == 1


def test_a_stopped_child_stays_stopped_and_its_own_children_end_too(
    children: list[Child], lines: Lines
) -> None:
    grandchild = "import signal; signal.pause()"
    code = (
        "import signal, subprocess, sys; "
        f"p = subprocess.Popen([sys.executable, '-c', {grandchild!r}]); "
        "print('grandchild', p.pid, flush=True); print('ready', flush=True); signal.pause()"
    )
    child = _start(children, lines, code)
    child.wait_ready(20)
    below = _command(child).children()
    assert len(below) == 1
    child.stop()
    assert psutil.wait_procs(below, timeout=10)[1] == []
    assert child.restarts == 0


def test_nothing_stays_behind_when_the_starter_is_killed(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
from app.local.process import Child
child = Child("small", [sys.executable, "-c", {_FOREVER!r}], environment=dict(os.environ),
              say=lambda name, line: print(line, flush=True), grace_seconds=2)
child.start()
child.wait_ready(20)
signal.pause()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline().strip() == "ready"
        below = psutil.Process(starter.pid).children(recursive=True)
        assert len(below) == 2
        starter.kill()
    assert psutil.wait_procs(below, timeout=20)[1] == []


def test_restarts_wait_longer_each_time_and_forget_after_a_good_life() -> None:
    backoff = Backoff()
    assert [backoff.next(0.1) for _ in range(6)] == [0.5, 1, 2, 4, 8, 10]
    assert backoff.next(120) == 0.5


def test_an_end_is_told_in_words() -> None:
    assert describe(1) == "exit status 1"
    assert describe(128 + signal.SIGSEGV) == "killed by SIGSEGV"
    assert describe(250) == "exit status 250"


class FlakyServer:
    """An embedded server that is down, fails to start once, and then runs."""

    def __init__(self) -> None:
        self.running = False
        self.starts = 0
        self.up = threading.Event()

    def start(self) -> None:
        self.starts += 1
        if self.starts == 1:
            raise ServiceFailed("the port is still taken")
        self.running = True
        self.up.set()

    def stop(self) -> None:
        self.running = False


def test_a_dead_server_is_started_again_until_it_runs(lines: Lines) -> None:
    server = FlakyServer()
    keeper = Keeper("postgres", server, say=lines.say, look_seconds=0.01)
    keeper.start()
    assert server.up.wait(20)
    keeper.stop()
    assert server.starts == 2
    assert ("postgres", "the port is still taken") in lines.all
    assert not server.running


def test_people_get_of_a_traceback_what_was_raised() -> None:
    lines = ["info", '  File "x.py", line 3, in serve', "    open()", "", "MissingSetting: X is not set"]
    assert without_frames(lines) == ["info", "MissingSetting: X is not set"]
    assert without_frames(["  indented", ""]) == ["  indented", ""]
