"""Rules of the house that a linter does not know."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = [
    path for folder in ("app", "workers", "migrations") for path in sorted((ROOT / folder).rglob("*.py"))
]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_file_is_too_long_to_read() -> None:
    assert [str(path) for path in PYTHON if lines(path) > 400 and "versions" not in path.parts] == []
    assert [str(path) for path in TESTS if lines(path) > 600] == []


def test_most_files_are_short() -> None:
    lengths = sorted(lines(path) for path in PYTHON if "versions" not in path.parts)
    assert lengths[len(lengths) // 2] <= 150
    assert lengths[int(len(lengths) * 0.9)] <= 300


def test_every_room_has_its_card() -> None:
    for card in sorted((ROOT / "app").glob("*/__init__.py")):
        text = card.read_text()
        assert text.startswith('"""'), card
        assert len(text.splitlines()) <= 12, card


def test_celery_tasks_are_short() -> None:
    text = (ROOT / "workers" / "tasks.py").read_text()
    for body in re.findall(r"@celery\.task\([^)]*\)\n((?:    .*\n)+?)\n", text):
        assert len(body.splitlines()) <= 6, body


def test_the_map_in_the_readme_points_at_what_is_there() -> None:
    readme = (ROOT / "README.md").read_text()
    section = readme.partition("## Where do I change")[2].partition("\n## ")[0]
    paths = [path for path in re.findall(r"`([\w./*-]+)`", section) if "/" in path]
    assert len(paths) >= 12
    assert [path for path in paths if not list(ROOT.glob(path.rstrip("/")))] == []


def test_nothing_committed_names_a_registry_or_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--index-url" not in lock
