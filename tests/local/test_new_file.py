from pathlib import Path

import pytest

from app.local.new_file import new_file


def _broken(path: Path) -> None:
    with new_file(path) as lines:
        lines.write("half of it")
        lines.flush()
        assert not path.exists()
        raise RuntimeError


def _overtaken(path: Path) -> None:
    with new_file(path) as lines:
        lines.write("ours")
        path.write_text("meanwhile")


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with pytest.raises(RuntimeError):
        _broken(path)
    assert list(tmp_path.iterdir()) == []

    with new_file(path) as lines:
        lines.write("all of it\n")
    assert path.read_text() == "all of it\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_somebodys_evidence(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text("before")
    with pytest.raises(FileExistsError), new_file(path):
        pytest.fail("refused before the work")
    path.unlink()
    with pytest.raises(FileExistsError):
        _overtaken(path)
    assert path.read_text() == "meanwhile"
    assert list(tmp_path.iterdir()) == [path]
