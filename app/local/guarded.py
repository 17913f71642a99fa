"""A child process under a watchdog: it never outlives the process that started it."""

import contextlib
import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_WATCHDOG = Path(__file__).with_name("watchdog.py")
_KEPT = frozenset({"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "LANG", "LANGUAGE"})


class ServiceFailed(Exception):
    """An embedded service did not start or did not stay up; the message says what to do."""


def unprivileged() -> tuple[int, int] | None:
    """(uid, gid) to drop to when we are root, because Postgres refuses to run as root; else None.

    Raises: `ServiceFailed` when there is nobody to drop to.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise ServiceFailed("running as root, and there is no user `postgres` or `nobody` to run Postgres as")


def bare_environment() -> dict[str, str]:
    """What a server needs to run: search paths, the temporary folder, the locale.

    Nothing else, because whoever runs as the server's user may read its environment, keys of vendors included.
    """
    return {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}


class Guarded:
    """One command under a watchdog. `stop` is idempotent; the end of this process stops it too.

    Without an `environment` both get the bare one.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        output: IO[bytes] | int,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        user: tuple[int, int] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_seconds: float = 10.0,
        directory: Path | None = None,
    ) -> None:
        options = ["--stop-signal", str(int(stop_signal)), "--grace", str(grace_seconds)]
        if user is not None:
            options += ["--user", f"{user[0]}:{user[1]}"]
        if stdin is not None:
            options.append("--input")
        self._grace_seconds = grace_seconds
        self.process = subprocess.Popen(  # noqa: S603 - our own watchdog with our own command
            [sys.executable, "-S", "-E", _WATCHDOG, *options, "--", *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment) if environment is not None else bare_environment(),
            cwd=directory,
            start_new_session=True,
        )
        if stdin is not None and self.process.stdin is not None:
            self.process.stdin.write(json.dumps(stdin).encode() + b"\n")
            self.process.stdin.flush()

    @property
    def running(self) -> bool:
        """Whether the watchdog, and so the command, lives."""
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        """Close the pipe: the watchdog stops the command. Does not wait."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def kill(self) -> None:
        """End command and watchdog at once, without the stop signal."""
        self.process.send_signal(signal.SIGUSR1)
        self.process.wait(10)
        self.ask_to_stop()

    def stop(self) -> int:
        """Stop the command and wait for its end; gives the exit status."""
        self.ask_to_stop()
        try:
            return self.process.wait(self._grace_seconds + 5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
