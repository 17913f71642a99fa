"""Processes of the system forked from one that has imported the product, as `python -m MODULE` would run them.

A worker's imports take two seconds of CPU, and a story starts three processes or more. Nothing else is shared:
a process has its own session, environment, connections and log. That they start from nothing is proved where
the whole system is started by its command (tests/local/test_supervisor.py).
"""

import faulthandler
import functools
import gc
import multiprocessing
import multiprocessing.util
import os
import runpy
import signal
import subprocess
import sys
import tempfile
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
        "app.main",
        "app.llm.providers.openai_compatible",
        # What a worker loads when it begins and has its first step.
        "app.copilot.ask",
        "anyio._backends._asyncio",
        "celery.apps.worker",
        "celery.concurrency.thread",
        "celery.worker.consumer",
        "kombu.transport.redis",
    ]
)

# The address of that one is a file's path, which must be short: chosen before a test moves the temporary files.
multiprocessing.util.get_temp_dir()


class Forked:
    """A started process, with the verbs of `subprocess.Popen` that tests use."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str],
        output: Path,
        errors: Path | None = None,
    ) -> None:
        """`output` takes what it writes, errors too unless they have a file of their own."""
        places = (str(output), str(errors or output))
        self._process = _CONTEXT.Process(
            target=_run, args=([module, *arguments], dict(environment), places), daemon=True
        )
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


@functools.cache
def ready() -> None:
    """Wait until a process can be forked at once. Before, its start takes seconds, in which its caller's loop stands still."""
    process = _CONTEXT.Process(target=os.getpid, daemon=True)
    process.start()
    process.join()


def run(
    module: str, *arguments: str, environment: Mapping[str, str], seconds: float = 60.0
) -> "subprocess.CompletedProcess[str]":
    """What `subprocess.run` gives for a command of the product. Raises: `subprocess.TimeoutExpired`."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = Forked(module, *arguments, environment=environment, output=output, errors=errors)
        try:
            status = process.wait(seconds)
        finally:
            process.kill()
        return subprocess.CompletedProcess(
            [module, *arguments], status, output.read_text(), errors.read_text()
        )


def _run(command: list[str], environment: dict[str, str], places: tuple[str, str]) -> None:
    # As in a process that has loaded all this itself, it is no garbage; looking through it would copy its pages.
    gc.freeze()
    os.setsid()
    for standard, place in zip((1, 2), places, strict=True):
        output = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, standard)
        os.close(output)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(_ROOT)
    faulthandler.enable()
    sys.argv = command
    # It was imported under its own name; now it runs under another.
    sys.modules.pop(command[0], None)
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
