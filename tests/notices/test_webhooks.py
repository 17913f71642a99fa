"""Notices reach an independent receiver signed and at least once; what does not is tried again for a day."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import new_id, now
from app.core.crypto import SealBroken, version_of
from app.core.keyring import LocalKeyring
from app.core.outbound import LoopbackResolver
from app.local.keys import rotate as rotate_keys
from app.notices import outbox, webhooks
from app.notices.delivering import Delivering
from app.notices.errors import SecretStillRotating
from app.notices.outbox import DeliveryView, retry_seconds
from app.notices.signing import signed_headers
from app.notices.watching import Watching
from app.tenants.keys import TenantKeys
from app.vocabulary import DeliveryState, NoticeKind, WebhookState
from tests.conftest import TestDatabase
from tests.notices.ends import add_provider
from tests.notices.receiver import Receiver, receiving
from tests.tenants.administration import administrator, execute, rows, snapshot


def test_signatures_are_those_of_the_specifications_example() -> None:
    # Source: Svix, "Verifying webhooks manually"; the libraries of Standard Webhooks are tested with it.
    headers = signed_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@dataclass
class Post:
    """A tenant with one webhook at a receiver, and the reaper's two schedules."""

    database: TestDatabase
    receiver: Receiver
    keys: TenantKeys
    webhook_id: UUID

    def delivering(self, **changes: Any) -> Delivering:
        values: dict[str, Any] = {
            "private_allowed": True,
            "ca": self.receiver.ca,
            "resolver": LoopbackResolver(),
            **changes,
        }
        return Delivering(self.database.system, self.database.app, self.keys, **values)

    async def announce(self, name: str = "Acme") -> None:
        """The end of a contract becomes known, and the schedule finds it."""
        soon = now() + timedelta(days=20)
        await add_provider(self.database, self.database.tenant_id, name, until=soon)
        await Watching(self.database.system, self.database.app).run()

    async def send(self, **changes: Any) -> str | None:
        """One round, with everything due that waits."""
        await execute(
            self.database,
            "UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending'",
        )
        return await self.delivering(**changes).run()

    async def deliveries(self) -> list[DeliveryView]:
        tenant_id = self.database.tenant_id
        async with self.database.app.tenant(tenant_id) as session:
            return await outbox.page(
                session, tenant_id=tenant_id, webhook_id=self.webhook_id, before=None, limit=10
            )

    async def change(self, **wanted: Any) -> None:
        tenant_id, actor = self.database.tenant_id, administrator(self.database.member_id)
        async with self.database.app.tenant(tenant_id) as session:
            found = await webhooks.find(session, tenant_id=tenant_id, webhook_id=self.webhook_id)
            await webhooks.change(
                session,
                tenant_id=tenant_id,
                webhook_id=self.webhook_id,
                version=found.version,
                actor=actor,
                **wanted,
            )

    async def rotate(self, keep_seconds: int) -> str:
        tenant_id, actor = self.database.tenant_id, administrator(self.database.member_id)
        async with self.database.app.tenant(tenant_id) as session:
            _, secret = await webhooks.rotate(
                session,
                tenant_id=tenant_id,
                webhook_id=self.webhook_id,
                keep_previous_seconds=keep_seconds,
                sealer=await self.keys.sealer(tenant_id),
                actor=actor,
            )
        return secret

    async def verified(self, *secrets: str, first: str = "SELECT 1") -> list[bool]:
        """Whether a receiver that knows each of these finds the next message genuine; `first` happens before it is sent."""
        await self.announce(str(new_id()))
        await execute(self.database, first)
        assert await self.send() == "1 delivered"
        got = self.receiver.received[-1]
        found = []
        for self.receiver.secret in secrets:
            found.append(self.receiver.verifies(got.headers, got.raw))
        return found


@pytest.fixture
async def post(database: TestDatabase, keyring: LocalKeyring, tmp_path: Path) -> AsyncIterator[Post]:
    keys = TenantKeys(database.app, keyring)
    sealer = await keys.sealer(database.tenant_id)
    async with receiving(tmp_path) as receiver:
        async with database.app.tenant(database.tenant_id) as session:
            made, receiver.secret = await webhooks.create(
                session,
                tenant_id=database.tenant_id,
                url=receiver.url,
                events=list(NoticeKind),
                sealer=sealer,
                actor=administrator(database.member_id),
            )
        yield Post(database, receiver, keys, made.id)


