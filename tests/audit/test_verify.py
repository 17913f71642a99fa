"""What a superuser without the key does to the record is found, with its place."""

import os
import time
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from app.audit.anchors import AnchorFile
from app.audit.chain import Flaw
from app.audit.verify import Verdict, Verifier
from app.audit.writer import ChainWriter, anchor
from app.core.keyring import LocalKeyring
from app.local.postgres import EmbeddedPostgres
from tests.audit.history import happen, superuser
from tests.conftest import TestDatabase

_MARKED = pytest.mark.skipif(
    os.environ.get("SWITCHBOARD_TEST_MARKED") != "1", reason="ten seconds: set SWITCHBOARD_TEST_MARKED=1"
)


@pytest.fixture
async def path(database: TestDatabase, keyring: LocalKeyring, tmp_path: Path) -> Path:
    """Anchors of two tenants with ten entries each."""
    for tenant_id in (database.tenant_id, database.other_tenant_id):
        await happen(database.app, tenant_id, member_id=database.member_id, times=10)
    await ChainWriter(database.system, keyring).run()
    await anchor(database.system, AnchorFile(tmp_path / "anchors"))
    return tmp_path / "anchors"


async def _verdict(database: TestDatabase, keyring: LocalKeyring, path: Path | None) -> Verdict:
    """Of the tenant that was tampered with; the other one must be unharmed."""
    verifier = Verifier(database.system, keyring, None if path is None else AnchorFile(path))
    verdicts = {verdict.tenant_id: verdict for verdict in await verifier.run()}
    assert verdicts[database.other_tenant_id].findings == ()
    return verdicts[database.tenant_id]


def _places(verdict: Verdict) -> list[tuple[Flaw, int]]:
    return [(one.flaw, one.position) for one in verdict.findings]


async def test_an_untouched_record_is_whole(
    database: TestDatabase, keyring: LocalKeyring, path: Path
) -> None:
    verdict = await _verdict(database, keyring, path)
    assert (verdict.entries, verdict.flaws, verdict.anchored_position, verdict.waiting) == (10, 0, 10, 0)


_MINE = " AND tenant_id = %(tenant)s"
_FORGED = (
    "INSERT INTO audit_entries SELECT e.* FROM audit_entries a, jsonb_populate_record(a, jsonb_build_object("
    "'id', gen_random_uuid(), 'position', 5, 'action', 'member.block')) e"
    " WHERE a.position = 4 AND a.tenant_id = %(tenant)s"
)
_SET_BACK = (
    "UPDATE audit_chains c SET position = 8, mac = (SELECT mac FROM audit_entries a"
    " WHERE a.position = 8 AND a.tenant_id = c.tenant_id) WHERE c.tenant_id = %(tenant)s"
)
TAMPERING: dict[str, tuple[list[str], list[tuple[Flaw, int]] | None]] = {
    "edit": (["UPDATE audit_entries SET action = 'job.cancel' WHERE position = 4"], [(Flaw.CHANGED, 4)]),
    "edit of detail": (
        ["UPDATE audit_entries SET detail = detail || '{\"number\": 99}' WHERE position = 4"],
        [(Flaw.CHANGED, 4)],
    ),
    "edit of time": (
        ["UPDATE audit_entries SET at = at - interval '1 day' WHERE position = 6"],
        [(Flaw.CHANGED, 6)],
    ),
    "edit of place": (
        ["UPDATE audit_entries SET address = '203.0.113.1' WHERE position = 6"],
        [(Flaw.CHANGED, 6)],
    ),
    "delete": (["DELETE FROM audit_entries WHERE position = 4"], [(Flaw.MISSING, 4)]),
    "delete the first": (["DELETE FROM audit_entries WHERE position = 1"], [(Flaw.MISSING, 1)]),
    "delete and close the gap": (
        [
            "DELETE FROM audit_entries WHERE position = 4",
            "UPDATE audit_entries SET position = -position WHERE position > 4",
            "UPDATE audit_entries SET position = -position - 1 WHERE position < 0",
        ],
        [*((Flaw.CHANGED, position) for position in range(4, 10)), (Flaw.CUT, 10)],
    ),
    "insert": (
        [
            "UPDATE audit_entries SET position = -position WHERE position > 4",
            "UPDATE audit_entries SET position = 1 - position WHERE position < 0",
            _FORGED,
        ],
        None,
    ),
    "reorder": (
        [
            "UPDATE audit_entries SET position = -1 WHERE position = 3",
            "UPDATE audit_entries SET position = 3 WHERE position = 5",
            "UPDATE audit_entries SET position = 5 WHERE position = -1",
        ],
        [(Flaw.CHANGED, 3), (Flaw.CHANGED, 5)],
    ),
    "tail cut": (["DELETE FROM audit_entries WHERE position > 8"], [(Flaw.CUT, 9)]),
    "tail cut with the head set back": (
        [
            "DELETE FROM audit_entries WHERE position > 8",
            _SET_BACK,
        ],
        [(Flaw.CUT, 9)],
    ),
    "everything gone": (
        ["DELETE FROM audit_entries WHERE true", "DELETE FROM audit_chains WHERE true"],
        [(Flaw.NO_KEY, 0)],
    ),
    "unchained again": (
        ["UPDATE audit_entries SET mac = NULL, position = NULL WHERE position = 7"],
        [(Flaw.MISSING, 7)],
    ),
    "address removed": (
        ["UPDATE audit_entries SET address = NULL, address_salt = NULL WHERE position >= 9"],
        [(Flaw.ADDRESS_REMOVED, 9)],
    ),
    "another key put in": (
        ["UPDATE audit_chains SET wrapped_chain_key = wrapped_pseudonym_key WHERE true"],
        [(Flaw.NO_KEY, 0)],
    ),
}


