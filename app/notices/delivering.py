"""Sending what is due to tenants' webhooks. No transaction is open and no redirect followed meanwhile."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import aiohttp
from aiohttp.abc import AbstractResolver
from sqlalchemy.exc import SQLAlchemyError

from app.core.clock import now
from app.core.crypto import SealBroken
from app.core.database import Database
from app.core.logging import get_logger
from app.core.outbound import CONNECT_SECONDS, connector, was_refused
from app.core.wrapping import KeysUnavailable
from app.notices import outbox
from app.notices.outbox import Message
from app.notices.signing import encode, signed_headers
from app.notices.webhooks import previous_secret_place, secret_place
from app.tenants.keys import TenantKeys
from app.vocabulary import DeliveryState

_log = get_logger(__name__)
_AT_ONCE = 16
_CLAIMED = 100


@dataclass(frozen=True)
class Delivering:
    """Sends, with retries. `private_allowed` and `ca` are for receivers of the platform's own network."""

    system: Database
    app: Database
    keys: TenantKeys
    private_allowed: bool = False
    ca: Path | None = None
    resolver: AbstractResolver | None = None
    attempt_seconds: float = 10.0
    """For connecting and the answer's head; what a receiver writes after it is not read."""

    async def run(self) -> str | None:
        """Send what is due, once; gives figures, or None if there was nothing."""
        async with self.system.system() as session:
            claimed = await outbox.claim(session, limit=_CLAIMED)
        if not claimed:
            return None
        places = asyncio.Semaphore(_AT_ONCE)
        async with aiohttp.ClientSession(
            connector=connector(private_allowed=self.private_allowed, ca=self.ca, resolver=self.resolver),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.attempt_seconds, sock_connect=CONNECT_SECONDS),
            trust_env=False,
        ) as client:
            ended = await asyncio.gather(
                *(self._deliver(client, places, tenant_id, id_) for tenant_id, id_ in claimed)
            )
        counted = Counter(str(state) for state in ended if state is not None)
        return ", ".join(f"{count} {state}" for state, count in sorted(counted.items())) or None

    async def _deliver(
        self, client: aiohttp.ClientSession, places: asyncio.Semaphore, tenant_id: UUID, delivery_id: UUID
    ) -> DeliveryState | None:
        try:
            async with places:
                async with self.app.tenant(tenant_id) as session:
                    taken = await outbox.message(
                        session, tenant_id=tenant_id, delivery_id=delivery_id, now=now()
                    )
                if taken is None:
                    return None
                status, error = await self._send(client, tenant_id, taken)
            async with self.app.tenant(tenant_id) as session:
                state = await outbox.settle(
                    session, taken, tenant_id=tenant_id, now=now(), status=status, error=error
                )
        except (SQLAlchemyError, OSError) as failed:
            # Due again when its lease is over.
            _log.info("delivery interrupted", tenant_id=str(tenant_id), reason=type(failed).__name__)
            return None
        if state is not DeliveryState.DELIVERED:
            _log.info(
                "webhook not delivered",
                tenant_id=str(tenant_id),
                webhook_id=str(taken.webhook_id),
                status=status,
                reason=error,
                state=state,
            )
        return state

    async def _send(
        self, client: aiohttp.ClientSession, tenant_id: UUID, taken: Message
    ) -> tuple[int | None, str | None]:
        """The receiver's status, or a word for why there is none."""
        if taken.url is None:
            return None, "paused"
        try:
            sealer = await self.keys.sealer(tenant_id)
            secrets = [sealer.open(secret_place(taken.webhook_id), taken.sealed_secret).decode()]
            if taken.sealed_previous_secret is not None:
                place = previous_secret_place(taken.webhook_id)
                secrets.append(sealer.open(place, taken.sealed_previous_secret).decode())
        except (KeysUnavailable, SealBroken) as failed:
            return None, failed.code
        body = encode(taken.payload)
        headers = signed_headers(
            secrets, message_id=str(taken.id), timestamp=int(now().timestamp()), body=body
        )
        headers |= {"Content-Type": "application/json", "User-Agent": "Switchboard-Webhooks/1"}
        try:
            async with client.post(taken.url, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status, None if answer.status < 300 else "refused"
        except (aiohttp.ClientError, OSError, ValueError) as failed:
            return None, _word(failed)


def _word(failed: Exception) -> str:
    """Why there is no answer, in a word that says nothing of who is inside our network."""
    if isinstance(failed, TimeoutError):
        return "timed_out"
    if isinstance(failed, aiohttp.ClientConnectorCertificateError):
        return "certificate"
    return "address_refused" if was_refused(failed) else "unreachable"
