"""Outbound HTTP to addresses that others chose: tenants' endpoints, and where a redirect leads.

A name may resolve to our own network later, so its addresses are judged as it is looked up and once more when
the socket is made, and that very address is the one connected to. A name that has one address inside is
refused as a whole: whoever keeps it wants to get in, or is mistaken. No proxy or key from the environment, no redirect that is followed.
The platform's own endpoints may be private; tenants' may not. There is no synchronous client for such addresses.
"""

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from app.core.errors import TemporarilyUnavailable, TooLarge, Unprocessable

CONNECT_SECONDS = 5.0
_MOST_CONNECTIONS = 200
_PIECE = 64 * 1024
_REFUSED = "the endpoint's address is not on the public internet"
_ALLOCATED = ipaddress.IPv6Network("2000::/3")
_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-")
# Beyond what `is_global` knows: a 6to4 address holds an IPv4 address that may be private (RFC 3056), and
# 192.88.99.0/24 was the way to the relays that unpack it; 192.0.0.0/24 is for protocols (RFC 6890), of which
# older Pythons know a part, and holds Oracle's metadata; 168.63.129.16 is the host of every virtual machine
# in Azure. Source for that: Microsoft, "What is IP address 168.63.129.16?".
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_NEVER = tuple(map(ipaddress.IPv4Network, ("192.88.99.0/24", "192.0.0.0/24", "168.63.129.16/32")))


class AddressRefused(OSError):
    """A tenant's endpoint is on a private network."""


class AddressNotAllowed(Unprocessable):
    """An address that we do not fetch, whatever is behind it."""

    code = "address_not_allowed"
    title = "We do not fetch from there"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The address is not one that we fetch from: {reason}.", inner_code="address")


class DownloadTooLarge(TooLarge):
    """The download has more bytes than we take."""

    code = "download_too_large"
    title = "The download is too large"

    def __init__(self, largest_bytes: int) -> None:
        super().__init__(f"The file has more than {largest_bytes // 2**20} MB; split it.")


class DownloadFailed(TemporarilyUnavailable):
    """The other side did not give the file."""

    code = "download_failed"
    title = "The file could not be fetched"

    def __init__(self, status: int | None = None) -> None:
        said = "gave no answer" if status is None else f"answered {status}"
        super().__init__(f"Whoever keeps the file {said}; try again shortly.", retry_after_seconds=5)
        self.answered = status


def is_public(address: str) -> bool:
    """Whether packets to it can only leave for the internet.

    Of IPv6 only what is allocated (RFC 4291): outside are NAT64, IPv4-mapped and IPv4-compatible forms,
    which `is_global` lets pass although they hold an IPv4 address that may be private.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if not parsed.is_global or parsed.is_multicast:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _NEVER)
    return parsed in _ALLOCATED and parsed not in _SIX_TO_FOUR


class PublicResolver(AbstractResolver):
    """Looks names up, and refuses as a whole those that lead inside by any of their addresses."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises: `AddressRefused`, `OSError` where there are none."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(one["host"]) for one in found):
            raise AddressRefused(_REFUSED)
        return found

    async def close(self) -> None:
        """Let go of what looks names up."""
        await self._resolver.close()


class LoopbackResolver(AbstractResolver):
    """Every name is this machine: for development, where others' addresses are tried and nothing leaves."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """127.0.0.1, whatever the name."""
        here = ResolveResult(
            hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0
        )
        return [here]

    async def close(self) -> None:
        """Nothing is held."""


def public_socket(address: Any) -> socket.socket:
    """A socket for an address (as `getaddrinfo` gives it) of the public internet. Raises: `AddressRefused`."""
    family, kind, protocol, _name, where = address
    if not is_public(where[0]):
        raise AddressRefused(_REFUSED)
    return socket.socket(family, kind, protocol)


def connector(
    *,
    private_allowed: bool,
    ca: Path | None = None,
    resolver: AbstractResolver | None = None,
    most_connections: int = _MOST_CONNECTIONS,
) -> aiohttp.TCPConnector:
    """What clients connect by; to be closed on the loop that uses it."""
    return aiohttp.TCPConnector(
        limit=most_connections,
        keepalive_timeout=30.0,
        ssl=_trust(ca),
        resolver=resolver if private_allowed else PublicResolver(resolver),
        socket_factory=None if private_allowed else public_socket,
    )


def allowed_address(
    url: str, *, allowed_hosts: Collection[str], private_allowed: bool = False
) -> SplitResult:
    """The parts of an address on the list of hosts. Raises: `AddressNotAllowed`.

    An entry that begins with a dot allows every name under it, any other exactly itself. Only https, only
    the port of https unless `private_allowed`; nothing that two parsers could read differently.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressNotAllowed("it cannot be read") from None
    host = parts.hostname or ""
    if parts.scheme != "https":
        raise AddressNotAllowed("it is not https")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise AddressNotAllowed("it holds characters that no address holds")
    if "@" in parts.netloc or not set(host) <= _HOST_CHARACTERS or host.startswith(".") or host.endswith("."):
        raise AddressNotAllowed("its host cannot be read")
    if port not in (None, 443) and not private_allowed:
        raise AddressNotAllowed("it names a port")
    if not any(_matches(host, entry.lower()) for entry in allowed_hosts):
        raise AddressNotAllowed("its host is not on the list")
    return parts


def _matches(host: str, entry: str) -> bool:
    return host.endswith(entry) if entry.startswith(".") else host == entry


@asynccontextmanager
async def open_download(
    url: str,
    *,
    allowed_hosts: Collection[str],
    largest_bytes: int,
    seconds: float = 60.0,
    ca: Path | None = None,
    private_allowed: bool = False,
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes behind a pre-authenticated address, piece by piece: one hop, no Authorization, no cookies.

    Raises: `AddressNotAllowed`, `DownloadTooLarge`, `DownloadFailed`, also while the pieces are read.
    """
    allowed_address(url, allowed_hosts=allowed_hosts, private_allowed=private_allowed)
    timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector(private_allowed=private_allowed, ca=ca, resolver=resolver),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=timeout,
                trust_env=False,
                # What is packed would count only once it is unpacked.
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
            ) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise DownloadFailed(answer.status)
            if answer.content_length is not None and answer.content_length > largest_bytes:
                raise DownloadTooLarge(largest_bytes)
            yield _bounded(answer, largest_bytes)
    except (aiohttp.ClientError, TimeoutError) as error:
        if was_refused(error):
            raise AddressNotAllowed("it leads into a private network") from None
        raise DownloadFailed from None


async def _bounded(answer: aiohttp.ClientResponse, largest_bytes: int) -> AsyncIterator[bytes]:
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadFailed(answer.status)
    seen = 0
    async for piece in answer.content.iter_chunked(_PIECE):
        seen += len(piece)
        if seen > largest_bytes:
            raise DownloadTooLarge(largest_bytes)
        yield piece


def was_refused(error: BaseException) -> bool:
    """Whether a client's error means that an address was not public, so that nothing was connected to."""
    return isinstance(_cause(error), AddressRefused)


def _cause(error: BaseException) -> BaseException:
    """The address refused somewhere behind an error of the client, or the error itself."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, AddressRefused):
            return seen
        seen = getattr(seen, "os_error", None) or seen.__cause__ or seen.__context__
    return error


def _trust(ca: Path | None) -> ssl.SSLContext | bool:
    return True if ca is None else ssl.create_default_context(cafile=str(ca))