async def test_a_notice_arrives_signed_and_is_marked_delivered(post: Post) -> None:
    await post.announce()
    assert await post.send() == "1 delivered"
    (got,) = post.receiver.received
    assert got.verified
    assert got.body["type"] == "contract.end"
    assert (got.body["data"]["subject_name"], got.body["data"]["threshold_days"]) == ("Acme", 30)
    assert got.headers["content-type"] == "application/json"
    assert not {"cookie", "authorization"} & got.headers.keys()
    (sent,) = await post.deliveries()
    assert (str(sent.id), sent.state, sent.attempts, sent.last_status) == (got.id, "delivered", 1, 200)
    assert await post.send() is None


async def test_what_is_refused_is_tried_again_under_the_same_id_until_it_arrives(post: Post) -> None:
    post.receiver.status = 500
    await post.announce()
    for _ in range(2):
        assert await post.send() == "1 pending"
    (waiting,) = await post.deliveries()
    assert (waiting.attempts, waiting.last_status, waiting.last_error) == (2, 500, "refused")
    assert timedelta(seconds=25) < waiting.next_attempt_at - now() < timedelta(seconds=31)
    post.receiver.status = 204
    assert await post.send() == "1 delivered"
    assert len({one.id for one in post.receiver.received}) == 1
    assert all(one.verified for one in post.receiver.received)


def test_waits_grow_threefold_to_six_hours_and_a_day_holds_eleven_attempts() -> None:
    waits = [retry_seconds(attempt) for attempt in range(1, 15)]
    assert waits[:4] == [10, 30, 90, 270]
    assert max(waits) == 6 * 3600
    assert sum(one <= 86_400 for one in [sum(waits[:count]) for count in range(15)]) == 11


async def test_after_a_day_it_has_failed_for_good(post: Post) -> None:
    post.receiver.status = 503
    await post.announce()
    await execute(post.database, "UPDATE webhook_deliveries SET created_at = now() - interval '24 hours'")
    assert await post.send() == "1 failed"
    (sent,) = await post.deliveries()
    assert (sent.state, sent.last_status) == (DeliveryState.FAILED, 503)
    assert sent.finished_at is not None
    assert await post.send() is None


async def test_a_redirect_is_not_followed(post: Post) -> None:
    post.receiver.status, post.receiver.answer_headers = 307, {"Location": "/elsewhere"}
    await post.announce()
    assert await post.send() == "1 pending"
    assert [one.path for one in post.receiver.received] == ["/hook"]


async def test_a_receiver_that_does_not_answer_costs_an_attempt(post: Post) -> None:
    post.receiver.holding = asyncio.Event()
    await post.announce()
    assert await post.send(attempt_seconds=0.3) == "1 pending"
    (sent,) = await post.deliveries()
    assert (sent.last_status, sent.last_error) == (None, "timed_out")


async def test_a_name_that_leads_inside_is_not_connected_to(post: Post) -> None:
    await post.announce()
    assert await post.send(private_allowed=False) == "1 pending"
    (sent,) = await post.deliveries()
    assert sent.last_error == "address_refused"
    assert post.receiver.received == []


async def test_a_receiver_whose_certificate_is_not_trusted_gets_nothing(post: Post) -> None:
    await post.announce()
    assert await post.send(ca=None) == "1 pending"
    (sent,) = await post.deliveries()
    assert sent.last_error == "certificate"
    assert post.receiver.received == []


async def test_a_receiver_that_is_gone_is_paused(post: Post) -> None:
    post.receiver.status = 410
    await post.announce()
    assert await post.send() == "1 failed"
    await post.announce("Globex")
    assert len(await post.deliveries()) == 1
    assert await rows(post.database, "SELECT state, version FROM webhooks") == [("paused", 2)]


async def test_a_paused_webhook_gets_no_notice_and_can_be_tried(post: Post) -> None:
    await post.announce()
    await post.change(state=WebhookState.PAUSED)
    await post.announce("Globex")
    assert await post.send() == "1 failed"
    tenant_id = post.database.tenant_id
    async with post.database.app.tenant(tenant_id) as session:
        await outbox.post_test(session, tenant_id=tenant_id, webhook_id=post.webhook_id, created_at=now())
    assert await post.send() == "1 delivered"
    assert [one.body["type"] for one in post.receiver.received] == ["webhook.test"]


