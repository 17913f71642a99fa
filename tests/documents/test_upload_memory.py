"""What large files cost the memory of a real API process, of which none may ever be whole there."""

import asyncio

import pytest

from tests.documents.files import bulky_word_file
from tests.documents.hostile_door import api_process, in_session, simply
from tests.house import House

_SIZE_BYTES = 40 * 2**20
_AT_ONCE = 3
"""As many as one person may send."""
_MOST_MB_EACH = 36
"""Pieces of 4 MiB on their way: arriving, cut, sealed, and in the buffers of the database's client.

26 to 32 MB were seen: how many freed pieces the allocator keeps varies. A file that was whole would be more.
"""


@pytest.mark.processes
async def test_large_files_that_come_at_once_cost_a_few_pieces_each(house: House) -> None:
    content = bulky_word_file(_SIZE_BYTES)
    async with api_process(house) as door:
        assert (await in_session(door.client, "a.txt", b"warm")).status_code == 201
        async with door.watch() as seen:
            answers = await asyncio.gather(*(simply(door.client, "a.docx", content) for _ in range(_AT_ONCE)))
    assert [answer.status_code for answer in answers] == [201] * _AT_ONCE
    assert (seen.api - seen.api_before) / 2**20 < _AT_ONCE * _MOST_MB_EACH
