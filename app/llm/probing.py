"""One tiny call of a deployment, outside of every pool: does it answer, how fast, and can it do what it says?

It is paid for like any other: the intent is in the ledger and the budgets before the request leaves, and settled
with what it cost. Breakers and limits know nothing of it. No transaction is open while the model is asked.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.actions import AuditAction
from app.audit.record import Actor, record
from app.core.clock import new_id
from app.core.database import Database
from app.llm.errors import InvalidOutput, ProviderError
from app.llm.scope import count
from app.llm.types import Block, Message, ModelRequest, ModelResult, Provider, TokenUsage
from app.pools.configuration import Configuration
from app.pools.values import DeploymentFacts, PoolMemberFacts
from app.usage.budgets import Payer, budgets_of
from app.usage.ledger import CallIntent, CallRecord, open_call, settle
from app.vocabulary import CallOutcome, Capability, ModelClass, ProviderKind, SegmentKind, StepKind

TASK_TYPE = "probe"
"""Under which the ledger and budgets know these calls."""
_SECONDS = {ModelClass.GENERAL: 30.0, ModelClass.REASONING: 120.0}
_INPUT_TOKENS = 200
"""More than the request has, by any vendor's count."""
_OUTPUT_TOKENS = {ModelClass.GENERAL: 64, ModelClass.REASONING: 2000}
"""Enough for the answer, and for thinking before it."""
_TEXT = "The harbour opens on Monday."
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}},
    "required": ["ready"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Failure:
    """Why there was no answer that may be used, in our words."""

    code: str
    message: str
    status: int | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True)
class Report:
    """What a probe saw. `untested` are capabilities that so small a call says nothing about."""

    failure: Failure | None
    latency_seconds: float | None
    first_token_seconds: float | None
    usage: TokenUsage
    finish_reason: str | None
    response_model: str | None
    cost_micros: int
    currency: str
    confirmed: tuple[str, ...]
    refuted: tuple[str, ...]
    untested: tuple[str, ...]


class Calls(Protocol):
    """What a probe needs of `app.llm.clients.Clients`, whose libraries take seconds of CPU to import."""

    async def without_credential(self, members: tuple[PoolMemberFacts, ...]) -> frozenset[UUID]:
        """Providers of these members whose key cannot be had now."""
        ...

    def lease(self, member: PoolMemberFacts) -> AbstractAsyncContextManager[Provider]:
        """The client of a member."""
        ...


async def probe(
    database: Database,
    configuration: Configuration,
    clients: Calls,
    *,
    tenant_id: UUID,
    member_id: UUID,
    deployment: DeploymentFacts,
    actor: Actor,
) -> Report:
    """Ask the deployment one thing; `tenant_id` pays. What goes wrong at the vendor is in the report.

    Raises: `MoneyRefused`, and then nothing was asked.
    """
    member = _member(deployment)
    if await clients.without_credential((member,)):
        async with database.tenant(tenant_id) as session:
            await _note(session, tenant_id, deployment, actor)
        missing = Failure("bad_credential", "the provider has no key that can be used: enter one")
        return _report(deployment, failure=missing)
    paid = CallRecord(_intent(tenant_id, member_id, member))
    payer = Payer(tenant_id, member_id, TASK_TYPE)
    async with database.tenant(tenant_id) as session:
        await open_call(session, paid.intent, await budgets_of(session, configuration, payer))
        await _note(session, tenant_id, deployment, actor)
    began = time.monotonic()
    try:
        async with clients.lease(member) as client:
            # The first client of a vendor takes seconds: its library is imported.
            began = time.monotonic()
            result = await client.complete(
                _request(deployment), _messages(deployment), timeout_seconds=_SECONDS[deployment.model_class]
            )
        seconds = time.monotonic() - began
        count(paid, result.usage, member)
        return _judged(deployment, paid, result, seconds)
    except ProviderError as error:
        paid.outcome, paid.error_code = CallOutcome.FAILED, error.code
        if error.usage is not None:
            count(paid, error.usage, member)
        elif error.may_cost:
            paid.cost_micros = paid.intent.reserved_micros
        failure = Failure(error.code, error.message, error.status, error.retry_after_seconds)
        return _report(
            deployment,
            paid,
            failure=failure,
            latency_seconds=time.monotonic() - began,
            usage=error.usage or TokenUsage(),
        )
    except BaseException:
        # Nobody knows what the vendor did.
        paid.outcome, paid.cost_micros = CallOutcome.CANCELLED, paid.intent.reserved_micros
        raise
    finally:
        await asyncio.shield(_settle(database, paid))


