"""A process that spends: `python -m tests.usage.spending URL TENANT MICROS TIMES` prints how many calls it could pay.

Every second call is settled at what was reserved, the others stay under way.
"""

import asyncio
import sys
from uuid import UUID

from app.core.clock import new_id
from app.core.database import Database
from app.usage.budgets import load_budgets
from app.usage.errors import BudgetExhausted
from app.usage.ledger import CallIntent, CallRecord, open_call, settle
from app.vocabulary import CallOutcome


async def spend(url: str, tenant: str, micros: str, times: str) -> int:
    """Reserve so often; gives how often there was enough."""
    database, tenant_id, paid = Database(url, application_name="spending"), UUID(tenant), 0
    async with database.tenant(tenant_id) as session:
        budgets = await load_budgets(session, tenant_id)
    for number in range(int(times)):
        intent = CallIntent(
            tenant_id=tenant_id,
            member_id=new_id(),
            job_id=new_id(),
            step_id=new_id(),
            fencing=1,
            hop=0,
            pool_revision_id=new_id(),
            pool_member_id=new_id(),
            deployment_id=new_id(),
            price_revision_id=None,
            provider_name="acme",
            request_model="alpha",
            reserved_micros=int(micros),
        )
        try:
            async with database.tenant(tenant_id) as session:
                await open_call(session, intent, budgets)
        except BudgetExhausted:
            continue
        paid += 1
        if number % 2:
            async with database.tenant(tenant_id) as session:
                await settle(
                    session, [CallRecord(intent, CallOutcome.SUCCEEDED, cost_micros=intent.reserved_micros)]
                )
    await database.close()
    return paid


if __name__ == "__main__":
    print(asyncio.run(spend(*sys.argv[1:])), flush=True)
