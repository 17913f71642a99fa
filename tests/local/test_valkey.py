from pathlib import Path

import psutil
import pytest

from app.local.valkey import EmbeddedValkey


def test_the_server_knows_no_key_and_its_folder_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    before = set(psutil.Process().children())
    folder = tmp_path / "valkey"
    with EmbeddedValkey(folder):
        (watchdog,) = set(psutil.Process().children()) - before
        # The server itself writes its title over its environment.
        assert "PATH" in watchdog.environ()
        assert all("OPENAI_API_KEY" not in one.environ() for one in (watchdog, *watchdog.children()))
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "valkey.log").stat().st_mode & 0o777 == 0o600
