"""What the caller may ask for, and who the caller is."""

from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.addin.catalog_schemas import (
    ErrorCodePage,
    ErrorCodeResource,
    MeResource,
    TaskTypePage,
    TaskTypeResource,
    TenantStanding,
)
from app.addin.errors import LANGUAGES as ERROR_LANGUAGES
from app.addin.errors import catalogue
from app.addin.languages import AcceptLanguage, best_language
from app.addin.money import budgets_left
from app.copilot.asking import attributes_for
from app.copilot.catalog import languages, task_types
from app.copilot.document_findings import described_result
from app.copilot.parameter_words import described_parameters
from app.copilot.permissions import Asker, may_use
from app.copilot.submit import can_serve
from app.copilot.types import TaskType
from app.http.guards import Caller, InProcess, TenantSession
from app.identity.principal import Principal
from app.pools.configuration import Configuration
from app.pools.errors import NoEligibleMember, NoRoute
from app.tenants import service as tenants
from app.tenants.members import MemberAttributes
from app.usage.budgets import Payer

router = APIRouter(tags=["catalog"])


@router.get("/task-types")
async def list_task_types(
    caller: Caller,
    session: TenantSession,
    state: InProcess,
    accept_language: AcceptLanguage = None,
) -> TaskTypePage:
    """Each task type that the caller may use, with its JSON Schemas, and whether a pool of the tenant serves the caller with it."""
    language = best_language(accept_language, languages())
    return TaskTypePage(
        value=[
            await _resource(
                state.configuration,
                caller.tenant_id,
                task_type,
                language,
                await attributes_for(
                    session,
                    state.configuration,
                    task_type.name,
                    tenant_id=caller.tenant_id,
                    member_id=caller.member_id,
                ),
            )
            for task_type in await _usable(caller, session, state.configuration)
        ]
    )


@router.get("/errors")
async def list_errors(response: Response, accept_language: AcceptLanguage = None) -> ErrorCodePage:
    """Every error code of this door and of jobs, in the caller's language: what it means and what to do."""
    language = best_language(accept_language, frozenset(ERROR_LANGUAGES))
    response.headers.update({"Content-Language": language, "Cache-Control": "private, max-age=3600"})
    return ErrorCodePage(
        value=[
            ErrorCodeResource(
                code=one.code,
                statuses=list(one.statuses),
                title=one.title[language],
                what_to_do=one.what_to_do[language],
            )
            for one in catalogue().values()
        ]
    )


@router.get("/me")
async def me(caller: Caller, session: TenantSession, state: InProcess) -> MeResource:
    """The caller's tenant, roles and limits, and what is left of the budgets that bind the caller."""
    policy = await state.configuration.policy(caller.tenant_id)
    tenant = await tenants.facts(session, tenant_id=caller.tenant_id)
    return MeResource(
        tenant_id=caller.tenant_id,
        tenant=TenantStanding(name=tenant.name, state=tenant.state, consented_at=tenant.onboarded_at),
        member_id=caller.member_id,
        roles=sorted(caller.roles),
        limits={
            "max_upload_sessions": state.settings.max_upload_sessions,
            "max_upload_bytes": state.settings.max_upload_bytes,
            "max_jobs_queued": policy.max_jobs_queued,
            "max_steps_in_flight": policy.max_steps_in_flight,
        },
        task_types=sorted(one.name for one in await _usable(caller, session, state.configuration)),
        budgets=await budgets_left(
            session, state.configuration, Payer(caller.tenant_id, caller.member_id, task_type=None)
        ),
    )


async def _usable(caller: Principal, session: AsyncSession, configuration: Configuration) -> list[TaskType]:
    """What the tenant lets the caller use."""
    asker = Asker(caller.tenant_id, caller.member_id, caller.roles)
    return [one for one in task_types().values() if await may_use(session, configuration, asker, one.name)]


async def _resource(
    configuration: Configuration,
    tenant_id: UUID,
    task_type: TaskType,
    language: str,
    member: MemberAttributes,
) -> TaskTypeResource:
    try:
        await can_serve(configuration, task_type, tenant_id=tenant_id, language=language, member=member)
        reason = None
    except (NoRoute, NoEligibleMember) as error:
        reason = error.message
    return TaskTypeResource(
        name=task_type.name,
        title=task_type.title[language],
        description=task_type.description[language],
        parameters=described_parameters(task_type, language),
        inputs=task_type.inputs.schema(),
        result=described_result(task_type.result),
        available=reason is None,
        reason=reason,
    )
