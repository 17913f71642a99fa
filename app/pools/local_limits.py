"""The same limits counted by one process alone, for the time that Redis is away."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from app.pools.values import DeploymentFacts

_FULL_SECONDS = 0.5


@dataclass(frozen=True)
class _Lease:
    """A place held until an epoch second, and when and with how many tokens it was counted."""

    until: float
    second: int
    tokens: int


class LocalLimits:
    """Leases and the last sixty seconds of each deployment, in this process's memory."""

    def __init__(self) -> None:
        self._leases: defaultdict[UUID, dict[str, _Lease]] = defaultdict(dict)
        self._minute: defaultdict[UUID, dict[int, tuple[int, int]]] = defaultdict(dict)

    def take(
        self, deployment: DeploymentFacts, *, tokens: int, holder: str, seconds: float, now: float
    ) -> float:
        """Take a place and give 0.0, or give the seconds to wait. `now` is in epoch seconds."""
        if not deployment.limited:
            return 0.0
        leases = self._leases[deployment.id]
        for expired in [name for name, lease in leases.items() if lease.until <= now]:
            del leases[expired]
        held = leases.get(holder)
        if held is None and deployment.concurrency is not None and len(leases) >= deployment.concurrency:
            return _FULL_SECONDS
        if held is not None:
            # Counted again below, with what is asked for now.
            self._count(deployment.id, held.second, requests=-1, tokens=-held.tokens)
        wait = self._wait(deployment, tokens, now)
        if wait > 0:
            if held is not None:
                self._count(deployment.id, held.second, requests=1, tokens=held.tokens)
            return wait
        self._count(deployment.id, int(now), requests=1, tokens=tokens)
        leases[holder] = _Lease(now + seconds, int(now), tokens)
        return 0.0

    def _count(self, deployment_id: UUID, second: int, *, requests: int, tokens: int) -> None:
        counted = self._minute[deployment_id].get(second, (0, 0))
        self._minute[deployment_id][second] = (counted[0] + requests, counted[1] + tokens)

    def release(
        self, deployment_id: UUID, *, holder: str, second: int, tokens: int, used_tokens: int | None
    ) -> None:
        """Give the place back, and what was counted and not used."""
        self._leases[deployment_id].pop(holder, None)
        counted = self._minute[deployment_id].get(second)
        if counted is not None:
            given_back = tokens if used_tokens is None else max(0, tokens - used_tokens)
            requests = counted[0] - (used_tokens is None)
            self._minute[deployment_id][second] = (requests, counted[1] - given_back)

    def _wait(self, deployment: DeploymentFacts, tokens: int, now: float) -> float:
        minute = self._minute[deployment.id]
        for old in [second for second in minute if second < int(now) - 60]:
            del minute[old]
        rpm, tpm = deployment.requests_per_minute, deployment.tokens_per_minute
        requests = sum(count for count, _ in minute.values())
        spent = sum(count for _, count in minute.values())
        for second in [None, *sorted(minute)]:
            if second is not None:
                requests -= minute[second][0]
                spent -= minute[second][1]
            # What is larger than the whole limit goes alone, or it would never go.
            fits = tpm is None or spent <= 0 or spent + tokens <= tpm
            if (rpm is None or requests < rpm) and fits:
                return 0.0 if second is None else second + 61 - now
        return 61.0
