"""Who pays for a step's calls: its budgets, its intents in the ledger, and what they are bound by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Sealer
from app.core.logging import get_logger
from app.llm.types import TokenUsage
from app.pools.values import PoolMemberFacts, RevisionFacts
from app.tenants.policy import Policy
from app.usage.budgets import BudgetFacts, Standing
from app.usage.costs import cost_micros
from app.usage.errors import MoneyRefused
from app.usage.ledger import CallIntent, CallRecord, open_call
from app.vocabulary import CallOutcome

_log = get_logger(__name__)
_PROMPT_TOKENS, _OUTPUT_TOKENS = 1000, 1500
"""What instructions and an answer are reckoned with before the request is made."""


@dataclass
class CallScope:
    """Who pays for a step's calls and what binds them. `deadline` is in the loop's time.

    `reservation` is what dispatch reserved; the first call uses it up. `records` collects the ledger's
    entries of every attempt, ended or not, for the caller to settle.
    """

    tenant_id: UUID
    member_id: UUID
    job_id: UUID
    step_id: UUID
    fencing: int
    revision: RevisionFacts
    policy: Policy
    language: str
    reservation: Mapping[str, Any] | None
    deadline: float
    sticky_key: bytes
    """What the job draws with, in every step."""
    sealer: Sealer
    records: list[CallRecord]
    budgets: tuple[BudgetFacts, ...] = ()
    """Where its calls reserve their money."""
    standings: tuple[Standing, ...] = ()
    """Where these budgets stood when the step was loaded."""
    prepaid: CallRecord | None = None
    """An intent that is in the ledger already, for the member that is asked first; one of `records`."""

    def let_go(self) -> None:
        """An intent that no request was made of is over; settle it like the others."""
        if self.prepaid is not None:
            self.prepaid.outcome = CallOutcome.UNSENT
            self.prepaid = None

    def intent(
        self, member: PoolMemberFacts, *, hop: int, task_type: str, input_tokens: int, output_tokens: int
    ) -> CallIntent:
        """What the ledger is told before a request leaves for a member; thoughts come on top of the answer's tokens."""
        deployment, price = member.deployment, member.deployment.price
        return CallIntent(
            tenant_id=self.tenant_id,
            member_id=self.member_id,
            job_id=self.job_id,
            step_id=self.step_id,
            fencing=self.fencing,
            hop=hop,
            pool_revision_id=self.revision.id,
            pool_member_id=member.id,
            deployment_id=deployment.id,
            price_revision_id=price.id if price is not None else None,
            provider_name=deployment.provider.name,
            request_model=deployment.model_name,
            task_type=task_type,
            pool_name=self.revision.pool_name,
            vendor=deployment.provider.vendor,
            reserved_micros=deployment.estimate_micros(input_tokens, member.output_tokens(output_tokens)),
            currency=price.currency if price is not None else "EUR",
        )


async def prepay(
    session: AsyncSession, scope: CallScope, planned: UUID | None, *, task_type: str, estimated_tokens: int
) -> None:
    """Write the first intent while the step is loaded, for the member that is planned to be asked (`ModelCaller.planned`).

    It is larger than most requests; what is not needed is free again when the call is settled. Nothing is
    written where nobody is planned, or where a budget leaves less: the call then writes what it really needs.
    """
    member = next((one for one in scope.revision.members if one.id == planned), None)
    if member is None:
        return
    intent = scope.intent(
        member,
        hop=0,
        task_type=task_type,
        input_tokens=estimated_tokens * 3 // 2 + _PROMPT_TOKENS,
        output_tokens=_OUTPUT_TOKENS,
    )
    try:
        await open_call(session, intent, scope.budgets)
    except MoneyRefused:
        return
    scope.prepaid = CallRecord(intent)
    scope.records.append(scope.prepaid)


def covers(prepaid: CallIntent, wanted: CallIntent) -> bool:
    """Whether an intent that is in the ledger may stand for an attempt."""
    return (
        wanted.hop == 0
        and prepaid.pool_member_id == wanted.pool_member_id
        and prepaid.price_revision_id == wanted.price_revision_id
        and prepaid.reserved_micros >= wanted.reserved_micros
    )


def count(record: CallRecord, usage: TokenUsage, member: PoolMemberFacts) -> None:
    """Note what a vendor counted, and what it costs."""
    record.input_tokens = usage.input_tokens
    record.cached_input_tokens = usage.cached_input_tokens
    record.output_tokens = usage.output_tokens
    record.reasoning_tokens = usage.reasoning_tokens
    record.cost_micros = cost_micros(usage, member.deployment.price)
    if record.cost_micros > record.reserved_micros:
        _log.warning(
            "a vendor counted more than was reserved",
            tenant_id=str(record.intent.tenant_id),
            call_id=str(record.intent.id),
            deployment=member.deployment.name,
            reserved_micros=record.reserved_micros,
            cost_micros=record.cost_micros,
        )
