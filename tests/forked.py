"""Processes of the system forked from one that has imported the product, as `python -m MODULE` would run them.

A worker's imports take two seconds of CPU, and a story starts three processes or more. Nothing else is shared:
a process has its own session, environment, connections and log. That they start from nothing is proved where
the whole system is started by its command (tests/local/test_supervisor.py).
"""

import faulthandler
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "tests.forked",
        "workers.tasks",
        "workers.relay",
        "workers.reaper",
        "app.llm.providers.openai_compatible",
    ]
)


class Forked:
    """A started process, with the verbs of `subprocess.Popen` that tests use."""

    def __init__(self, module: str, *, environment: Mapping[str, str], log: Path) -> None:
        self._process = _CONTEXT.Process(target=_run, args=(module, dict(environment), str(log)), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """The exit status once it has ended. Raises: `subprocess.TimeoutExpired`."""
        self._process.join(seconds)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self._process.name, seconds)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send it unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


def _run(module: str, environment: dict[str, str], log: str) -> None:
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(_ROOT)
    faulthandler.enable()
    sys.argv = [module]
    # It was imported under its own name; now it runs under another.
    sys.modules.pop(module, None)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
