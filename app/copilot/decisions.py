"""The decision record of a job: which model wrote it, and why. Assembled when the job ends."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.documents.suspicion import Finding, totals
from app.llm.accepted import Accepted
from app.pools.values import RevisionFacts
from app.usage.ledger import CallView
from app.vocabulary import CallOutcome

_MOST_NAMED = 100


@dataclass(frozen=True)
class Reused:
    """Calls of earlier jobs whose answers a job took, and the deployments of those that the ledger still has."""

    calls: Sequence[UUID] = ()
    deployments: Sequence[UUID] = ()


NOTHING_REUSED = Reused()


def decision_record(
    revision: RevisionFacts,
    route_reason: str,
    accepted: Accepted | None,
    calls: Sequence[CallView],
    findings: Sequence[Sequence[Finding]] = (),
    reused: Reused = NOTHING_REUSED,
) -> dict[str, Any]:
    """The record as JSON. `accepted` is the answer of the last step, None when the job failed.

    `findings` are those of the job's documents; only their counts are kept. Of the calls of earlier
    jobs whose answers this one took, the first are named, and all are counted by who gave them.
    """
    names = {member.deployment.id: member.deployment.name for member in revision.members}
    steps = {call.step_id: names.get(call.deployment_id, call.request_model) for call in calls if _won(call)}
    record: dict[str, Any] = {
        "pool": revision.pool_name,
        "revision": revision.number,
        "revision_id": str(revision.id),
        "route": route_reason,
        "answers": dict(Counter(steps.values())),
        "failed_calls": [
            {
                "deployment": names.get(call.deployment_id, call.request_model),
                "outcome": call.outcome,
                "error_code": call.error_code,
                "detail": call.error_detail,
            }
            for call in calls
            if not _won(call) and call.outcome is not CallOutcome.PENDING
        ],
    }
    if any(findings):
        record["findings"] = totals([one for each in findings for one in each])
    if reused.calls:
        record["reused"] = {
            "answers": len(reused.calls),
            "from_calls": [str(call_id) for call_id in reused.calls[:_MOST_NAMED]],
            "by": dict(Counter(names[one] for one in reused.deployments if one in names)),
        }
    if accepted is not None:
        record |= {
            "member": dict(accepted.member),
            "candidates": list(accepted.candidates),
            "excluded": [dict(one) for one in accepted.excluded],
            "hops": [
                {
                    "deployment": hop.deployment,
                    "outcome": hop.outcome,
                    "error_code": hop.error_code,
                    "detail": hop.detail,
                }
                for hop in accepted.hops
            ],
            "price_revision": str(accepted.price_revision_id) if accepted.price_revision_id else None,
            "frugal": accepted.frugal,
            "why": _why(revision, route_reason, accepted),
        }
    return record


def _won(call: CallView) -> bool:
    return call.outcome is CallOutcome.SUCCEEDED


def _why(revision: RevisionFacts, route_reason: str, accepted: Accepted) -> str:
    """One sentence for people."""
    name = accepted.member["deployment"]
    start = f"{route_reason}, to the pool {revision.pool_name} (revision {revision.number})"
    if accepted.frugal:
        start += ", a cheaper tier first because a budget's soft limit is passed"
    failed = [hop for hop in accepted.hops if hop.error_code is not None]
    if failed:
        told = ", ".join(
            f"{hop.deployment} ({_WORDS.get(hop.error_code or '', hop.error_code)}"
            f"{f': {hop.detail}' if hop.detail else ''})"
            for hop in failed
        )
        return f"{start}; {name} answered after {told}"
    if accepted.excluded:
        out = ", ".join(f"{one['deployment']} ({one['reason']})" for one in accepted.excluded)
        return f"{start}; {name} is the first that may do it, excluded: {out}"
    return f"{start}; {name} is the first in its order"


_WORDS: Mapping[str, str] = {
    "invalid_output": "its answer did not pass the checks",
    "truncated": "its answer was cut off",
    "rate_limited": "at its limit",
    "unavailable": "did not answer",
    "timed_out": "too slow",
    "bad_credential": "refused our key",
}
