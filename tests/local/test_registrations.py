"""`switchboard registrations`: what it prints, what it refuses, and that the printed script does what it says."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.identity.registrations import ClientIds, PublicAddresses, applications
from app.local.client import ClientError
from app.local.registrations import Form, as_script, describe
from app.settings import MissingSetting, Settings
from app.vocabulary import Environment
from tests.local import scripted_az

_PORTAL, _PANE = "https://portal.example", "https://pane.example"
_PAGE = f"{_PANE}/taskpane.html"
_API = "0b1e6f5e-2c4f-4f3f-8a38-0f9d6f0f3a01"
_ADDINS = ("6a2d1b52-52b7-4be4-9a1a-6d0a9b1e1c02", "6a2d1b52-52b7-4be4-9a1a-6d0a9b1e1c03")
_PORTAL_ID = "9f1c7d1e-08f7-4a6a-bd0f-7f8b8a1d2c04"


def _settings(**fields: Any) -> Settings:
    return Settings(
        **{"env": Environment.PRODUCTION, "portal_url": _PORTAL, "addin_origins": (_PANE,), **fields}
    )


def _printed(settings: Settings, **given: Any) -> Any:
    given = {"portal_url": None, "addin_origins": (), "addin_pages": (_PAGE,), **given}
    return describe(settings, **given)


def test_the_command_prints_json_for_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_PORTAL_URL", _PORTAL)
    monkeypatch.setenv("SWITCHBOARD_API_CLIENT_ID", _API)
    arguments = ["registrations", "--format", "json", "--addin-origin", _PANE, "--addin-page", _PAGE]
    addresses = PublicAddresses(_PORTAL, (_PANE,), (_PAGE,))

    told = CliRunner().invoke(app, arguments).stdout
    alone = CliRunner().invoke(app, [*arguments, "--only", "portal"]).stdout

    expected = applications(ClientIds(api=_API), addresses)
    assert json.loads(told)["applications"] == [
        {"name": one.name, "client_id": one.client_id, "create": one.create, "complete": one.complete}
        for one in expected
    ]
    assert json.loads(alone) == expected[2].create
    assert "${" not in alone


@pytest.mark.parametrize(
    "given",
    [
        {"portal_url": "http://portal.example"},
        {"portal_url": "http://localhost:8720"},
        {"portal_url": "https://portal.example/path"},
        {"addin_origins": ("http://pane.example",)},
        {"addin_origins": ("https://*.example",)},
        {"addin_pages": ("http://pane.example/taskpane.html",)},
        {"addin_pages": ("https://pane.example/a?b=c",)},
        {"addin_pages": ("https://user@pane.example/a",)},
        {"addin_pages": ("https://pane.example/$(id)",)},
        {"addin_pages": ("https://pane.example/a'\nJSON\nid",)},
    ],
    ids=str,
)
def test_an_address_that_is_not_public_and_plain_is_refused_in_production(given: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=r"address|https"):
        _printed(_settings(), **given)


def test_development_may_register_this_machine_and_no_other_plain_address() -> None:
    here = _settings(env=Environment.DEVELOPMENT, portal_url="", addin_origins=("http://localhost:3000",))

    _, addin, portal = _printed(here, addin_pages=())

    assert portal.create["web"]["redirectUris"][0] == "http://localhost:8720/portal/v1/sign-in/callback"
    assert addin.create["spa"]["redirectUris"] == ["brk-multihub://localhost:3000"]
    with pytest.raises(ClientError):
        _printed(here, portal_url="http://portal.example")


def test_without_an_address_of_the_portal_it_says_which_setting_is_missing() -> None:
    with pytest.raises(MissingSetting, match="SWITCHBOARD_PORTAL_URL"):
        _printed(_settings(portal_url=""))


@pytest.mark.parametrize("field", ["api_client_id", "portal_client_id"])
def test_a_client_id_that_is_none_reaches_no_script(field: str) -> None:
    with pytest.raises(ClientError, match="client id"):
        _printed(_settings(**{field: '"; id #'}))


@dataclass(frozen=True)
class Directory:
    """A folder of applications behind a scripted `az`, and a way to run a script against it."""

    folder: Path
    path: Path

    def run(self, script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a script as an operator would."""
        inherited = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
        search = f"{self.path}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash"],
            input=script,
            env={**inherited, "PATH": search, "WAIT_SECONDS": "0", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def applications(self) -> dict[str, dict[str, Any]]:
        """What is registered, by name."""
        files = [one for one in self.folder.iterdir() if one.name != "log"]
        found = [json.loads(one.read_text()) for one in files]
        return {one["displayName"]: one for one in found}


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """An empty directory of Entra."""
    folder, path = tmp_path / "applications", tmp_path / "bin"
    folder.mkdir()
    path.mkdir()
    az = path / "az"
    # -S -E: this is run a dozen times, and needs nothing but the standard library.
    az.write_text(f'#!/bin/sh\nexec "{sys.executable}" -SE "{scripted_az.__file__}" "{folder}" "$@"\n')
    az.chmod(0o700)
    return Directory(folder, path)


def test_the_script_is_bash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_PORTAL_URL", _PORTAL)
    script = tmp_path / "registrations.sh"
    script.write_text(CliRunner().invoke(app, ["registrations", "--format", Form.AZ]).stdout)

    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    assert script.read_text().startswith("#!/usr/bin/env bash\n")


def test_the_script_registers_what_the_json_says_and_a_second_run_changes_nothing(
    directory: Directory,
) -> None:
    settings = _settings()

    first = directory.run(as_script(settings, _printed(settings)))

    assert first.returncode == 0, first.stderr
    told = dict(line.split("=", 1) for line in first.stdout.splitlines())
    made = directory.applications()
    known = _settings(
        api_client_id=told["SWITCHBOARD_API_CLIENT_ID"],
        portal_client_id=told["SWITCHBOARD_PORTAL_CLIENT_ID"],
        addin_client_ids=tuple(json.loads(told["SWITCHBOARD_ADDIN_CLIENT_IDS"])),
    )
    expected = {one.create["displayName"]: one for one in _printed(known)}
    assert made == {
        name: {**one.create, **one.complete, "appId": one.client_id} for name, one in expected.items()
    }

    second = directory.run(as_script(known, _printed(known)))

    assert (second.returncode, second.stdout) == (0, first.stdout), second.stderr
    assert directory.applications() == made


def test_an_application_of_the_same_name_is_not_taken_over(directory: Directory) -> None:
    other = {"displayName": "Switchboard API", "appId": _API}
    (directory.folder / _API).write_text(json.dumps(other))
    settings = _settings()

    done = directory.run(as_script(settings, _printed(settings)))

    assert done.returncode == 1
    assert f"set API_CLIENT_ID={_API} if it is yours" in done.stderr
    assert directory.applications() == {"Switchboard API": other}


def test_a_script_that_cannot_change_an_application_says_so_and_stops(directory: Directory) -> None:
    settings = _settings(api_client_id=_API)

    done = directory.run(as_script(settings, _printed(settings)))

    assert done.returncode == 1
    assert done.stdout == ""
    assert f"application {_API} could not be changed" in done.stderr
    assert directory.applications() == {}
    assert len((directory.folder / "log").read_text().splitlines()) == 4


def test_further_clients_of_the_add_in_stay_let_in() -> None:
    settings = _settings(api_client_id=_API, addin_client_ids=_ADDINS, portal_client_id=_PORTAL_ID)
    found = _printed(settings)

    script = as_script(settings, found)

    allowed = found[0].complete["api"]["preAuthorizedApplications"]
    assert [one["appId"] for one in allowed] == list(_ADDINS)
    assert f'[\\"$ADDIN_CLIENT_ID\\", \\"{_ADDINS[1]}\\"]' in script
    assert f"ADDIN_CLIENT_ID=${{ADDIN_CLIENT_ID:-{_ADDINS[0]}}}" in script
