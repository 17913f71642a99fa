"""Outbound HTTP for model clients: no proxy or key from the environment, no redirect, no private address.

A tenant may not make us call into our own network, by a name that resolves there later either, so the
address is judged when the socket is made. The platform's own endpoints may be private.
"""

import ipaddress
import socket
from typing import Any

import aiohttp
import httpx2
import openai
from openai._vendor.httpx_aiohttp.transport import AiohttpTransport  # the only door to the connector

CONNECT_SECONDS = 5.0
_MOST_CONNECTIONS = 200
_ALLOCATED = ipaddress.IPv6Network("2000::/3")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")


class AddressRefused(OSError):
    """A tenant's endpoint is on a private network."""


def public_socket(address: Any) -> socket.socket:
    """A socket for an address (as `getaddrinfo` gives it) of the public internet. Raises: `AddressRefused`."""
    family, kind, protocol, _name, where = address
    if not _is_public(where[0]):
        raise AddressRefused("the endpoint's address is not on the public internet")
    return socket.socket(family, kind, protocol)


def _is_public(address: str) -> bool:
    """Whether packets to it can only leave for the internet.

    Of IPv6 only what is allocated (RFC 4291): outside are NAT64, IPv4-mapped and IPv4-compatible forms,
    which `is_global` lets pass although they hold an IPv4 address that may be private.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if not parsed.is_global or parsed.is_multicast:
        return False
    return isinstance(parsed, ipaddress.IPv4Address) or (parsed in _ALLOCATED and parsed not in _SIX_TO_FOUR)


def http_client(*, private_allowed: bool) -> httpx2.AsyncClient:
    """An asynchronous client on aiohttp, to be closed on the loop that uses it."""

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=_MOST_CONNECTIONS,
            keepalive_timeout=30.0,
            socket_factory=None if private_allowed else public_socket,
        )
        return aiohttp.ClientSession(connector=connector, trust_env=False)

    timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
    transport = AiohttpTransport(trust_env=False, client=session)
    return openai.DefaultAioHttpClient(
        trust_env=False, follow_redirects=False, timeout=timeout, transport=transport
    )


def unused_client() -> httpx2.Client:
    """A synchronous client that cannot send: LangChain makes one of its own unless it is given one."""

    def refuse(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.UnsupportedProtocol("models are called asynchronously")

    return httpx2.Client(trust_env=False, transport=httpx2.MockTransport(refuse))
