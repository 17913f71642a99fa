"""What hostile files cost: through the door of a real API process, each in an upload session.

pytest -o addopts= -s tests/benchmarks/bench_hostile.py
"""

import pytest

from tests.documents.hostile import CORPUS
from tests.documents.hostile_door import api_process, in_session
from tests.house import House


@pytest.mark.processes
async def test_hostile_files(house: House) -> None:
    async with api_process(house) as door:
        await in_session(door.client, "a.txt", b"warm")
        print(
            "\n| file | bytes | status | error code | seconds | CPU s | API MB more | reader MB | |\n"
            "|---|--:|--:|---|--:|--:|--:|--:|---|"
        )
        for file in CORPUS:
            one = await door.send(file)
            print(
                f"| {file.kind} | {one.size_bytes:,} | {one.status} | {one.code or '-'} | {one.seconds:.2f}"
                f" | {one.cpu_seconds:.2f} | {one.api_mb:.0f} | {one.child_mb:.0f} | {file.harmless} |"
            )
