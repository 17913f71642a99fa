"""The hostile corpus through the real door of a real API process, with its cost."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.documents.hostile import CORPUS
from tests.documents.hostile_door import SMALL_BYTES, Outcome, api_process, in_session
from tests.documents.uploading import Upload, begin
from tests.house import House

_MOST_API_MB = 64
"""Above its rest: pieces of 4 MiB and what the allocator keeps of them, for files of up to 90 MB."""
_MOST_CHILD_MB = 400
"""The largest files, 90 MB, are whole there."""


def _complaints(one: Outcome) -> list[str]:
    found = []
    if (one.status, one.code) != (one.file.status, one.file.code):
        found.append(f"answered {one.status} {one.code}")
    # The clock also counts what other processes of the machine do.
    if one.cpu_seconds > 1.0:
        found.append(f"took {one.cpu_seconds:.2f} s of CPU")
    if one.api_mb > _MOST_API_MB:
        found.append(f"cost the API {one.api_mb:.0f} MB")
    if one.child_mb > _MOST_CHILD_MB:
        found.append(f"cost the reader {one.child_mb:.0f} MB")
    if one.code and not ({";", "."} & set(one.message)):
        found.append("says nothing")
    return [f"{one.file.kind}: {each}" for each in found]


@pytest.mark.processes
@pytest.mark.timeout(240)
async def test_every_hostile_file_is_refused_or_harmless_at_once_and_costs_next_to_nothing(
    house: House,
) -> None:
    complaints: list[str] = []
    async with api_process(house) as door:
        assert (await in_session(door.client, "a.txt", b"warm")).status_code == 201
        for file in CORPUS:
            complaints += _complaints(await door.send(file))
        # Whatever came before, the next document is read.
        assert (await in_session(door.client, "a.txt", b"next")).status_code == 201
    assert complaints == []


@pytest.mark.processes
async def test_both_doors_answer_hostile_files_alike(house: House) -> None:
    for file in CORPUS:
        content = file.make()
        if len(content) > SMALL_BYTES:
            continue
        answer = await house.client().post("/documents", params={"name": file.name}, content=content)
        code = answer.json().get("error", {"code": ""})["code"]
        assert (answer.status_code, code) == (file.status, file.code), file.kind


async def test_formulas_come_back_as_the_text_that_they_are(house: House) -> None:
    upload = await begin(house.client(), "a.txt", b"=cmd|' /C calc'!A0,+1")
    document = (await upload.put(0, len(upload.content))).json()
    assert (document["media_type"], document["segments"]) == ("text/plain", 1)


@pytest.mark.processes
async def test_an_upload_goes_on_after_the_api_was_killed_in_the_middle_of_a_part(house: House) -> None:
    piece = 4 * 2**20
    content = b"The harbour was closed for three days.\n" * (3 * piece // 39)
    async with api_process(house) as door:
        upload = await begin(door.client, "a.txt", content, checksum=True)
        size = len(content)

        async def breaking() -> AsyncIterator[bytes]:
            yield content[: piece + 1]
            # The rest never comes: the process goes first, once it has kept what it has.
            while (await upload.status())["received_bytes"] < piece:
                pass
            door.process.kill()
            yield content[piece + 1 :]

        with pytest.raises(httpx.TransportError):
            await door.client.put(
                upload.path, content=breaking(), headers={"Content-Range": f"bytes 0-{size - 1}/{size}"}
            )
    async with api_process(house) as door:
        resumed = Upload(door.client, content, upload.session)
        status = await resumed.status()
        assert status["next_expected_ranges"] == [f"{piece}-{size - 1}"]
        assert (await resumed.put(piece, size)).status_code == 201
