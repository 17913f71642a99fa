"""The same limits counted by one process alone, for the time that Redis is away."""

from collections import defaultdict
from uuid import UUID

from app.pools.values import DeploymentFacts

_FULL_SECONDS = 0.5


class LocalLimits:
    """Leases and the last sixty seconds of each deployment, in this process's memory."""

    def __init__(self) -> None:
        self._leases: defaultdict[UUID, dict[str, float]] = defaultdict(dict)
        self._minute: defaultdict[UUID, dict[int, tuple[int, int]]] = defaultdict(dict)

    def take(
        self, deployment: DeploymentFacts, *, tokens: int, holder: str, seconds: float, now: float
    ) -> float:
        """Take a place and give 0.0, or give the seconds to wait. `now` is in epoch seconds."""
        if not deployment.limited:
            return 0.0
        leases = self._leases[deployment.id]
        for expired in [name for name, until in leases.items() if until <= now]:
            del leases[expired]
        if holder not in leases:
            if deployment.concurrency is not None and len(leases) >= deployment.concurrency:
                return _FULL_SECONDS
            wait = self._wait(deployment, tokens, now)
            if wait > 0:
                return wait
            counted = self._minute[deployment.id].get(int(now), (0, 0))
            self._minute[deployment.id][int(now)] = (counted[0] + 1, counted[1] + tokens)
        leases[holder] = now + seconds
        return 0.0

    def holds(self, deployment_id: UUID, holder: str) -> bool:
        """Whether the holder has a place already."""
        return holder in self._leases[deployment_id]

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
