"""Sessions of the portal: in Redis, sealed under the secret that the browser's cookie holds.

    begin ──► find ──► find ──► ...      idle 30 min (each find moves that), absolute 8 h (nothing moves that)
                └ replace: what Entra says of the person now, see portal_sign_in.py
    end · end_member · end_tenant        gone at once, in every process

What a session may do is not in it: our rows are asked at each request.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from app.core.logging import get_logger
from app.identity.browser_secrets import BrowserSecret

_log = get_logger(__name__)
IDLE_SECONDS = 30 * 60
ABSOLUTE_SECONDS = 8 * 3600
_PURPOSE = "portal session"
_CHECK_SECONDS = 30


@dataclass(frozen=True)
class SignedIn:
    """Who a verified ID token says is there. `wids` are directory roles, for onboarding."""

    entra_tenant_id: UUID
    entra_object_id: UUID
    display_name: str
    roles: frozenset[str]
    wids: frozenset[str]
    is_guest: bool


@dataclass(frozen=True)
class Session:
    """A browser of somebody who has signed in. `began_at` and `checked_at` in seconds since the epoch."""

    secret: BrowserSecret
    person: SignedIn
    began_at: float
    checked_at: float
    """When Entra last confirmed the person and their roles."""
    tokens: str = field(default="", repr=False)
    """MSAL's cache of this session: what asks Entra again. Never leaves this process."""
    tenant_id: UUID | None = None
    member_id: UUID | None = None
    """Whose it is; None while the directory is no customer of ours."""

    @property
    def name(self) -> str:
        """An opaque name, the same for as long as the session lasts; opens nothing."""
        return self.secret.digest()


class Sessions:
    """Begins, finds and ends sessions. Raises `redis.RedisError` where Redis is away: nobody is let in then."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis
        self.clock = clock

    async def begin(self, session: Session) -> None:
        """Keep a new session."""
        digest = session.name
        sealed = session.secret.seal(_PURPOSE, _pack(session))
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(_key(digest), sealed, ex=IDLE_SECONDS)
            self._index(pipe, session)
            await pipe.execute()

    async def find(self, secret: BrowserSecret) -> Session | None:
        """The session of a browser, if it is still good; its idle time begins anew."""
        digest = secret.digest()
        sealed = await self._redis.get(_key(digest))
        if sealed is None:
            return None
        opened = secret.open(_PURPOSE, sealed)
        if opened is None:
            # The key bears the secret's own digest, so it was changed. Nobody loses more than a sign-in.
            _log.error("portal session unreadable")
            await self.end(secret)
            return None
        session = _unpack(secret, opened)
        left = session.began_at + ABSOLUTE_SECONDS - self.clock()
        if left <= 0:
            await self.end(secret)
            return None
        await self._redis.pexpire(_key(digest), int(min(IDLE_SECONDS, left) * 1000) or 1)
        return session

    async def replace(self, session: Session) -> None:
        """Keep other content for a session that is still there; one that has ended stays ended."""
        sealed = session.secret.seal(_PURPOSE, _pack(session))
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(_key(session.name), sealed, xx=True, keepttl=True)
            self._index(pipe, session)
            await pipe.execute()

    async def bind(self, session: Session, tenant_id: UUID, member_id: UUID) -> Session:
        """Say whose session it is, so that it ends with the member's others."""
        if (session.tenant_id, session.member_id) == (tenant_id, member_id):
            return session
        bound = replace(session, tenant_id=tenant_id, member_id=member_id)
        await self.replace(bound)
        return bound

    async def may_check(self, session: Session) -> bool:
        """Whether it falls to the caller to ask Entra; True once in half a minute."""
        return bool(await self._redis.set(f"portal:check:{session.name}", b"1", nx=True, ex=_CHECK_SECONDS))

    async def end(self, secret: BrowserSecret) -> None:
        """End one session."""
        await self._redis.delete(_key(secret.digest()))

    async def end_member(self, tenant_id: UUID, member_id: UUID) -> None:
        """End all sessions of a member, in every browser."""
        await self._end_all(_member_key(tenant_id, member_id))

    async def end_tenant(self, tenant_id: UUID) -> None:
        """End all sessions of a tenant's people."""
        await self._end_all(_tenant_key(tenant_id))

    async def _end_all(self, index: str) -> None:
        digests: list[bytes] = await self._redis.zrange(index, 0, -1)
        if digests:
            keys = [_key(one.decode()) for one in digests]
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(*keys)
                # Only those that we saw: a session that began meanwhile is not lost from the index.
                pipe.zrem(index, *digests)
                await pipe.execute()

    def _index(self, pipe: Any, session: Session) -> None:
        if session.tenant_id is None or session.member_id is None:
            return
        until = session.began_at + ABSOLUTE_SECONDS
        for index in (_member_key(session.tenant_id, session.member_id), _tenant_key(session.tenant_id)):
            pipe.zremrangebyscore(index, "-inf", self.clock())
            pipe.zadd(index, {session.name: until})
            pipe.expire(index, ABSOLUTE_SECONDS)


def _key(digest: str) -> str:
    return f"portal:session:{digest}"


def _member_key(tenant_id: UUID, member_id: UUID) -> str:
    return f"portal:member:{tenant_id}:{member_id}"


def _tenant_key(tenant_id: UUID) -> str:
    return f"portal:tenant:{tenant_id}"


def _pack(session: Session) -> bytes:
    person = {name: _plain(value) for name, value in asdict(session.person).items()}
    return json.dumps(
        {
            "person": person,
            "began_at": session.began_at,
            "checked_at": session.checked_at,
            "tokens": session.tokens,
            "tenant_id": _plain(session.tenant_id),
            "member_id": _plain(session.member_id),
        }
    ).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return sorted(value) if isinstance(value, frozenset) else value


def _unpack(secret: BrowserSecret, content: bytes) -> Session:
    kept: dict[str, Any] = json.loads(content)
    person = kept["person"]
    return Session(
        secret=secret,
        person=SignedIn(
            entra_tenant_id=UUID(person["entra_tenant_id"]),
            entra_object_id=UUID(person["entra_object_id"]),
            display_name=person["display_name"],
            roles=frozenset(person["roles"]),
            wids=frozenset(person["wids"]),
            is_guest=person["is_guest"],
        ),
        began_at=kept["began_at"],
        checked_at=kept["checked_at"],
        tokens=kept["tokens"],
        tenant_id=UUID(kept["tenant_id"]) if kept["tenant_id"] else None,
        member_id=UUID(kept["member_id"]) if kept["member_id"] else None,
    )
