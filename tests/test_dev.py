import subprocess
import sys
import threading
from pathlib import Path

import pytest

import dev


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small project to set up; nothing is downloaded for it."""
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path


@pytest.fixture
def installs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where packages would have been installed; the index is not asked."""
    asked: list[Path] = []
    monkeypatch.setattr(dev, "install", lambda _root, python: asked.append(python))
    return asked


def test_a_fresh_folder_is_set_up_once(root: Path, installs: list[Path]) -> None:
    python = dev.set_up(root)
    assert dev.runs(python)
    assert dev.set_up(root) == python
    assert installs == [python]


def test_a_changed_lock_installs_again_in_the_same_environment(root: Path, installs: list[Path]) -> None:
    dev.set_up(root)
    kept = root / ".venv" / "kept"
    kept.touch()
    (root / "requirements.lock").write_text("# changed")
    dev.set_up(root)
    assert len(installs) == 2
    assert kept.exists()


def test_an_interrupted_set_up_is_begun_anew(
    root: Path, installs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_root: Path, python: Path) -> None:
        (python.parent / "half").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dev, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            dev.set_up(root)
    python = dev.set_up(root)
    assert not (python.parent / "half").exists()
    assert installs == [python]


def test_an_environment_whose_python_is_gone_is_made_anew(root: Path, installs: list[Path]) -> None:
    python = dev.set_up(root)
    python.unlink()
    python.symlink_to(root / "gone")
    assert dev.runs(dev.set_up(root))
    assert len(installs) == 2


def test_a_moved_folder_is_set_up_again(root: Path, installs: list[Path]) -> None:
    dev.set_up(root)
    moved = root.parent / f"{root.name}-moved"
    root.rename(moved)
    dev.set_up(moved)
    assert len(installs) == 2


def test_words_become_commands() -> None:
    python = Path("python")
    assert dev.command_for(python, ["test", "-k", "x"]) == ["python", "-m", "pytest", "-k", "x"]
    assert dev.command_for(python, ["demo", "a.docx"]) == [
        "python",
        "-m",
        "app.switchboard",
        "demo",
        "a.docx",
    ]
    assert dev.command_for(python, ["up"]) == ["python", "-m", "app.switchboard", "up"]


def test_another_environments_settings_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert "VIRTUAL_ENV" not in dev.environment()
    assert "PYTHONPATH" not in dev.environment()
    assert "PYTHONDONTWRITEBYTECODE" not in dev.environment()
    assert dev.environment()["HOME"] == "/home/somebody"


def test_two_starts_at_once_wait_for_each_other(root: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with dev.only_one(root / "pyproject.toml"):
            order.append("second")

    with dev.only_one(root / "pyproject.toml"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


def test_help_needs_no_set_up(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, Path(dev.__file__)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "python3 dev.py demo" in done.stdout
