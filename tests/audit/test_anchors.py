"""The file of anchors: only appended, each line whole, none missing."""

import json
import threading
from pathlib import Path
from uuid import UUID

import pytest

from app.audit.anchors import AnchorFile, AnchorsUnusable
from app.core.clock import new_id

MAC = bytes(32)


def test_heads_come_back_and_the_file_only_grows(tmp_path: Path) -> None:
    path, tenant, other = tmp_path / "anchors", new_id(), new_id()
    AnchorFile(path).append([(tenant, 1, MAC), (other, 5, b"\x01" * 32)])
    before = path.read_bytes()
    AnchorFile(path).append([(tenant, 9, b"\x02" * 32)])

    assert path.read_bytes().startswith(before)
    assert path.stat().st_mode & 0o007 == 0
    heads = AnchorFile(path).heads()
    assert {key: (one.position, one.mac) for key, one in heads.items()} == {
        tenant: (9, b"\x02" * 32),
        other: (5, b"\x01" * 32),
    }


def test_a_reader_sees_what_came_since(tmp_path: Path) -> None:
    tenant = new_id()
    writer, reader = AnchorFile(tmp_path / "anchors"), AnchorFile(tmp_path / "anchors")
    assert reader.heads() == {}
    writer.append([(tenant, 1, MAC)])
    assert [one.position for one in reader.read()] == [1]
    writer.append([(tenant, 2, MAC)])
    assert [one.position for one in reader.read()] == [2]
    assert [*reader.read()] == []


@pytest.mark.parametrize("torn_at", [1, 40, -1])
def test_a_line_that_broke_off_is_written_again_and_not_missed(tmp_path: Path, torn_at: int) -> None:
    path, tenant = tmp_path / "anchors", new_id()
    AnchorFile(path).append([(tenant, 1, MAC)])
    whole = len(path.read_bytes())
    AnchorFile(path).append([(tenant, 2, MAC)])
    written = path.read_bytes()
    path.write_bytes(written[:-1] if torn_at == -1 else written[: whole + torn_at])

    AnchorFile(path).append([(tenant, 2, MAC)])
    after = AnchorFile(path)
    positions = [one.position for one in after.read()]
    assert (positions[0], positions[-1], after.gaps) == (1, 2, [])


def test_a_line_taken_out_is_missed(tmp_path: Path) -> None:
    path, tenant = tmp_path / "anchors", new_id()
    AnchorFile(path).append([(tenant, position, MAC) for position in range(1, 5)])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:1], *lines[2:]]) + "\n")

    anchors = AnchorFile(path)
    assert [one.position for one in anchors.read()] == [1, 3, 4]
    assert anchors.gaps == [2]


def test_writers_at_once_number_their_lines_without_gaps(tmp_path: Path) -> None:
    path, tenants = tmp_path / "anchors", [new_id() for _ in range(4)]

    def write(tenant: UUID) -> None:
        mine = AnchorFile(path)
        for position in range(1, 26):
            mine.append([(tenant, position, MAC)])

    threads = [threading.Thread(target=write, args=(tenant,)) for tenant in tenants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    anchors = AnchorFile(path)
    assert {one.position for one in anchors.heads().values()} == {25}
    assert (anchors.lines, anchors.gaps) == (100, [])
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [*range(1, 101)]


def test_a_place_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(AnchorsUnusable, match="SWITCHBOARD_AUDIT_ANCHORS"):
        AnchorFile(tmp_path / "missing" / "anchors").append([(new_id(), 1, MAC)])
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AnchorsUnusable):
        AnchorFile(tmp_path / "link").append([(new_id(), 1, MAC)])
