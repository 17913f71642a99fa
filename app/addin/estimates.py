"""What a job would need, before it is submitted. Nothing is written."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter

from app.addin.batch_schemas import BatchEstimateResource, NewBatchRequest
from app.addin.inline import inline_kind, prepare_inline
from app.addin.schemas import EstimateResource, NewJobRequest, Refusal, WarningResource
from app.audit.record import ActorKind
from app.copilot.batch_estimates import BatchEstimate, estimate_batch
from app.copilot.errors import DocumentsNotThere
from app.copilot.house_wording import with_wording
from app.copilot.permissions import Asker, require_permission
from app.copilot.submit import (
    Placement,
    attributes_for,
    check_inputs,
    checked_parameters,
    find_task_type,
    place,
)
from app.copilot.types import TaskType
from app.core.clock import now
from app.documents import service as documents
from app.http.contract import refused
from app.http.guards import Caller, InProcess, TenantSealer, TenantSession, actor_kind
from app.http.routes import GuardedRoute
from app.identity.principal import Principal
from app.usage.budgets import Payer, Standing, allowance, budgets_of, soft_warnings, standings
from app.usage.errors import BudgetExhausted

router = APIRouter(prefix="/estimates", tags=["jobs"], route_class=GuardedRoute)
_SHOWN = 100
_Told = TypeVar("_Told")


@router.post("", responses=refused(404))
async def estimate_job(
    body: NewJobRequest, caller: Caller, state: InProcess, session: TenantSession, sealer: TenantSealer
) -> EstimateResource:
    """What the same body would need as a job: steps, tokens, money, and whether the budgets allow it.

    For documents that are here or what the pane sends itself; files in Microsoft 365 are known when they have been fetched.
    """
    if body.input.drive_items:
        raise DocumentsNotThere
    ids = {"tenant_id": caller.tenant_id, "member_id": caller.member_id}
    task_type = find_task_type(body.task_type)
    await _require_permission(session, state, caller, task_type)
    parameters = checked_parameters(task_type, body.parameters)
    parameters = await with_wording(session, sealer, task_type, parameters)
    inline = await prepare_inline(sealer, body.input)
    if inline is None:
        described = await documents.describe(session, sealer, **ids, document_ids=body.input.documents)
    else:
        described = [inline.view]
    check_inputs(task_type, len(described), inline_kind(body.input))
    member = await attributes_for(session, state.configuration, task_type.name, **ids)
    budgets = await budgets_of(
        session, state.configuration, Payer(caller.tenant_id, caller.member_id, task_type.name)
    )
    stand = await standings(session, caller.tenant_id, budgets, now())

    async def placed(bounds: Sequence[Standing]) -> Placement:
        return await place(
            state.configuration,
            task_type,
            parameters,
            tenant_id=caller.tenant_id,
            lane=body.lane,
            host=body.host,
            documents=described,
            stand=bounds,
            member=member,
        )

    placement, refusal = await _unless_refused(placed, stand)
    told = placement.estimate
    return EstimateResource.model_validate(
        {**told.as_json(), **_beside_budgets(told.cost.high, stand, refusal)}
    )


@router.post("/batches", responses=refused(404))
async def estimate_batch_of_documents(
    body: NewBatchRequest, caller: Caller, state: InProcess, session: TenantSession, sealer: TenantSealer
) -> BatchEstimateResource:
    """What the same body would need as a batch. For documents that are here."""
    if not body.input.documents:
        raise DocumentsNotThere
    ids = {"tenant_id": caller.tenant_id, "member_id": caller.member_id}
    task_type = find_task_type(body.task_type)
    await _require_permission(session, state, caller, task_type)
    parameters = checked_parameters(task_type, body.parameters)
    parameters = await with_wording(session, sealer, task_type, parameters)
    check_inputs(task_type, 1, None)
    described = await documents.describe(session, sealer, **ids, document_ids=body.input.documents)
    member = await attributes_for(session, state.configuration, task_type.name, **ids)
    budgets = await budgets_of(
        session, state.configuration, Payer(caller.tenant_id, caller.member_id, task_type.name)
    )
    stand = await standings(session, caller.tenant_id, budgets, now())

    async def reckoned(bounds: Sequence[Standing]) -> BatchEstimate:
        return await estimate_batch(
            state.configuration,
            task_type,
            parameters,
            tenant_id=caller.tenant_id,
            host=body.host,
            documents=described,
            stand=bounds,
            member=member,
        )

    told, refusal = await _unless_refused(reckoned, stand)
    refused_documents = [
        {"document_id": document_id, "code": error.code, "message": error.message}
        for document_id, error in list(told.refused.items())[:_SHOWN]
    ]
    return BatchEstimateResource.model_validate(
        {
            **told.as_json(),
            **_beside_budgets(told.cost.high, stand, refusal),
            "documents": len(described) - len(told.refused),
            "refused_documents": refused_documents,
        }
    )


async def _require_permission(
    session: TenantSession, state: InProcess, caller: Principal, task_type: TaskType
) -> None:
    """As for the job itself. Raises: `TaskTypeNotPermitted`."""
    program = actor_kind(caller) is ActorKind.APPLICATION
    asker = Asker(caller.tenant_id, caller.member_id, caller.roles, is_program=program)
    await require_permission(session, state.configuration, asker, task_type.name)


async def _unless_refused(
    reckon: Callable[[Sequence[Standing]], Awaitable[_Told]], stand: Sequence[Standing]
) -> tuple[_Told, Refusal | None]:
    """What it would need; where budgets refuse it, also that they do."""
    try:
        return await reckon(stand), None
    except BudgetExhausted as error:
        refusal = Refusal(code=error.code, message=error.message, resets_at=error.resets_at)
        return await reckon(()), refusal


def _beside_budgets(highest: int, stand: Sequence[Standing], refusal: Refusal | None) -> dict[str, Any]:
    """How an estimate stands beside the caller's budgets."""
    left = allowance(stand).left_micros
    return {
        "left_micros": None if left is None else max(0, left),
        "refused": refusal,
        "may_run_out": left is not None and highest > left,
        "warnings": [WarningResource.model_validate(one) for one in soft_warnings(stand)],
    }
