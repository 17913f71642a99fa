"""Memory of one real API process while eight files of 90 MB come at once, by either door.

pytest -o addopts= -s tests/benchmarks/bench_upload_memory.py
"""

import asyncio

import pytest

from tests.documents.files import bulky_word_file
from tests.documents.hostile_door import api_process, in_session, simply
from tests.entra import ADA, GRACE
from tests.house import House

_SIZE_BYTES = 90 * 2**20
_OF_EACH_TENANT = 4


@pytest.mark.processes
async def test_memory_of_eight_uploads_at_once(house: House) -> None:
    content = bulky_word_file(_SIZE_BYTES)
    print("\n| door | answers | seconds | API CPU s | API MB at rest | API MB at most | reader MB at most |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for door_name, send in (("simple upload", simply), ("upload session", in_session)):
        async with api_process(house) as door:
            clients = [door.signed_in(house.entra.token(login)) for login in (ADA, GRACE)]
            await in_session(door.client, "a.txt", b"warm")
            async with door.watch() as seen:
                answers = await asyncio.gather(
                    *(send(client, "a.docx", content) for client in clients for _ in range(_OF_EACH_TENANT))
                )
            statuses = sorted({answer.status_code for answer in answers})
            print(
                f"| {door_name} | {statuses} | {seen.seconds:.1f} | {seen.cpu_seconds:.1f}"
                f" | {seen.api_before / 2**20:.0f} | {seen.api / 2**20:.0f} | {seen.child / 2**20:.0f} |"
            )
            for client in clients:
                await client.aclose()
