"""Keys of chains: bound to tenant and purpose, wrapped anew without a break."""

from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from app.audit.keys import AuditKeys
from app.audit.verify import Verifier
from app.audit.writer import ChainWriter
from app.core.clock import new_id
from app.core.crypto import SealBroken
from app.core.keyring import LocalKeyring
from app.core.wrapping import WrappedKey
from tests.audit.history import happen
from tests.conftest import TestDatabase
from tests.tenants.administration import execute, rows


async def test_keys_are_the_same_for_every_process_and_others_at_every_tenant(
    database: TestDatabase, keyring: LocalKeyring
) -> None:
    one = await AuditKeys(database.system, keyring).of(database.tenant_id)
    again = await AuditKeys(database.system, keyring).of(database.tenant_id)
    other = await AuditKeys(database.system, keyring).of(database.other_tenant_id)
    member_id = new_id()

    assert (one.chain, one.pseudonym) == (again.chain, again.pseudonym)
    assert len({one.chain, one.pseudonym, other.chain, other.pseudonym}) == 4
    assert one.pseudonym_of(member_id) == again.pseudonym_of(member_id) != other.pseudonym_of(member_id)
    assert "chain" not in repr(one)


async def test_no_key_opens_in_the_place_of_another(database: TestDatabase, keyring: LocalKeyring) -> None:
    await AuditKeys(database.system, keyring).of(database.tenant_id)
    ((name, wrapped),) = await rows(
        database,
        "SELECT wrapping_key, wrapped_chain_key FROM audit_chains WHERE tenant_id = :id",
        id=database.tenant_id,
    )
    for version in (1, 2, 0xFFFF_0002):
        with pytest.raises(SealBroken):
            await keyring.unwrap(database.tenant_id, version, WrappedKey(name, wrapped))
    # Copied to another tenant's chain it does not open there.
    await AuditKeys(database.system, keyring).of(database.other_tenant_id)
    await execute(
        database,
        "UPDATE audit_chains SET wrapped_chain_key = :wrapped WHERE tenant_id = :id",
        wrapped=wrapped,
        id=database.other_tenant_id,
    )
    with pytest.raises(SealBroken):
        await AuditKeys(database.system, keyring).of(database.other_tenant_id)


async def test_keys_are_wrapped_anew_and_the_chain_goes_on(
    database: TestDatabase, keyring: LocalKeyring, tmp_path: Path
) -> None:
    writer = ChainWriter(database.system, keyring)
    await happen(database.app, database.tenant_id, member_id=database.member_id)
    await happen(database.app, database.other_tenant_id)
    await writer.run()
    name = LocalKeyring.add(tmp_path / "keyring.json")
    # Its tenant erased: there is no pseudonym key to wrap.
    await _forget_pseudonyms(database, database.other_tenant_id)

    keys = AuditKeys(database.system, keyring)
    assert await keys.rewrap() == 2
    assert await keys.rewrap() == 0

    await happen(database.app, database.tenant_id, member_id=database.member_id)
    # What happened, and that both chains' keys were rotated.
    assert await writer.run() == 3
    newest = LocalKeyring({name: keyring._keys[name]})
    verdicts = await Verifier(database.system, newest, None).run()
    assert [(verdict.entries, verdict.flaws) for verdict in verdicts] == [(3, 0), (2, 0)]
    actors = await rows(database, "SELECT DISTINCT actor FROM audit_entries WHERE actor <> ''")
    assert len(actors) == 1


async def _forget_pseudonyms(database: TestDatabase, tenant_id: UUID) -> None:
    async with database.eraser.tenant(tenant_id) as session:
        await session.execute(text("UPDATE audit_chains SET wrapped_pseudonym_key = NULL"))
