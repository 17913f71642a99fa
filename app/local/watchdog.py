"""Runs one command and stops it when whoever started the watchdog is gone. Standard library only.

    python watchdog.py [--stop-signal N] [--grace S] [--user UID:GID] [--input] -- COMMAND...

The starter holds the other end of standard input. End of file means that it ended, however it ended,
kill -9 included: the command gets the stop signal, and its process group SIGKILL after the grace. With
`--input` the first line is a JSON string for the command's own standard input, so that secrets are
in no argument list. SIGUSR1 kills the command at once. Works on Linux and macOS; on Linux the command also dies with the watchdog.
"""

import argparse
import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from types import FrameType

_PR_SET_PDEATHSIG = 1


def _die_with_watchdog() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stop-signal", type=int, default=int(signal.SIGTERM))
    parser.add_argument("--grace", type=float, default=10.0)
    parser.add_argument("--user", default=None)
    parser.add_argument("--input", action="store_true")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _read_line() -> bytes:
    """The first line, byte by byte, so that nothing after it is swallowed by a buffer."""
    line = bytearray()
    while (byte := os.read(0, 1)) not in (b"\n", b""):
        line += byte
    return bytes(line)


def _start(arguments: argparse.Namespace) -> "subprocess.Popen[bytes]":
    given = json.loads(_read_line()).encode() if arguments.input else None
    uid, gid = map(int, arguments.user.split(":")) if arguments.user else (None, None)
    child = subprocess.Popen(  # noqa: S603 - the command comes from our own starter
        arguments.command,
        stdin=subprocess.PIPE if given is not None else subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_watchdog,  # noqa: PLW1509 - this process has one thread
        user=uid,
        group=gid,
        extra_groups=[] if uid is not None else None,
    )
    if given is not None and child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(given)
            child.stdin.close()
    return child


def _signal_group(child: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _stop(child: "subprocess.Popen[bytes]", arguments: argparse.Namespace) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, arguments.stop_signal)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(arguments.grace)


def main() -> int:
    """Run the command until it ends, the starter is gone, or a signal asks to stop."""
    arguments = _arguments()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def asked(_number: int, _frame: FrameType | None) -> None:
        """Wake the select below; the wake-up descriptor carries the number."""

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, asked)
    child = _start(arguments)
    while child.poll() is None:
        ready, _, _ = select.select([0, reading], [], [])
        if 0 in ready and not os.read(0, 4096):
            break
        asked_for = set(os.read(reading, 512)) - {signal.SIGCHLD} if reading in ready else set()
        if signal.SIGUSR1 in asked_for:
            _signal_group(child, signal.SIGKILL)
            child.wait()
        elif asked_for:
            break
    if child.poll() is None:
        _stop(child, arguments)
    _signal_group(child, signal.SIGKILL)
    status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
