"""No test sends a packet off this machine: connects, datagrams and look-ups that would are refused.

An audit hook sees what the socket module is asked to do, whoever asks. It cannot see libraries that make
their own system calls; those of ours (libpq, uvloop) are only ever given addresses of loopback.
"""

import contextlib
import errno
import ipaddress
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

_NAMES = frozenset({"", "localhost", "localhost.localdomain", socket.gethostname()})


class _Guard:
    """What has been tried; `recording` is a test's own list while it expects to be refused."""

    def __init__(self) -> None:
        self.active = False
        self.tried: list[str] = []
        self.recording: list[str] | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active or not event.startswith("socket."):
            return
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            self._judge(arguments[1])
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            self._judge_name(arguments[0])

    def _judge(self, address: Any) -> None:
        if isinstance(address, tuple) and not _stays_here(str(address[0])):
            self._refuse(f"{address[0]}:{address[1]}")

    def _judge_name(self, name: Any) -> None:
        text = name.decode("ascii", "replace") if isinstance(name, bytes) else str(name or "")
        if text in _NAMES:
            return
        try:
            # Whatever inet_aton reads needs no look-up: 2130706433, 0x7f.1, 127.1.
            socket.inet_aton(text)
        except OSError:
            with contextlib.suppress(ValueError):
                ipaddress.ip_address(text.partition("%")[0])
                return
            self._refuse(f"look-up of {text}")

    def _refuse(self, what: str) -> None:
        (self.tried if self.recording is None else self.recording).append(what)
        raise OSError(errno.ENETUNREACH, f"tests stay on this machine: {what}")


def _stays_here(host: str) -> bool:
    if host in _NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    # A connect to no address in particular is one to this machine.
    plain = getattr(address, "ipv4_mapped", None) or address
    return plain.is_loopback or plain.is_unspecified


_guard = _Guard()
sys.addaudithook(_guard)


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    """Refuse from the first test to the last."""
    _guard.active = True
    yield
    _guard.active = False
    assert not _guard.tried, f"something outside of a test left this machine: {_guard.tried}"


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """A test that tried to leave fails, even if what it tests took the refusal for an outage."""
    yield
    tried, _guard.tried = _guard.tried, []
    assert not tried, f"this test tried to leave the machine: {tried}"


@pytest.fixture
def recorded_connects() -> Iterator[list[str]]:
    """For tests of who connects where: what leaves loopback is written here and refused, as by no network."""
    recorded: list[str] = []
    _guard.recording = recorded
    yield recorded
    _guard.recording = None
