"""A reading process that a file has taken over: what it says is bounded, and believed only if ours says such."""

import asyncio
import json
import sys

import pytest

from app.documents import extraction, frames
from app.documents.errors import UnreadableFile
from app.documents.extraction import Extractor
from app.documents.reading import read
from app.settings import Settings
from app.vocabulary import Environment
from tests.canaries import logged

_TAKEN_OVER = """
import sys
from app.documents import frames
out = sys.stdout.buffer
out.write(frames.frame(frames.READY, b""))
out.flush()
sys.stdin.buffer.read(1)
{then}
out.flush()
sys.stdin.buffer.read()
"""
_SAYS = {
    "a frame of four gigabytes": "out.write(frames.HEAD.pack(frames.SEGMENTS, 2**32 - 1))",
    "a sentence of a megabyte": "out.write(frames.HEAD.pack(frames.ERROR, 2**20))",
    "a kind of its own": "out.write(frames.frame(b'?', b''))",
    "a refusal that there is not": 'out.write(frames.json_frame(frames.ERROR, {"code": "a", "message": "Q"}))',
    "no JSON": "out.write(frames.frame(frames.DONE, b'Quux'))",
    "another shape": "out.write(frames.frame(frames.DONE, b'[1]'))",
    "segments without end": "row = b'[' + b' ' * 2**20 + b']'\nwhile True: out.write(frames.frame(b'S', row))",
}


@pytest.mark.parametrize("says", _SAYS.values(), ids=_SAYS)
async def test_what_none_of_our_processes_says_ends_it_and_refuses_the_file(
    monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    ours = extraction._spawn

    async def spawn(_memory_bytes: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _TAKEN_OVER.format(then=says),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=extraction._ROOT,
        )

    monkeypatch.setattr(extraction, "_spawn", spawn)
    settings = Settings(env=Environment.DEVELOPMENT)
    extractor = Extractor(settings.model_copy(update={"extraction_memory_bytes": 8 * 2**20}))
    with logged() as written, pytest.raises(UnreadableFile):
        async with asyncio.timeout(20):
            await extractor.extract("a.txt", b"text")
    assert "reading process not believed" in written.getvalue()
    monkeypatch.setattr(extraction, "_spawn", ours)
    await extractor.close()


def test_the_largest_frames_of_ours_are_within_the_bounds() -> None:
    worst = '"€' * 2_000
    found = read("a.md", "".join(f"{'#' * level} {worst}\n\n" for level in range(1, 7)).encode() * 60)
    assert max(map(len, frames.segment_frames(found.segments))) < frames.LONGEST_SEGMENTS / 2
    assert len(json.dumps({"message": "x" * 1000})) < frames.LONGEST_WORDS