def _judged(deployment: DeploymentFacts, paid: CallRecord, result: ModelResult, seconds: float) -> Report:
    """The report on an answer; a schema that was asked for and not kept is a failure."""
    failure: Failure | None = None
    asked = Capability.JSON_SCHEMA if _asks_for_schema(deployment) else None
    if asked is not None and not _keeps_schema(result.text):
        failure = Failure(InvalidOutput.code, "the model answered, and not in the schema that it was given")
        paid.outcome, paid.error_code = CallOutcome.REJECTED, failure.code
    else:
        paid.outcome = CallOutcome.SUCCEEDED
    return _report(
        deployment,
        paid,
        failure=failure,
        latency_seconds=seconds,
        first_token_seconds=result.first_token_seconds,
        usage=result.usage,
        finish_reason=result.finish_reason,
        response_model=result.response_model,
        confirmed=(asked,) if asked is not None and failure is None else (),
        refuted=(asked,) if asked is not None and failure is not None else (),
    )


def _report(
    deployment: DeploymentFacts,
    paid: CallRecord | None = None,
    *,
    failure: Failure | None,
    latency_seconds: float | None = None,
    first_token_seconds: float | None = None,
    usage: TokenUsage | None = None,
    finish_reason: str | None = None,
    response_model: str | None = None,
    confirmed: tuple[str, ...] = (),
    refuted: tuple[str, ...] = (),
) -> Report:
    return Report(
        failure=failure,
        latency_seconds=latency_seconds,
        first_token_seconds=first_token_seconds,
        usage=usage or TokenUsage(),
        finish_reason=finish_reason,
        response_model=response_model,
        cost_micros=0 if paid is None else paid.cost_micros,
        currency=deployment.price.currency if deployment.price is not None else "EUR",
        confirmed=confirmed,
        refuted=refuted,
        untested=tuple(sorted(deployment.capabilities - {*confirmed, *refuted})),
    )


def _asks_for_schema(deployment: DeploymentFacts) -> bool:
    extractive = deployment.provider.kind is ProviderKind.EXTRACTIVE
    return Capability.JSON_SCHEMA in deployment.capabilities and not extractive


def _keeps_schema(text: str) -> bool:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(answer, dict) and answer.keys() == {"ready"} and isinstance(answer["ready"], bool)


def _member(deployment: DeploymentFacts) -> PoolMemberFacts:
    """The deployment as a member of no pool, without prompts and parameters."""
    return PoolMemberFacts(
        id=new_id(),
        deployment=deployment,
        prompt_set_id=new_id(),
        prompts={},
        prompt_name=TASK_TYPE,
        prompt_revision=1,
    )


def _intent(tenant_id: UUID, member_id: UUID, member: PoolMemberFacts) -> CallIntent:
    deployment, price, call_id = member.deployment, member.deployment.price, new_id()
    return CallIntent(
        id=call_id,
        tenant_id=tenant_id,
        member_id=member_id,
        # No job, step or pool: the call stands for itself.
        job_id=call_id,
        step_id=call_id,
        pool_revision_id=call_id,
        pool_member_id=member.id,
        fencing=0,
        hop=0,
        deployment_id=deployment.id,
        price_revision_id=price.id if price is not None else None,
        provider_name=deployment.provider.name,
        request_model=deployment.model_name,
        task_type=TASK_TYPE,
        vendor=deployment.provider.vendor,
        reserved_micros=deployment.estimate_micros(_INPUT_TOKENS, _OUTPUT_TOKENS[deployment.model_class]),
        currency=price.currency if price is not None else "EUR",
    )


def _request(deployment: DeploymentFacts) -> ModelRequest:
    return ModelRequest(
        # The one type that every kind of member does.
        task_type="summarize",
        step_kind=StepKind.FINAL,
        blocks=(Block("B1", _TEXT, SegmentKind.PARAGRAPH),),
        parameters={},
        language="en",
        render=lambda _prompts: _messages(deployment),
        response_schema=_SCHEMA if _asks_for_schema(deployment) else None,
        input_tokens_estimate=_INPUT_TOKENS,
        max_output_tokens=_OUTPUT_TOKENS[deployment.model_class],
        user_watches=True,
    )


def _messages(deployment: DeploymentFacts) -> Sequence[Message]:
    wanted = 'the JSON {"ready": true}' if _asks_for_schema(deployment) else "the word ready"
    return [Message("user", f"Answer with {wanted} and nothing else.")]


async def _note(session: AsyncSession, tenant_id: UUID, deployment: DeploymentFacts, actor: Actor) -> None:
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action=AuditAction.DEPLOYMENT_PROBE,
        target_type="deployment",
        target_id=str(deployment.id),
        detail={"name": deployment.name, "provider": deployment.provider.name},
    )


async def _settle(database: Database, paid: CallRecord) -> None:
    async with database.tenant(paid.intent.tenant_id) as session:
        await settle(session, [paid])
