"""Outbound HTTP for model clients: no proxy or key from the environment, no redirect, no private address.

A tenant may not make us call into our own network, by a name that resolves there later either: see
`app.core.outbound`. The platform's own endpoints may be private.
"""

import ssl
from collections.abc import AsyncIterator
from functools import cache
from typing import cast

import aiohttp
import httpx2
import openai
from openai._vendor.httpx_aiohttp.transport import AiohttpTransport  # the only door to the connector

from app.core.endpoints import tenant_endpoint
from app.core.outbound import CONNECT_SECONDS, AddressNotAllowed, connector

MOST_BYTES = 64 * 1024 * 1024
"""Of one answer: a stream of 128,000 tokens, each in an event of its own, has some 45 MB."""


def http_client(
    *, private_allowed: bool, resolver: aiohttp.abc.AbstractResolver | None = None
) -> httpx2.AsyncClient:
    """An asynchronous client on aiohttp, to be closed on the loop that uses it."""

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector(private_allowed=private_allowed, resolver=resolver), trust_env=False
        )

    timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
    kind = _BoundedTransport if private_allowed else _TenantTransport
    transport = kind(trust_env=False, client=session, verify=_trust())
    return openai.DefaultAioHttpClient(
        trust_env=False, follow_redirects=False, timeout=timeout, transport=transport
    )


@cache
def _trust() -> ssl.SSLContext:
    """Shared by all clients of the process: to load the list of authorities takes 15 ms."""
    return httpx2.create_ssl_context(trust_env=False)


class _BoundedTransport(AiohttpTransport):
    """Takes no answer that would fill this process, which other tenants' calls share.

    Nor a compressed one: a few hundred kilobytes become a gigabyte when they are unpacked.
    """

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request. Raises: `httpx2.DecodingError`."""
        request.headers["Accept-Encoding"] = "identity"
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the answer is compressed, unasked", request=request)
        response.stream = _Bounded(cast("httpx2.AsyncByteStream", response.stream), request)
        return response


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, request: httpx2.Request) -> None:
        self._stream = stream
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for chunk in self._stream:
            taken += len(chunk)
            if taken > MOST_BYTES:
                raise httpx2.DecodingError("the answer is too large", request=self._request)
            yield chunk

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()


class _TenantTransport(_BoundedTransport):
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
