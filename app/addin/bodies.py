"""Bodies that are read as they arrive, by handlers that pass each piece on at once."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.core.errors import BadRequest

BODY_SECONDS = 120.0


async def arriving(request: Request, *, late: str) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises: `BadRequest`, which says `late`, if its sender is too slow or gone.

    The time ends waiting only, never the writing of what has arrived.
    """
    until = asyncio.get_running_loop().time() + BODY_SECONDS
    stream = request.stream()
    try:
        while True:
            async with asyncio.timeout_at(until):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            yield chunk
    except (TimeoutError, ClientDisconnect):
        raise BadRequest(late, target="content") from None
