"""A receiver of webhooks over TLS on loopback, written from the specification alone (Standard Webhooks 1.0.0)."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web

HOST = "hooks.contoso.example"


@dataclass
class Received:
    """A message whose signature was right, or not."""

    id: str
    path: str
    verified: bool
    body: dict[str, Any]
    headers: dict[str, str]
    raw: bytes


@dataclass
class Receiver:
    """Answers with `status`; while `holding` it does not answer at all."""

    ca: Path
    port: int = 0
    secret: str = ""
    status: int = 200
    answer_headers: dict[str, str] = field(default_factory=dict)
    holding: asyncio.Event | None = None
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}/hook"

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.received.append(
            Received(
                request.headers["webhook-id"],
                request.path,
                self.verifies(dict(request.headers), body),
                json.loads(body),
                {name.lower(): value for name, value in request.headers.items()},
                body,
            )
        )
        if self.holding is not None:
            await self.holding.wait()
        return web.Response(status=self.status, headers=self.answer_headers)

    def verifies(self, headers: dict[str, str], body: bytes) -> bool:
        """Key: what follows `whsec_`, in base64. Signed: id, timestamp, body, joined by dots."""
        key = base64.b64decode(self.secret.split("_", 1)[1])
        message = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
        expected = base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()
        return any(
            hmac.compare_digest(one, f"v1,{expected}") for one in headers["webhook-signature"].split(" ")
        )


@asynccontextmanager
async def receiving(folder: Path) -> AsyncIterator[Receiver]:
    """A running receiver with a certificate of its own authority."""
    authority = trustme.CA()
    ca = folder / "receiver-ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(context)
    receiver = Receiver(ca)
    app = web.Application()
    app.router.add_post("/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        receiver.port = runner.addresses[0][1]
        yield receiver
    finally:
        if receiver.holding is not None:
            receiver.holding.set()
        await runner.cleanup()