async def test_only_the_chosen_events_are_sent(post: Post) -> None:
    await post.change(events=[NoticeKind.RETIREMENT])
    await post.announce()
    assert await post.deliveries() == []


async def test_two_senders_at_once_send_it_once(post: Post) -> None:
    await post.announce()
    await asyncio.gather(*(post.delivering().run() for _ in range(3)))
    assert len(post.receiver.received) == 1


async def test_what_a_killed_sender_had_taken_is_due_again_after_its_lease(post: Post) -> None:
    await post.announce()
    async with post.database.system.system() as session:
        assert len(await outbox.claim(session, limit=10)) == 1
        assert await outbox.claim(session, limit=10) == []
    (taken,) = await post.deliveries()
    assert timedelta() < taken.next_attempt_at - now() <= timedelta(seconds=outbox.LEASE_SECONDS)
    assert await post.send() == "1 delivered"


async def test_the_secret_stands_nowhere_in_the_clear(post: Post) -> None:
    await post.announce()
    await post.send()
    found = [
        table
        for table, kept in (await snapshot(post.database)).items()
        if any(post.receiver.secret.removeprefix("whsec_") in row for row in kept)
    ]
    assert found == []


async def test_two_secrets_sign_until_the_old_one_expires_and_is_forgotten(post: Post) -> None:
    old = post.receiver.secret
    new = await post.rotate(3600)
    assert await post.verified(old, new) == [True, True]
    expired = "UPDATE webhooks SET previous_secret_expires_at = now()"
    assert await post.verified(old, new, first=expired) == [False, True]
    kept = "SELECT sealed_previous_secret IS NOT NULL FROM webhooks"
    assert await rows(post.database, kept) == [(True,)]
    await Watching(post.database.system, post.database.app).run()
    assert await rows(post.database, kept) == [(False,)]


async def test_a_secret_that_others_know_ends_at_once_also_in_the_middle_of_a_change(post: Post) -> None:
    old = post.receiver.secret
    known = await post.rotate(3600)
    with pytest.raises(SecretStillRotating):
        await post.rotate(1)
    new = await post.rotate(0)
    assert await post.verified(old, known, new) == [False, False, True]


async def test_a_secret_that_nobody_can_open_any_more_is_changed_without_it(post: Post) -> None:
    await execute(post.database, "UPDATE webhooks SET sealed_secret = sealed_secret || 'x'")
    with pytest.raises(SealBroken):
        await post.rotate(60)
    assert await post.verified(await post.rotate(0)) == [True]


async def test_of_two_changes_at_once_one_is_refused(post: Post) -> None:
    ended = await asyncio.gather(post.rotate(60), post.rotate(60), return_exceptions=True)
    (new,) = [one for one in ended if isinstance(one, str)]
    assert [type(one) for one in ended if one != new] == [SecretStillRotating]
    assert await post.verified(new) == [True]


async def test_both_secrets_sign_on_when_the_data_key_has_changed(post: Post, keyring: LocalKeyring) -> None:
    old = post.receiver.secret
    new = await post.rotate(3600)
    said: list[str] = []
    await rotate_keys(
        post.database.owner, keyring, said.append, data_key_versions=True, values=True, settle_seconds=0
    )
    post.keys = TenantKeys(post.database.app, keyring)
    assert await post.verified(old, new) == [True, True]
    sealed = await rows(post.database, "SELECT sealed_secret, sealed_previous_secret FROM webhooks")
    assert [version_of(one) for one in sealed[0]] == [2, 2]


async def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(post: Post) -> None:
    await post.announce()
    await post.send()
    await execute(post.database, "UPDATE webhook_deliveries SET finished_at = now() - interval '31 days'")
    await post.announce("Globex")
    assert [one.state for one in await post.deliveries()] == [DeliveryState.PENDING]


async def test_no_other_tenants_notice_is_sent(post: Post) -> None:
    soon = now() + timedelta(days=20)
    await add_provider(post.database, post.database.other_tenant_id, "Theirs", until=soon)
    await Watching(post.database.system, post.database.app).run()
    assert await post.send() is None
