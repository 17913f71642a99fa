"""The tenant's budgets, for its administrators. Changes name the version they change."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.copilot.asking import find_task_type
from app.core.clock import new_id
from app.http.contract import refused
from app.http.etags import IfMatch, expected_version, show_version
from app.http.guards import AdminOrAuditor, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.jobs.resume import resume_all_funded
from app.llm.probing import TASK_TYPE as PROBES
from app.portal.budget_schemas import BudgetResource, ChangeBudget, NewBudget
from app.portal.schemas import Page
from app.tenants import members
from app.usage import administration
from app.usage.administration import BudgetView, loosened, with_limits
from app.usage.budgets import BudgetFacts
from app.vocabulary import BudgetScope

router = APIRouter(prefix="/budgets", tags=["money"], route_class=GuardedRoute)


@router.get("")
async def list_budgets(
    caller: AdminOrAuditor,
    session: PortalSession,
    after: Annotated[UUID | None, Query(description="Id of the last budget of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Page[BudgetResource]:
    """The tenant's budgets with where each stands in its current period, in the order they were made."""
    found = await administration.page(session, tenant_id=caller.tenant_id, after=after, limit=limit + 1)
    shown = [_resource(one) for one in found[:limit]]
    more = None
    if len(found) > limit:
        more = f"/portal/v1/budgets?{urlencode({'after': shown[-1].id, 'limit': limit})}"
    return Page(value=shown, next_link=more)


@router.post("", status_code=201, responses=refused(404, 409))
async def create_budget(
    body: NewBudget, request: Request, response: Response, caller: TenantAdmin, session: PortalSession
) -> BudgetResource:
    """Bound the spending of the tenant, a group, a member or a task type; what was spent before does not count."""
    await _check_subject(session, caller.tenant_id, body)
    made = await administration.create(
        session,
        tenant_id=caller.tenant_id,
        wanted=BudgetFacts(id=new_id(), **body.model_dump()),
        actor=actor(request, caller),
    )
    response.headers["Location"] = f"/portal/v1/budgets/{made.standing.budget.id}"
    return _shown(made, response)


@router.get("/{budget_id}")
async def get_budget(
    budget_id: UUID, response: Response, caller: AdminOrAuditor, session: PortalSession
) -> BudgetResource:
    """A budget, with its ETag."""
    found = await administration.find(session, tenant_id=caller.tenant_id, budget_id=budget_id)
    return _shown(found, response)


@router.patch("/{budget_id}", responses=refused(409, 412))
async def change_budget(
    budget_id: UUID,
    body: ChangeBudget,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    if_match: IfMatch = None,
) -> BudgetResource:
    """Change a budget's limits; jobs that wait for money look again when there is more."""
    version = expected_version(if_match, "budget")
    found = await administration.find(session, tenant_id=caller.tenant_id, budget_id=budget_id)
    before = found.standing.budget
    after = await administration.change(
        session,
        tenant_id=caller.tenant_id,
        wanted=with_limits(before, body.model_dump(exclude_unset=True)),
        version=version,
        actor=actor(request, caller),
    )
    if loosened(before, after.standing.budget):
        await resume_all_funded(session, tenant_id=caller.tenant_id)
    return _shown(after, response)


@router.delete("/{budget_id}", status_code=204, responses=refused(400, 412))
async def delete_budget(
    budget_id: UUID, request: Request, caller: TenantAdmin, session: PortalSession, if_match: IfMatch = None
) -> None:
    """Delete a budget; jobs that wait for money look again."""
    before = await administration.delete(
        session,
        tenant_id=caller.tenant_id,
        budget_id=budget_id,
        version=expected_version(if_match, "budget"),
        actor=actor(request, caller),
    )
    if loosened(before, None):
        await resume_all_funded(session, tenant_id=caller.tenant_id)


async def _check_subject(session: AsyncSession, tenant_id: UUID, body: NewBudget) -> None:
    """Raises: `MemberNotFound`, `UnknownTaskType`. Groups are Entra's: we only know those of people we have seen."""
    if body.scope is BudgetScope.MEMBER:
        await members.find(session, tenant_id=tenant_id, member_id=UUID(body.subject))
    elif body.scope is BudgetScope.TASK_TYPE and body.subject != PROBES:
        find_task_type(body.subject)


def _shown(view: BudgetView, response: Response) -> BudgetResource:
    show_version(response, view.version)
    return _resource(view)


def _resource(view: BudgetView) -> BudgetResource:
    stands, budget = view.standing, view.standing.budget
    return BudgetResource(
        id=budget.id,
        etag=f'"{view.version}"',
        scope=budget.scope,
        subject=budget.subject,
        period=budget.period,
        currency=budget.currency,
        soft_micros=budget.soft_micros,
        hard_micros=budget.hard_micros,
        created_at=view.created_at,
        starts_at=stands.starts_at,
        resets_at=stands.ends_at,
        spent_micros=stands.spent_micros,
        reserved_micros=stands.reserved_micros,
        left_micros=None if stands.left_micros is None else max(0, stands.left_micros),
        past_soft=stands.past_soft,
    )
