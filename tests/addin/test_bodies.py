"""A body has to go on arriving: whoever holds a place for it without sending gives it up."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import Request

from app.addin.bodies import arriving
from app.core.errors import BadRequest


def request(pieces: AsyncIterator[bytes]) -> Request:
    """A request whose body comes as the pieces do, and never ends by itself."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": await anext(pieces), "more_body": True}

    return Request({"type": "http", "method": "PUT", "headers": []}, receive)


async def take(body: AsyncIterator[bytes], into: list[bytes], *, seconds_a_piece: float = 0.0) -> None:
    """Work on each piece for so long."""
    async for piece in body:
        into.append(piece)
        await asyncio.sleep(seconds_a_piece)


async def test_a_sender_that_falls_silent_is_let_go() -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield b"begun"
        await asyncio.Event().wait()

    body = arriving(request(silent()), late="Too late.", idle_seconds=0.02)
    assert await anext(body) == b"begun"
    with pytest.raises(BadRequest, match="Too late"):
        await anext(body)


async def test_a_sender_that_drips_is_let_go_although_it_is_never_silent() -> None:
    async def dripping() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.005)
            yield b"x"

    received: list[bytes] = []
    with pytest.raises(BadRequest, match="Too late"):
        await take(arriving(request(dripping()), late="Too late.", idle_seconds=0.05), received)
    assert 0 < len(received) <= 12


async def test_what_was_sent_at_once_earns_time_and_our_own_work_costs_none() -> None:
    async def bursts() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(100)
            await asyncio.sleep(0.04)

    received: list[bytes] = []
    body = arriving(request(bursts()), late="Too late.", idle_seconds=0.06, fewest_bytes_a_second=2_000)
    with pytest.raises(RuntimeError):  # the pieces are over
        await take(body, received, seconds_a_piece=0.07)
    assert len(received) == 4