def _tamper(connection: psycopg.Connection, statements: list[str], tenant_id: UUID) -> None:
    for statement in statements:
        mine = "" if "%(tenant)s" in statement else _MINE
        connection.execute(statement + mine, {"tenant": tenant_id})


@pytest.mark.parametrize("name", TAMPERING)
async def test_tampering_is_found_with_its_place(
    database: TestDatabase, keyring: LocalKeyring, path: Path, postgres: EmbeddedPostgres, name: str
) -> None:
    statements, expected = TAMPERING[name]
    with superuser(postgres, database) as connection:
        _tamper(connection, statements, database.tenant_id)

    found = _places(await _verdict(database, keyring, path))

    if expected is None:
        assert found[0] == (Flaw.CHANGED, 5)
    else:
        # An anchor at the end has its say about a changed last entry as well.
        assert [one for one in found if one != (Flaw.REWRITTEN, 10)] == expected


async def test_a_cut_that_the_writer_has_built_upon_is_found(
    database: TestDatabase, keyring: LocalKeyring, path: Path, postgres: EmbeddedPostgres
) -> None:
    with superuser(postgres, database) as connection:
        _tamper(connection, TAMPERING["tail cut with the head set back"][0], database.tenant_id)
    await happen(database.app, database.tenant_id, times=5)
    await ChainWriter(database.system, keyring).run()

    assert _places(await _verdict(database, keyring, None)) == []
    assert _places(await _verdict(database, keyring, path)) == [(Flaw.REWRITTEN, 10)]


async def test_the_writer_goes_on_after_a_tampered_head(
    database: TestDatabase, keyring: LocalKeyring, path: Path, postgres: EmbeddedPostgres
) -> None:
    with superuser(postgres, database) as connection:
        connection.execute("UPDATE audit_chains SET position = 2 WHERE tenant_id = %s", [database.tenant_id])
    await happen(database.app, database.tenant_id, times=2)

    assert await ChainWriter(database.system, keyring).run() == 2
    verdict = await _verdict(database, keyring, path)
    assert (verdict.entries, verdict.flaws) == (12, 0)


async def test_entries_that_wait_or_are_not_anchored_for_long_are_told(
    database: TestDatabase, keyring: LocalKeyring, tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    for tenant_id in (database.tenant_id, database.other_tenant_id):
        await happen(database.app, tenant_id)
    writer = ChainWriter(database.system, keyring)
    await writer.run()
    await anchor(database.system, AnchorFile(tmp_path / "anchors"))
    await happen(database.app, database.tenant_id)
    with superuser(postgres, database) as connection:
        connection.execute("UPDATE audit_entries SET at = at - interval '1 hour' WHERE mac IS NULL")

    told = await _verdict(database, keyring, tmp_path / "anchors")
    assert _places(told) == [(Flaw.NOT_CHAINED, 2)]
    await writer.run()
    # Just chained: an anchor may take its time. Its absence is told once it is late, here by the clock.
    assert _places(await _verdict(database, keyring, tmp_path / "anchors")) == []


@pytest.mark.parametrize("thousands", [1, pytest.param(10, marks=_MARKED)])
async def test_thousands_of_entries_are_chained_and_verified_in_seconds(
    database: TestDatabase, keyring: LocalKeyring, thousands: int
) -> None:
    for _ in range(thousands):
        await happen(database.app, database.tenant_id, member_id=database.member_id, times=1000)
    began = time.perf_counter()
    assert await ChainWriter(database.system, keyring).run(longest_seconds=60) == thousands * 1000
    chained = time.perf_counter()
    (verdict,) = await Verifier(database.system, keyring, None).run()
    verified = time.perf_counter()

    print(f"chained in {chained - began:.1f} s, verified in {verified - chained:.1f} s")
    assert (verdict.entries, verdict.flaws) == (thousands * 1000, 0)
    assert verified - chained < thousands
    assert chained - began < 4 * thousands
