"""How a contender is measured: so many requests, so many at once; CPU of whoever routes, and latencies.

It knows nothing of this project, for it also runs in a peer's own environment.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """CPU milliseconds a request, and latencies in milliseconds, sorted."""

    cpu_ms: float
    latencies_ms: list[float]

    def at(self, share: float) -> float:
        """A percentile, such as 0.5 or 0.99."""
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(share * len(self.latencies_ms)))]


async def sample(
    call: Callable[[], Awaitable[object]],
    *,
    in_flight: int,
    requests: int,
    cpu_seconds: Callable[[], float] = time.process_time,
) -> Sample:
    """Make the requests; `cpu_seconds` is a running sum, of this process unless another one is told."""
    left, latencies = iter(range(requests)), []

    async def work() -> None:
        for _ in left:
            began = time.perf_counter()
            await call()
            latencies.append((time.perf_counter() - began) * 1000)

    before = cpu_seconds()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return Sample((cpu_seconds() - before) * 1000 / requests, sorted(latencies))
