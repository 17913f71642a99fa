"""Looks for answers of earlier steps in the database, and hands the step's own answer on to later ones."""

from collections.abc import Callable, Mapping
from typing import Any

from app.copilot.reuse import KeptAnswer, replay, reuse_keys
from app.copilot.sealed_json import open_json, seal_json
from app.core.clock import now
from app.core.crypto import SealBroken
from app.core.database import Database
from app.jobs import service as jobs
from app.jobs.complete import StepAnswer, answer_place
from app.jobs.leases import ClaimedStep
from app.llm.accepted import Accepted
from app.llm.scope import CallScope
from app.llm.types import ModelRequest, ModelResult
from app.pools.values import PoolMemberFacts

Keys = Mapping[bytes, PoolMemberFacts]


class EarlierAnswers:
    """What one step takes from earlier steps, and what it leaves for later ones."""

    def __init__(self, database: Database, step: ClaimedStep, scope: CallScope) -> None:
        self._database = database
        self._step = step
        self._scope = scope
        self._kept: list[tuple[bytes, Accepted]] = []

    def keys(self, request: ModelRequest) -> Keys:
        """See `reuse_keys`."""
        return reuse_keys(request, self._scope, self._scope.sealer, now())

    async def find(self, keys: Keys, verify: Callable[[ModelResult], Any]) -> Accepted | None:
        """An answer that was kept under one of these keys and passes its checks still."""
        step, anybody = self._step, self._scope.policy.reuse_across_members
        async with self._database.tenant(step.tenant_id) as session:
            found = await jobs.earlier_answers(
                session,
                tenant_id=step.tenant_id,
                member_id=None if anybody else step.member_id,
                hashes=list(keys),
            )
        for key, member in keys.items():
            kept = self._open(found[key]) if key in found else None
            accepted = replay(kept, member, verify) if kept is not None else None
            if accepted is not None:
                return accepted
        return None

    def _open(self, earlier: jobs.EarlierAnswer) -> KeptAnswer | None:
        """None for a broken seal, which the log tells of: a model can be asked again."""
        try:
            value = open_json(self._scope.sealer, answer_place(earlier.step_id), earlier.sealed_answer)
        except SealBroken:
            return None
        return KeptAnswer.load(value, call_id=earlier.call_id, tokens=earlier.tokens)

    def keep(self, keys: Keys, accepted: Accepted) -> None:
        """Remember an accepted answer, if whoever gave it has a key."""
        self._kept += [(key, accepted) for key, one in keys.items() if one.id == accepted.pool_member_id]

    def answered(self) -> StepAnswer | None:
        """The step's first answer, as it is kept with the checkpoint."""
        if not self._kept:
            return None
        key, accepted = self._kept[0]
        kept = KeptAnswer.of(accepted)
        return StepAnswer(
            input_hash=key,
            sealed_answer=seal_json(self._scope.sealer, answer_place(self._step.id), kept.dump()),
            call_id=kept.call_id,
            tokens=kept.tokens,
            reused=accepted.reused,
        )
