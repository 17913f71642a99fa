"""Outbound HTTP for model clients: no proxy or key from the environment, no redirect, no private address.

A tenant may not make us call into our own network, by a name that resolves there later either: see
`app.core.outbound`. The platform's own endpoints may be private.
"""

import ssl
from functools import cache

import aiohttp
import httpx2
import openai
from openai._vendor.httpx_aiohttp.transport import AiohttpTransport  # the only door to the connector

from app.core.endpoints import tenant_endpoint
from app.core.outbound import CONNECT_SECONDS, AddressNotAllowed, connector


def http_client(
    *, private_allowed: bool, resolver: aiohttp.abc.AbstractResolver | None = None
) -> httpx2.AsyncClient:
    """An asynchronous client on aiohttp, to be closed on the loop that uses it."""

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector(private_allowed=private_allowed, resolver=resolver), trust_env=False
        )

    timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
    kind = AiohttpTransport if private_allowed else _TenantTransport
    transport = kind(trust_env=False, client=session, verify=_trust())
    return openai.DefaultAioHttpClient(
        trust_env=False, follow_redirects=False, timeout=timeout, transport=transport
    )


@cache
def _trust() -> ssl.SSLContext:
    """Shared by all clients of the process: to load the list of authorities takes 15 ms."""
    return httpx2.create_ssl_context(trust_env=False)


class _TenantTransport(AiohttpTransport):
    """Sends only to what a tenant may configure, whatever made the address of the request."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request. Raises: `httpx2.UnsupportedProtocol`."""
        try:
            tenant_endpoint(str(request.url))
        except AddressNotAllowed as error:
            raise httpx2.UnsupportedProtocol(error.message, request=request) from error
        return await super().handle_async_request(request)


def unused_client() -> httpx2.Client:
    """A synchronous client that cannot send: LangChain makes one of its own unless it is given one."""

    def refuse(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.UnsupportedProtocol("models are called asynchronously")

    return httpx2.Client(trust_env=False, transport=httpx2.MockTransport(refuse))
