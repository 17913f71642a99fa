"""`switchboard keys`, as an operator calls it."""

import json
import os
import subprocess
from pathlib import Path

from sqlalchemy import text

from app.core.keyring import LocalKeyring
from app.tenants.keys import TenantKeys
from tests.conftest import TestDatabase
from tests.forked import run
from tests.tenants.administration import rows


def _run(
    database: TestDatabase, keyring: Path, *words: str, **changes: str
) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "DATABASE_OWNER_URL": database.owner_url,
        "SWITCHBOARD_KEYRING": str(keyring),
        **changes,
    }
    return run("app.cli", "keys", *words, environment=environment)


async def test_an_operator_rotates_and_looks(
    database: TestDatabase, keyring: LocalKeyring, tmp_path: Path
) -> None:
    path = tmp_path / "keyring.json"
    await TenantKeys(database.app, keyring).sealer(database.tenant_id)

    rotated = _run(database, path, "rotate", "--new-wrapping-key", "--data-keys")
    assert (rotated.returncode, rotated.stderr) == (0, "")
    assert rotated.stdout.splitlines() == [
        "added local-2 to the keyring",
        "1 data keys wrapped anew with local-2, 0 failed",
        "1 new versions of data keys, which seal in 120 s",
    ]
    assert await rows(
        database,
        "SELECT tenant_id, actor_kind, target_type, target_id, detail->>'what' FROM audit_entries"
        " WHERE action = 'key.rotate' ORDER BY at",
    ) == [
        (database.tenant_id, "operator", "data_key", "1", "wrapped"),
        (database.tenant_id, "operator", "data_key", "2", "new_version"),
    ]
    looked = _run(database, path, "status")
    assert looked.returncode == 0
    assert "2 data keys wrapped with local-2" in looked.stdout
    assert "every value opens" in looked.stdout
    status = json.loads(_run(database, path, "status", "--json", "--quick").stdout)
    assert status["ok"]
    assert status["data_keys_by_wrapping_key"] == {"local-2": 2}
    assert status["tenants_by_sealing_version"] == {"1": 1}


async def test_a_data_key_that_does_not_unwrap_ends_both_with_status_1(
    database: TestDatabase, keyring: LocalKeyring, tmp_path: Path
) -> None:
    path = tmp_path / "keyring.json"
    await TenantKeys(database.app, keyring).sealer(database.tenant_id)
    async with database.owner.system() as session:
        await session.execute(text("UPDATE tenant_keys SET wrapped = '\\x00'"))

    looked = _run(database, path, "status")
    assert looked.returncode == 1
    assert f"DATA KEY DOES NOT UNWRAP: tenant {database.tenant_id}, version 1" in looked.stdout
    LocalKeyring.add(path)
    rotated = _run(database, path, "rotate")
    assert rotated.returncode == 1
    assert "it does not unwrap" in rotated.stdout
    assert rotated.stderr.startswith("error: not everything could be rotated")


async def test_production_has_no_default_key(database: TestDatabase) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("SWITCHBOARD_ENV", "SWITCHBOARD_KEYRING")
    }
    environment["DATABASE_OWNER_URL"] = database.owner_url
    done = run("app.cli", "keys", "status", environment=environment)
    assert done.returncode == 1
    assert "SWITCHBOARD_KEY_VAULT_KEY is not set" in done.stderr
    assert "Traceback" not in done.stderr
