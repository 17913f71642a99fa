import socket
from pathlib import Path

import pytest
import redis

from app.local.doctor import Check, examine
from app.local.postgres import EmbeddedPostgres
from app.local.state import State, free_port
from tests.entra import RunningEntra


def _checks(tmp_path: Path, **environ: str) -> dict[str, Check]:
    return {check.name: check for check in examine(State(tmp_path / "state"), environ)}


def test_a_fresh_machine_is_in_order_and_nothing_is_made(tmp_path: Path) -> None:
    checks = _checks(tmp_path)
    assert [check for check in checks.values() if not check.ok] == []
    assert {"python", "settings", "state", "disk", "postgres", "redis", "entra", "model", "system"} <= set(
        checks
    )
    assert not (tmp_path / "state").exists()


def test_servers_that_are_there_are_in_order(
    tmp_path: Path, postgres: EmbeddedPostgres, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {f"DATABASE_{role}URL": postgres.url for role in ("", "SYSTEM_", "OWNER_")}
    checks = _checks(tmp_path, REDIS_URL=redis_url, **urls)
    assert checks["database_url"].ok
    assert checks["database_owner_url"].detail == "Postgres 18 as postgres"
    assert checks["listen"].ok
    assert checks["redis"] == Check(
        "redis", ok=True, detail="maxmemory-policy noeviction", advice=checks["redis"].advice
    )


def test_a_redis_that_throws_things_away_is_a_problem(tmp_path: Path, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            check = _checks(tmp_path, REDIS_URL=redis_url)["redis"]
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert not check.ok
    assert "noeviction" in check.advice


def test_servers_that_are_away_are_problems_and_no_password_is_shown(tmp_path: Path) -> None:
    nowhere = f"someone:secret@127.0.0.1:{free_port()}"
    checks = _checks(
        tmp_path,
        DATABASE_URL=f"postgresql://{nowhere}/db",
        REDIS_URL=f"redis://{nowhere}/0",
        SWITCHBOARD_ENTRA_AUTHORITY=f"https://127.0.0.1:{free_port()}",
    )
    for name in ("database_url", "database_system_url", "redis", "entra"):
        assert not checks[name].ok
        assert checks[name].advice
    assert all("secret" not in check.detail + check.advice for check in checks.values())


def test_a_database_that_is_named_in_part_is_told(tmp_path: Path) -> None:
    checks = _checks(tmp_path, DATABASE_OWNER_URL="postgresql://x:y@127.0.0.1:1/z")
    assert not checks["database_owner_url"].ok
    assert "unset all of DATABASE_" in checks["database_url"].advice
    told = _checks(tmp_path, DATABASE_URL="postgresql://x:y@127.0.0.1:1/z")["database_owner_url"]
    assert told.detail == "not set, `switchboard migrate` needs it"


def test_what_migrate_needs_is_told_where_no_database_is_named(tmp_path: Path) -> None:
    assert "DATABASE_OWNER_URL" in _checks(tmp_path)["migrate"].detail


def test_an_entra_that_is_there_is_in_order(tmp_path: Path) -> None:
    with RunningEntra(tmp_path / "entra") as entra:
        _entra_in_order(tmp_path, entra)


def _entra_in_order(tmp_path: Path, entra: RunningEntra) -> None:
    checks = _checks(tmp_path, SWITCHBOARD_ENTRA_AUTHORITY=entra.url, SWITCHBOARD_ENTRA_CA=str(entra.ca))
    assert checks["entra"] == Check("entra", ok=True, detail=entra.url, advice=checks["entra"].advice)
    assert not _checks(tmp_path, SWITCHBOARD_ENTRA_AUTHORITY=entra.url)["entra"].ok


def test_an_environment_that_is_not_set_is_told_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWITCHBOARD_ENV", raising=False)
    assert "`demo` use development anyway" in _checks(tmp_path)["settings"].detail
    monkeypatch.setenv("SWITCHBOARD_ENV", "production")
    assert "refuse that" in _checks(tmp_path)["settings"].detail


def test_a_port_that_was_asked_for_and_is_taken_is_a_problem(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not _checks(tmp_path, SWITCHBOARD_API_PORT=str(port))["system"].ok
