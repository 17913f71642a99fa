"""`switchboard audit` against a real database, as an operator runs it."""

import json
import os
import subprocess
from pathlib import Path
from uuid import uuid4

from app.audit.anchors import AnchorFile
from app.audit.writer import ChainWriter, anchor
from app.core.keyring import LocalKeyring
from app.local.postgres import EmbeddedPostgres
from tests.audit.history import happen, superuser
from tests.conftest import TestDatabase
from tests.forked import run
from tests.tenants.administration import rows


def _audit(database: TestDatabase, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run(
        "app.cli",
        "audit",
        *arguments,
        environment={
            **os.environ,
            "SWITCHBOARD_HOME": str(folder / "home"),
            "DATABASE_SYSTEM_URL": database.system_url,
            "SWITCHBOARD_KEYRING": str(folder / "keyring.json"),
            "SWITCHBOARD_AUDIT_ANCHORS": str(folder / "anchors"),
        },
    )


async def test_verify_export_and_pseudonym_work_from_the_settings(
    database: TestDatabase, keyring: LocalKeyring, tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    for tenant_id in (database.tenant_id, database.other_tenant_id):
        await happen(database.app, tenant_id, member_id=database.member_id, times=3)
    await ChainWriter(database.system, keyring).run()
    await anchor(database.system, AnchorFile(tmp_path / "anchors"))

    whole = _audit(database, tmp_path, "verify")
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.endswith("Every chain is whole.\n")

    out = tmp_path / "audit.jsonl"
    mine = ("--tenant", str(database.tenant_id))
    exported = _audit(database, tmp_path, "export", *mine, "--since", "2020-01-01", "-o", str(out))
    assert exported.returncode == 0, exported.stderr
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert [event["metadata"]["sequence"] for event in events] == [1, 2, 3]
    assert _audit(database, tmp_path, "export", "--until", "2020-01-01").stdout == ""
    # A file that is there is somebody's evidence.
    assert _audit(database, tmp_path, "export", "-o", str(out)).returncode == 1

    named = _audit(database, tmp_path, "pseudonym", str(database.tenant_id), str(database.member_id))
    assert named.stdout.strip() == events[0]["actor"]["user"]["uid"]

    nobody = _audit(database, tmp_path, "pseudonym", str(database.tenant_id), str(uuid4()))
    assert (nobody.returncode, nobody.stdout.startswith("No member of that id")) == (1, True)

    read = (
        "SELECT tenant_id, actor_kind, action, target_type FROM audit_entries WHERE mac IS NULL ORDER BY at"
    )
    here, there = database.tenant_id, database.other_tenant_id
    assert await rows(database, read) == [
        (here, "operator", "audit.export", "tenant"),
        *((one, "operator", "audit.export", "tenant") for one in sorted((here, there))),
        (here, "operator", "audit.identify", "member"),
    ]
    stranger = ("--tenant", str(uuid4()))
    assert _audit(database, tmp_path, "export", *stranger).stdout == ""
    assert len(await rows(database, read)) == 4

    with superuser(postgres, database) as connection:
        connection.execute(
            "DELETE FROM audit_entries WHERE tenant_id = %s AND position = 3", [database.tenant_id]
        )
    cut = _audit(database, tmp_path, "verify", "--json", *mine)
    assert (cut.returncode, cut.stderr) == (1, "")
    told = json.loads(cut.stdout)
    assert not told["sound"]
    assert [(one["flaw"], one["position"]) for one in told["tenants"][0]["findings"]] == [("cut", 3)]
    assert "entry 3: cut" in _audit(database, tmp_path, "verify").stdout
