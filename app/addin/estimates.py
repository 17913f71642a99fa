"""What a job would need, before it is submitted. Nothing is written."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from app.addin.batch_schemas import BatchEstimateResource, NewBatchRequest
from app.addin.inline import inline_kind, prepare_inline
from app.addin.languages import AcceptLanguage, first_language
from app.addin.schemas import EstimateResource, NewJobRequest, Refusal, WarningResource
from app.audit.record import ActorKind
from app.copilot.answer_language import in_askers_language
from app.copilot.asking import Asked, check_asked
from app.copilot.batch_estimates import estimate_batch
from app.copilot.errors import DocumentsNotThere
from app.copilot.permissions import Asker
from app.copilot.submit import main_language, place
from app.copilot.types import InlineKind
from app.core.clock import now
from app.core.crypto import Sealer
from app.documents import service as documents
from app.http.contract import refused
from app.http.guards import Caller, InProcess, TenantSealer, TenantSession, actor_kind
from app.http.routes import GuardedRoute
from app.http.services import Services
from app.identity.principal import Principal
from app.jobs.accept import full_queue
from app.usage.budgets import Payer, Standing, allowance, soft_warnings, stand_of
from app.usage.errors import MoneyRefused

router = APIRouter(prefix="/estimates", tags=["jobs"], route_class=GuardedRoute)
_SHOWN = 100
_Told = TypeVar("_Told")


@router.post("", responses=refused(404))
async def estimate_job(
    body: NewJobRequest,
    caller: Caller,
    state: InProcess,
    session: TenantSession,
    sealer: TenantSealer,
    accept_language: AcceptLanguage = None,
) -> EstimateResource:
    """What the same body would need as a job: steps, tokens, money, and whether the budgets allow it.

    For documents that are here or what the pane sends itself; files in Microsoft 365 are known when they have been fetched.
    """
    if body.input.drive_items:
        raise DocumentsNotThere
    inline = await prepare_inline(sealer, body.input, body.task_type)
    count = len(body.input.documents) if inline is None else 1
    asked, stand = await _asked(
        body, caller, state, session, sealer, documents=count, inline=inline_kind(body.input)
    )
    described = await _described(body, caller, session, sealer) if inline is None else [inline.view]
    placement, refusal = await _unless_refused(
        partial(
            place,
            state.configuration,
            asked.task_type,
            in_askers_language(asked, main_language(described), first_language(accept_language)),
            tenant_id=caller.tenant_id,
            lane=body.lane,
            host=body.host,
            documents=described,
            member=asked.member,
        ),
        stand,
    )
    refusal = refusal or await _full_queue(caller, state, session)
    told = placement.estimate
    return EstimateResource.model_validate(
        {**told.as_json(), **_beside_budgets(told.cost.high, told.currency, stand, refusal)}
    )


@router.post("/batches", responses=refused(404))
async def estimate_batch_of_documents(
    body: NewBatchRequest, caller: Caller, state: InProcess, session: TenantSession, sealer: TenantSealer
) -> BatchEstimateResource:
    """What the same body would need as a batch. For documents that are here."""
    if not body.input.documents:
        raise DocumentsNotThere
    asked, stand = await _asked(body, caller, state, session, sealer, documents=1)
    described = await _described(body, caller, session, sealer)
    told, refusal = await _unless_refused(
        partial(
            estimate_batch,
            state.configuration,
            asked.task_type,
            asked.worded,
            tenant_id=caller.tenant_id,
            host=body.host,
            documents=described,
            member=asked.member,
        ),
        stand,
    )
    refusal = refusal or await _full_queue(caller, state, session)
    refused_documents = [
        {"document_id": document_id, "code": error.code, "message": error.message}
        for document_id, error in list(told.refused.items())[:_SHOWN]
    ]
    return BatchEstimateResource.model_validate(
        {
            **told.as_json(),
            **_beside_budgets(told.cost.high, told.largest.currency, stand, refusal),
            "documents": len(described) - len(told.refused),
            "refused_documents": refused_documents,
        }
    )


async def _asked(
    body: NewJobRequest | NewBatchRequest,
    caller: Principal,
    state: Services,
    session: AsyncSession,
    sealer: Sealer,
    *,
    documents: int,
    inline: InlineKind | None = None,
) -> tuple[Asked, Sequence[Standing]]:
    """What is asked for, as for the work itself, and where the budgets of who asks stand. Raises: as `check_asked`."""
    program = actor_kind(caller) is ActorKind.APPLICATION
    asked = await check_asked(
        session,
        sealer,
        state.configuration,
        Asker(caller.tenant_id, caller.member_id, caller.roles, is_program=program),
        body.task_type,
        body.parameters,
        documents=documents,
        inline=inline,
    )
    payer = Payer(caller.tenant_id, caller.member_id, asked.task_type.name)
    return asked, await stand_of(session, state.configuration, payer, now())


async def _described(
    body: NewJobRequest | NewBatchRequest, caller: Principal, session: AsyncSession, sealer: Sealer
) -> Sequence[documents.DocumentView]:
    return await documents.describe(
        session,
        sealer,
        tenant_id=caller.tenant_id,
        member_id=caller.member_id,
        document_ids=body.input.documents,
    )


async def _unless_refused(
    reckon: Callable[..., Awaitable[_Told]], stand: Sequence[Standing]
) -> tuple[_Told, Refusal | None]:
    """What it would need; where budgets refuse it, also that they do."""
    try:
        return await reckon(stand=stand), None
    except MoneyRefused as error:
        refusal = Refusal(code=error.code, message=error.message, resets_at=error.resets_at)
        return await reckon(), refusal


async def _full_queue(caller: Principal, state: Services, session: AsyncSession) -> Refusal | None:
    """That as many jobs wait as may; it is the last thing that the door asks."""
    policy = await state.configuration.policy(caller.tenant_id)
    full = await full_queue(session, caller.tenant_id, policy.max_jobs_queued)
    return None if full is None else Refusal(code=full.code, message=full.message)


def _beside_budgets(
    highest: int, currency: str | None, stand: Sequence[Standing], refusal: Refusal | None
) -> dict[str, Any]:
    """How an estimate stands beside the caller's budgets; of other money nothing can be said."""
    bound = allowance(stand)
    left = bound.left_micros
    return {
        "left_micros": None if left is None else max(0, left),
        "refused": refusal,
        "may_run_out": left is not None and bound.currency == currency and highest > left,
        "warnings": [WarningResource.model_validate(one) for one in soft_warnings(stand)],
    }
