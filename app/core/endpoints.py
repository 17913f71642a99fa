"""Addresses that tenants configure, such as a model's endpoint: which are taken at all, before any look-up.

Only what every parser reads in the same way: https, a canonical host, a port of no well-known service. Where
a name leads is judged when the socket is made, in `app.core.outbound`; this keeps what is plainly wrong out
of the configuration and out of requests.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from app.core.outbound import AddressNotAllowed, is_public

_LONGEST = 2048
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes a host an IPv4 address. Source: WHATWG URL, "ends in a number"."""
_OWN_NETWORK = frozenset(
    {"localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private", "arpa"}
)
"""Last labels of names that only a network of one's own answers for. Sources: RFC 6761, RFC 6762, ICANN."""
_HTTPS_PORT, _FIRST_UNPRIVILEGED = 443, 1024


def tenant_endpoint(url: str) -> SplitResult:
    """The parts of an address that a tenant may configure. Raises: `AddressNotAllowed`."""
    if len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise AddressNotAllowed("it holds characters that no address holds")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressNotAllowed("it cannot be read") from None
    if parts.scheme != "https":
        raise AddressNotAllowed("it is not https")
    if "@" in parts.netloc or "%" in parts.netloc:
        raise AddressNotAllowed("its host cannot be read")
    if parts.fragment:
        raise AddressNotAllowed("it names a part of a page")
    if port is not None and port != _HTTPS_PORT and port < _FIRST_UNPRIVILEGED:
        raise AddressNotAllowed("its port belongs to another service")
    _check_host(parts.hostname or "", is_bracketed="[" in parts.netloc)
    return parts


def _check_host(host: str, *, is_bracketed: bool) -> None:
    if is_bracketed or _NUMERIC.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        _check_literal(host)
        return
    # A dot at the end means the same name to a resolver, and another one to a list or a certificate.
    if not _NAME.fullmatch(host):
        raise AddressNotAllowed("its host is not the full name of a host on the internet")
    if host.rpartition(".")[2] in _OWN_NETWORK:
        raise AddressNotAllowed("its host is a name of a private network")


def _check_literal(host: str) -> None:
    try:
        # Stricter than resolvers are: four decimal numbers without leading zeros, or IPv6.
        parsed = ipaddress.ip_address(host)
    except ValueError:
        raise AddressNotAllowed("its host is a number that is not written as an IP address") from None
    if not is_public(str(parsed)):
        raise AddressNotAllowed("it leads into a private network")
