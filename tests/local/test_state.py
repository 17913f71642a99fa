import os
from pathlib import Path

import pytest

from app.local.display import Log
from app.local.running import Ports, Running, in_use, log_file, retire, write_running
from app.local.state import State, StateLocked, private_file


def test_the_folder_is_private_and_of_root_others_may_only_pass_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path / "home")
    for user, mode in ((0, 0o711), (1000, 0o700)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        state.ensure()
        assert state.path.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("older", [True, False])
def test_every_file_of_the_state_is_private_also_one_that_was_not(tmp_path: Path, *, older: bool) -> None:
    state = State(tmp_path / "home").ensure()
    names = {"lock", "users.lock", "running.json", "ports.json", "switchboard.log"}
    if older:
        for name in names:
            (state.path / name).touch()
            (state.path / name).chmod(0o644)
    with state.lock(), in_use(state), Log(log_file(state), None):
        Ports(state).take("api")
        write_running(state, Running(1, "api", "authority", None, "client", "scope", "seed", "log"))
        found = {path.name: path.stat().st_mode & 0o777 for path in state.path.iterdir()}
    assert found == dict.fromkeys(names, 0o600)


def test_the_lock_is_private_when_only_the_end_needs_it(tmp_path: Path) -> None:
    state = State(tmp_path / "home").ensure()
    retire(state)
    assert (state.path / "users.lock").stat().st_mode & 0o777 == 0o600


def test_a_second_system_on_the_folder_is_refused(tmp_path: Path) -> None:
    state = State(tmp_path / "home").ensure()
    with state.lock(), pytest.raises(StateLocked), state.lock():
        pass


def test_making_a_file_private_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    assert private_file(tmp_path / "file").read_text() == "kept"
