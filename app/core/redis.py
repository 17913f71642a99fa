"""One way to make a Redis client. Redis carries only what may be lost."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff


def connect(url: str, *, max_connections: int = 64, timeout_seconds: float = 5.0) -> Redis:
    """A client with bounded waits, so that a frozen server cannot hold a request for good."""
    return Redis.from_url(
        url,
        max_connections=max_connections,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=2.0,
        socket_keepalive=True,
        health_check_interval=10,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 1),
        decode_responses=False,
    )
