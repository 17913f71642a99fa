"""Commands of an operator find the system that runs on this machine, unless the environment names another."""

import json
import os
from pathlib import Path
from uuid import UUID

import pytest

from app.local.running import Running, write_running
from app.local.state import State
from app.local.this_machine import of_this_machine
from app.settings import Settings
from app.vocabulary import Environment
from tests.entra import operators_tenant

_OPERATOR = operators_tenant()["entra_tenant_id"]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """A system runs here, and the environment names none."""
    for name in list(os.environ):
        if name.startswith(("SWITCHBOARD_", "DATABASE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SWITCHBOARD_HOME", str(tmp_path))
    state = State(tmp_path)
    (tmp_path / "ports.json").write_text(json.dumps({"postgres": 5999}))
    roles = ("switchboard_owner", "switchboard_app", "switchboard_system", "switchboard_eraser")
    (tmp_path / "postgres-roles.json").write_text(json.dumps({role: f"of-{role}" for role in roles}))
    pid = os.getpid()
    write_running(state, Running(pid, "", "", None, "", "", "", "", operator_tenant=_OPERATOR))
    return state


def test_every_role_and_key_of_the_running_system_is_found(state: State) -> None:
    found = of_this_machine(Settings())
    for setting, role in (
        ("database_url", "switchboard_app"),
        ("database_system_url", "switchboard_system"),
        ("database_owner_url", "switchboard_owner"),
    ):
        assert f"{role}:of-{role}@127.0.0.1:5999/" in found.required(setting)
    assert found.env is Environment.DEVELOPMENT
    assert found.keyring == state.path / "keyring.json"
    assert found.audit_anchors == state.path / "audit-anchors.jsonl"
    assert found.operator_tenant == UUID(_OPERATOR)


@pytest.mark.parametrize("named", ["DATABASE_URL", "DATABASE_SYSTEM_URL", "DATABASE_OWNER_URL"])
def test_a_database_that_is_named_in_one_role_is_not_mixed_with_another(
    state: State, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    assert state.path.exists()
    monkeypatch.setenv(named, "postgresql://somewhere/else")
    settings = Settings()
    assert of_this_machine(settings) is settings


def test_without_a_running_system_the_settings_stay(state: State) -> None:
    (state.path / "running.json").unlink()
    settings = Settings()
    assert of_this_machine(settings) is settings
