"""A tenant's policy as frozen facts."""

from dataclasses import fields
from uuid import UUID

from sqlalchemy import text

from app.tenants.policy import Policy, load_policy
from app.tenants.tables import TenantPolicy
from tests.conftest import TestDatabase


async def test_a_tenant_without_a_row_has_the_defaults(database: TestDatabase) -> None:
    assert await _policy(database, database.tenant_id) == Policy()


async def test_a_row_is_its_tenants_alone(database: TestDatabase) -> None:
    async with database.owner.system() as session:
        session.add(
            TenantPolicy(
                tenant_id=database.tenant_id,
                weight=3,
                allowed_regions=["eu", "ch"],
                allowed_vendors=[],
                require_no_training=True,
            )
        )

    assert await _policy(database, database.tenant_id) == Policy(
        weight=3, allowed_regions=("eu", "ch"), allowed_vendors=(), require_no_training=True
    )
    assert await _policy(database, database.other_tenant_id) == Policy()


async def test_the_application_may_not_loosen_a_policy(database: TestDatabase) -> None:
    async with database.owner.system() as session:
        privileges = await session.execute(
            text(
                "SELECT privilege_type FROM information_schema.role_table_grants"
                " WHERE table_name = 'tenant_policies' AND grantee = 'switchboard_app'"
            )
        )
        assert set(privileges.scalars()) == {"SELECT"}


def test_facts_and_columns_have_the_same_names() -> None:
    columns = set(TenantPolicy.__table__.columns.keys()) - {"tenant_id"}

    assert {field.name for field in fields(Policy)} == columns


async def _policy(database: TestDatabase, tenant_id: UUID) -> Policy:
    async with database.app.tenant(tenant_id) as session:
        return await load_policy(session, tenant_id)
