"""New files from the reading processes: the same as in this one, and refusals that come through."""

import json
from collections.abc import AsyncIterator

import pytest

from app.documents import frames
from app.documents.answers import Crash, Written
from app.documents.errors import EncryptedFile, UnreadableFile
from app.documents.extraction import Extractor
from app.documents.operations import Operation
from app.documents.segments import Run, WordAnchor
from app.documents.writing import apply, writable
from app.settings import Settings
from app.vocabulary import Environment
from tests.documents.formatted import pseudo_translated, rich_word_file

_RICH = rich_word_file(3)


@pytest.fixture
async def extractor() -> AsyncIterator[Extractor]:
    pool = Extractor(Settings(env=Environment.DEVELOPMENT))
    pool.start()
    yield pool
    await pool.close()


async def test_a_process_gives_the_same_segments_and_the_same_file(extractor: Extractor) -> None:
    extracted = await extractor.writable(_RICH, group="tenant")
    assert extracted == writable(_RICH)
    operations = [pseudo_translated(segment) for segment in extracted.segments]
    operations.append(Operation(WordAnchor("x", 0, "", "", ""), "", (Run("x"),), client_ref="gone"))
    produced = await extractor.produce(_RICH, operations, group="tenant")
    assert produced == apply(_RICH, operations)
    assert [(each.reason, each.client_ref) for each in produced.refused] == [("no_such_place", "gone")]
    with pytest.raises(UnreadableFile):
        await extractor.produce(_RICH[:-40], operations)
    assert (await extractor.extract("a.txt", b"next")).segments[0].text == "next"


def test_a_file_of_any_length_and_any_number_of_refusals_come_in_frames_that_may_be() -> None:
    operations = [Operation(WordAnchor("x", each, "", "", ""), "", (Run("x"),)) for each in range(20_000)]
    made = apply(_RICH, operations)
    answer = Written(operations)
    heard = []
    for each in frames.produced_frames(made):
        kind, length = frames.HEAD.unpack(each[: frames.HEAD.size])
        assert length <= frames.longest(kind)
        heard.append(answer.hear(kind, each[frames.HEAD.size :]))
    assert heard[-1] == made
    assert set(heard[:-1]) == {None}


@pytest.mark.parametrize("told", [[[1, "x"]], [[-1, "x"]], [[0, "x"], [0, "y"]]])
def test_a_refusal_of_no_operation_is_not_believed(told: list[list[object]]) -> None:
    answer = Written([Operation(WordAnchor("x", 0, "", "", ""), "", ())])
    assert answer.hear(frames.REFUSALS, json.dumps(told).encode()) is None
    with pytest.raises(ValueError, match="refusals"):
        answer.hear(frames.DONE, b'{"notes": {}}')


def test_errors_and_crashes_are_heard() -> None:
    refusal = Written([]).hear(frames.ERROR, b'{"code": "encrypted_file", "message": "m"}')
    assert isinstance(refusal, EncryptedFile)
    with pytest.raises(Crash):
        Written([]).hear(frames.CRASH, b'{"error": "E", "where": "w"}')
