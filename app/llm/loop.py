"""The call loop: asks the members of a pool one after another until an answer passes its checks.

    select (hard limits, order) ─► breaker and limits, one round trip ─► intent in the ledger ─► the request
        ▲                                                                                          │
        └──── next member ◄── ProviderError or a failed check: breaker, record ◄───────────────────┤
                                                                                     accepted ◄────┘
The first intent was written when the step was loaded (`prepay`), so that a call costs no SQL before its request
leaves; a later attempt, or one that is larger than expected, writes its own. No transaction is open while a
model thinks. Records are settled by the caller, with the checkpoint.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from app.core.clock import new_id, now
from app.core.database import Database
from app.core.logging import get_logger
from app.llm.accepted import Accepted, Attempts, accepted
from app.llm.clients import Clients
from app.llm.errors import (
    AllResting,
    CallFailed,
    ContentFiltered,
    ContextTooLong,
    Hop,
    InvalidOutput,
    ProviderError,
    RateLimited,
    TimedOut,
)
from app.llm.scope import CallScope, count, covers
from app.llm.types import ModelRequest, ModelResult
from app.pools.balancing import BALANCED
from app.pools.breakers import Breakers
from app.pools.dispatching import OUTPUT_TOKENS, figures_for, reserved_grant
from app.pools.errors import NoEligibleMember
from app.pools.limits import Grant, Limits, Refusal
from app.pools.retry_budget import RetryBudget
from app.pools.selection import Demand, select, stickiness
from app.pools.traffic import Pace
from app.pools.values import PoolMemberFacts
from app.usage.budgets import allowance, money_refusal
from app.usage.errors import MoneyRefused
from app.usage.ledger import CallIntent, CallRecord, open_call, settle
from app.vocabulary import CallOutcome, ModelClass, StepKind

TIMEOUT_SECONDS = {ModelClass.GENERAL: 120.0, ModelClass.REASONING: 300.0}
"""How long one request may take in all, by model class."""
_log = get_logger(__name__)
_TRY_LATER = "Try again later"
_ADVICE = {
    ContextTooLong.code: "Send a shorter text",
    ContentFiltered.code: "Leave out what a vendor's content filter may object to",
}
"""What a member can do where trying again would not help."""
_FREE_HOPS = 2
"""The first attempt and the first fallback; more come out of the retry budget."""


class ModelCaller:
    """Calls models for steps; one per process."""

    def __init__(self, database: Database, breakers: Breakers, limits: Limits, clients: Clients) -> None:
        self._database = database
        self._breakers = breakers
        self._limits = limits
        self._clients = clients
        self._retries = RetryBudget()

    async def call(
        self, request: ModelRequest, *, scope: CallScope, verify: Callable[[ModelResult], Any]
    ) -> Accepted:
        """Ask until an answer passes `verify`, which gives the value or raises `InvalidOutput`.

        Raises: `AllResting`, `MoneyRefused`, `CallFailed`, `NoEligibleMember`.
        """
        attempts = await self._begin(request, scope)
        self._retries.called(scope.revision.pool_id)
        while attempts.left:
            if len(attempts.hops) >= _FREE_HOPS and not self._retries.take(scope.revision.pool_id):
                break
            if scope.deadline <= asyncio.get_running_loop().time():
                attempts.last_error = TimedOut("the job's deadline has passed")
                break
            member, grant = await self._admit(attempts)
            accepted = await self._attempt(attempts, member, grant, verify)
            if accepted is not None:
                return accepted
            if attempts.last_error is not None and not attempts.last_error.try_next:
                break
        raise self._end(attempts)

    def planned(self, scope: CallScope, *, step_kind: StepKind, task_type: str, tokens: int) -> UUID | None:
        """The member that a step's first call will ask, for which it is prepaid; None where no place was reserved.

        It is the one of the reservation. Where the pool chooses by what goes on, that was another moment: it is
        whom the figures prefer now, and the call a moment later keeps to it.
        """
        reservation, revision = scope.reservation, scope.revision
        if reservation is None:
            return None
        if revision.strategy not in BALANCED:
            return UUID(reservation["member_id"])
        try:
            selection = select(
                revision,
                scope.policy,
                Demand(
                    task_type,
                    step_kind,
                    scope.language,
                    tokens,
                    OUTPUT_TOKENS,
                    document_language=scope.language,
                ),
                resting=self._breakers.resting(member.deployment for member in revision.members),
                now=now(),
                draw=stickiness(revision.pool_id, scope.sticky_key),
                allowance=allowance(scope.standings),
                figures=figures_for(self._limits, revision, reservation),
            )
        except NoEligibleMember:
            return None
        return selection.order[0].id

    async def let_go(self, scope: CallScope) -> None:
        """Give back the place that dispatch reserved, where no request was made: nobody waits for its end."""
        reservation, scope.reservation = scope.reservation, None
        grant = None if reservation is None else reserved_grant(scope.revision, reservation)
        if grant is not None:
            await self._limits.release(grant, used_tokens=None)

    async def _begin(self, request: ModelRequest, scope: CallScope) -> Attempts:
        members = scope.revision.members
        try:
            selection = select(
                scope.revision,
                scope.policy,
                demand_of(request, scope),
                resting=self._breakers.resting(member.deployment for member in members),
                now=now(),
                draw=stickiness(scope.revision.pool_id, scope.sticky_key),
                without_credential=await self._clients.without_credential(members),
                allowance=allowance(scope.standings),
                figures=figures_for(self._limits, scope.revision, scope.reservation),
            )
        except NoEligibleMember as nobody:
            if nobody.retry_after_seconds is not None:
                raise AllResting(nobody.retry_after_seconds) from nobody
            refused = money_refusal(nobody, scope.standings)
            if refused is None:
                raise
            raise refused from nobody
        attempts = Attempts(request, scope, selection, list(selection.order), str(new_id()))
        first = _first(scope)
        # Stable: that member moves to the front if it is still eligible, the others stay.
        attempts.left.sort(key=lambda member: member.id != first)
        reservation, scope.reservation = scope.reservation, None
        if reservation is not None:
            attempts.reserved = reserved_grant(scope.revision, reservation)
            attempts.holder = attempts.reserved.holder if attempts.reserved is not None else attempts.holder
        return attempts

    async def _admit(self, attempts: Attempts) -> tuple[PoolMemberFacts, Grant]:
        """A place at the first member that is free. Raises: `AllResting`, `CallFailed`."""
        request, left = attempts.request, attempts.left
        answer = await self._limits.reserve(
            [member.deployment for member in left],
            tokens=request.input_tokens_estimate + request.max_output_tokens,
            holder=attempts.holder,
            seconds=max(self._timeout(attempts.scope, member) for member in left) + 5.0,
            reserved=attempts.reserved,
        )
        for position, seconds in answer.resting.items():
            self._breakers.learn(left[position].deployment, seconds)
        reserved, attempts.reserved = attempts.reserved, None
        if reserved is not None and (isinstance(answer, Refusal) or not _is_among(left, reserved)):
            # Else it has been left with the same question.
            await self._limits.release(reserved, used_tokens=None)
        if isinstance(answer, Refusal):
            if attempts.hops and not isinstance(attempts.last_error, RateLimited):
                raise self._end(attempts)
            raise AllResting(answer.retry_after_seconds)
        member = left.pop(answer.index)
        # A later attempt holds its own place, and the reservation is used up.
        attempts.holder = str(new_id())
        return member, answer

    async def _attempt(
        self,
        attempts: Attempts,
        member: PoolMemberFacts,
        grant: Grant,
        verify: Callable[[ModelResult], Any],
    ) -> Accepted | None:
        """One request; None when it failed and another member may be asked."""
        used: int | None = None
        pace = Pace(self._limits.traffic, attempts.scope.revision, member)
        try:
            # The intent first, so that no request that leaves is ever unknown to the ledger.
            record = await self._open(attempts, member)
            if record is None:
                return None
            attempts.records.append(record)
            used = grant.tokens
            result, value = await self._ask(attempts, member, record, verify, pace)
            used = record.input_tokens + record.output_tokens
            pace.answered()
        except ProviderError as error:
            attempts.last_error = error
            if isinstance(error, TimedOut | InvalidOutput):
                pace.answered()
            attempts.hops.append(
                Hop(member.deployment.name, attempts.records[-1].outcome, error.code, error.detail)
            )
            _log.info(
                "attempt failed",
                job_id=str(attempts.scope.job_id),
                step_id=str(attempts.scope.step_id),
                deployment=member.deployment.name,
                code=error.code,
                check=error.detail,
            )
            await self._after_error(member, grant, error)
            return None
        finally:
            pace.end()
            await self._limits.release(grant, used_tokens=used)
        await self._breakers.answered(member.deployment, probe=grant.probe)
        attempts.hops.append(Hop(member.deployment.name, CallOutcome.SUCCEEDED))
        return accepted(attempts, member, result, value)

    async def _open(self, attempts: Attempts, member: PoolMemberFacts) -> CallRecord | None:
        """The intent of an attempt, in the ledger; None if the member is too dear for what is left."""
        scope, request = attempts.scope, attempts.request
        intent = scope.intent(
            member,
            hop=len(attempts.hops),
            task_type=request.task_type,
            input_tokens=request.input_tokens_estimate,
            output_tokens=request.max_output_tokens,
        )
        prepaid = scope.prepaid
        if prepaid is not None and covers(prepaid.intent, intent):
            scope.prepaid = None
            # It was reckoned generously, before anybody knew the request.
            prepaid.most_micros = intent.reserved_micros
            return prepaid
        scope.let_go()
        try:
            await self._write(intent, scope)
        except MoneyRefused as error:
            attempts.too_dear = error
            return None
        record = CallRecord(intent)
        scope.records.append(record)
        return record

    async def _write(self, intent: CallIntent, scope: CallScope) -> None:
        async with self._database.tenant(intent.tenant_id) as session:
            # What was prepaid and is not used leaves room for this.
            over = [record for record in scope.records if record.outcome is CallOutcome.UNSENT]
            await settle(session, over)
            await open_call(session, intent, scope.budgets)
        scope.records[:] = [record for record in scope.records if record.outcome is not CallOutcome.UNSENT]

    async def _ask(
        self,
        attempts: Attempts,
        member: PoolMemberFacts,
        record: CallRecord,
        verify: Callable[[ModelResult], Any],
        pace: Pace,
    ) -> tuple[ModelResult, Any]:
        """Send the request and check the answer; the record is complete in every case."""
        request = attempts.request
        try:
            async with self._clients.lease(member) as provider:
                # Making the client is our time, not the vendor's.
                pace.begin()
                result = await provider.complete(
                    replace(request, max_output_tokens=member.output_tokens(request.max_output_tokens)),
                    request.render(member.prompts),
                    timeout_seconds=self._timeout(attempts.scope, member),
                )
        except asyncio.CancelledError:
            # Nobody knows what the vendor did before its socket closed.
            record.outcome = CallOutcome.CANCELLED
            record.cost_most()
            raise
        except ProviderError as error:
            record.outcome = CallOutcome.FAILED
            record.error_code, record.error_detail = error.code, error.detail
            if error.usage is not None:
                count(record, error.usage, member)
            elif error.may_cost:
                record.cost_most()
            raise
        count(record, result.usage, member)
        record.outcome = CallOutcome.SUCCEEDED
        try:
            return result, verify(result)
        except InvalidOutput as error:
            record.outcome = CallOutcome.REJECTED
            record.error_code, record.error_detail = error.code, error.detail
            raise

    async def _after_error(self, member: PoolMemberFacts, grant: Grant, error: ProviderError) -> None:
        rest = await self._breakers.failed(
            member.deployment,
            rest_seconds=error.rest_seconds,
            retry_after_seconds=error.retry_after_seconds,
        )
        if rest <= 0:
            await self._breakers.answered(member.deployment, probe=grant.probe)

    def _timeout(self, scope: CallScope, member: PoolMemberFacts) -> float:
        left = scope.deadline - asyncio.get_running_loop().time()
        return max(0.1, min(left, TIMEOUT_SECONDS[member.deployment.model_class]))

    def _end(self, attempts: Attempts) -> AllResting | MoneyRefused | CallFailed:
        """What to tell the runner when nobody is left: wait where waiting helps, else it failed."""
        error = attempts.last_error
        if attempts.too_dear is not None and not attempts.hops:
            return attempts.too_dear
        if attempts.hops and all(hop.error_code == RateLimited.code for hop in attempts.hops):
            resting = self._breakers.resting(
                member.deployment for member in attempts.selection.order
            ).values()
            return AllResting(max(0.5, min(resting, default=0.5) - now().timestamp()))
        code = error.code if error is not None else "no_answer"
        names = ", ".join(map(str, attempts.hops))
        why = f" {error.explained}" if isinstance(error, InvalidOutput) and error.detail is not None else ""
        return CallFailed(
            f"No model gave an answer that may be used ({names or code}).{why} {_ADVICE.get(code, _TRY_LATER)}, or"
            " ask your administrator to add another model to the pool.",
            code=code,
            hops=attempts.hops,
        )


def demand_of(request: ModelRequest, scope: CallScope) -> Demand:
    """What a request needs of a member."""
    return Demand(
        task_type=request.task_type,
        step_kind=request.step_kind,
        language=request.language,
        input_tokens=request.input_tokens_estimate,
        output_tokens=request.max_output_tokens,
        needs=frozenset({"json_schema"}) if request.response_schema is not None else frozenset(),
        parameters=request.parameters,
        document_language=scope.language,
    )


def _first(scope: CallScope) -> UUID | None:
    """Whom to ask first whatever the order: who is paid for already, or else who has a place that was reserved.

    Where the order is as of now, what was best when a place was reserved does not undo it.
    """
    if scope.prepaid is not None:
        return scope.prepaid.intent.pool_member_id
    if scope.reservation is None or scope.revision.strategy in BALANCED:
        return None
    return UUID(scope.reservation["member_id"])


def _is_among(members: Iterable[PoolMemberFacts], grant: Grant) -> bool:
    return any(member.deployment.id == grant.deployment.id for member in members)
