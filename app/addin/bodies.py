"""Bodies that are read as they arrive, by handlers that pass each piece on at once."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.core.errors import BadRequest

BODY_SECONDS = 120.0
IDLE_SECONDS = 15.0
"""Without a byte for so long, a sender gives its place to somebody else."""
FEWEST_BYTES_A_SECOND = 32 * 2**10
"""Once `IDLE_SECONDS` have passed, on the average of all that it took to arrive: a poor telephone's rate."""


async def arriving(
    request: Request,
    *,
    late: str,
    idle_seconds: float = IDLE_SECONDS,
    fewest_bytes_a_second: float = FEWEST_BYTES_A_SECOND,
) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises: `BadRequest`, which says `late`, if its sender is too slow or gone.

    Only the time in which we wait for the sender counts, never that of writing what has arrived.
    """
    clock = asyncio.get_running_loop().time
    stream = request.stream()
    waited, received = 0.0, 0
    try:
        while True:
            began = clock()
            # So much time has whoever sent so much; every sender has the first seconds.
            earned = max(idle_seconds, received / fewest_bytes_a_second)
            async with asyncio.timeout(min(idle_seconds, earned - waited, BODY_SECONDS - waited)):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            waited += clock() - began
            received += len(chunk)
            yield chunk
    except (TimeoutError, ClientDisconnect):
        raise BadRequest(late, target="content") from None
