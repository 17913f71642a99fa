import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.local.client import Client, ClientError
from app.local.saving import check_output, save_file
from tests.local.door import Answer, Door, opened

_JOB: dict[str, Any] = {"id": "7", "result": {"file": {"name": "memo.de.docx"}}}


@pytest.fixture
def door() -> Iterator[Door]:
    with opened() as door:
        door.answers["GET /addin/v1/jobs/7/file"] = [Answer("the file")]
        yield door


@pytest.fixture
def client(door: Door) -> Iterator[Client]:
    with Client(door.api, "a-token") as client:
        yield client


def test_a_file_goes_under_its_name_beside_what_is_there(client: Client, tmp_path: Path) -> None:
    (tmp_path / "memo.de.docx").write_text("somebody's")
    for name in ("memo.de (2).docx", "memo.de (3).docx"):
        assert save_file(client, _JOB, output=None, folder=tmp_path) == tmp_path / name
        assert (tmp_path / name).read_bytes() == b"the file"
    assert (tmp_path / "memo.de.docx").read_text() == "somebody's"


def test_a_file_goes_where_it_is_wanted_and_over_nothing(client: Client, tmp_path: Path) -> None:
    wanted = tmp_path / "mine.docx"
    assert save_file(client, _JOB, output=wanted, folder=tmp_path) == wanted
    wanted.write_text("changed since")
    with pytest.raises(
        ClientError, match=r"mine.docx cannot be written: .* `switchboard job 7 --output FILE`"
    ):
        save_file(client, _JOB, output=wanted, folder=tmp_path)
    assert wanted.read_text() == "changed since"
    assert list(tmp_path.iterdir()) == [wanted]


def test_a_name_with_a_way_out_of_the_folder_stays_in_it(client: Client, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    job = {**_JOB, "result": {"file": {"name": f"..{os.sep}a\x1b.docx"}}}
    assert save_file(client, job, output=None, folder=inside) == inside / "a.docx"
    assert list(tmp_path.iterdir()) == [inside]


def test_only_what_is_there_and_wanted_is_fetched(door: Door, client: Client, tmp_path: Path) -> None:
    assert save_file(client, {"id": "7", "result": {"file": None}}, output=None, folder=tmp_path) is None
    assert save_file(client, {"id": "7", "result": None}, output=None, folder=tmp_path) is None
    assert save_file(client, _JOB, output=None, folder=None) is None
    assert door.asked == []
    with pytest.raises(ClientError, match="has made no file"):
        save_file(client, {"id": "7", "result": {}}, output=tmp_path / "a.docx", folder=None)


def test_a_place_for_a_file_is_checked_before_anything_starts(tmp_path: Path) -> None:
    check_output(tmp_path / "new.docx")
    for output, words in ((tmp_path, "is there already"), (tmp_path / "a" / "b.docx", "no folder")):
        with pytest.raises(ClientError, match=words):
            check_output(output)
