"""Memory of one real API process while two tenants send eight files of 90 MB at once, by either door.

Two tenants get six of its eight places; who is refused comes again when the answer says, as clients do.

pytest -o addopts= -s tests/benchmarks/bench_upload_memory.py
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.documents.files import bulky_word_file
from tests.documents.hostile_door import api_process, in_session, simply
from tests.entra import ADA, ALAN, EDSGER, GRACE
from tests.house import House

_SIZE_BYTES = 90 * 2**20
_OF_EACH_PERSON = 2
Send = Callable[[httpx.AsyncClient, str, bytes], Awaitable[httpx.Response]]


async def taken(send: Send, client: httpx.AsyncClient, content: bytes, seen: Counter[int]) -> None:
    """Send until it is taken."""
    while True:
        answer = await send(client, "a.docx", content)
        seen[answer.status_code] += 1
        if answer.status_code != 429:
            return
        await asyncio.sleep(float(answer.headers["Retry-After"]))


@pytest.mark.processes
async def test_memory_of_eight_uploads_at_once(house: House) -> None:
    content = bulky_word_file(_SIZE_BYTES)
    print("\n| door | answers | seconds | API CPU s | API MB at rest | API MB at most | reader MB at most |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for door_name, send in (("simple upload", simply), ("upload session", in_session)):
        async with api_process(house) as door:
            clients = [door.signed_in(house.entra.token(login)) for login in (ADA, ALAN, GRACE, EDSGER)]
            await in_session(door.client, "a.txt", b"warm")
            answers: Counter[int] = Counter()
            async with door.watch() as seen:
                await asyncio.gather(
                    *(
                        taken(send, client, content, answers)
                        for client in clients
                        for _ in range(_OF_EACH_PERSON)
                    )
                )
            told = ", ".join(f"{count} x {status}" for status, count in sorted(answers.items()))
            print(
                f"| {door_name} | {told} | {seen.seconds:.1f} | {seen.cpu_seconds:.1f}"
                f" | {seen.api_before / 2**20:.0f} | {seen.api / 2**20:.0f} | {seen.child / 2**20:.0f} |"
            )
            for client in clients:
                await client.aclose()
