"""People and programs of two customers who ask for their own, for others' and for nonsense, all at once."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.core.clock import new_id
from tests.isolation.watched_pool import WatchedPool

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_KEY = "the same key for everybody"


@dataclass
class Asker:
    """Somebody with a token, and what they know to be theirs. `word` stands in all that they send."""

    name: str
    door: str
    word: str
    headers: dict[str, str]
    documents: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    job_of_key: str = ""
    seen: set[str] = field(default_factory=set)
    """Every id in what they were given."""

    @property
    def text(self) -> str:
        return f"The {self.word} leaves in March. Its desk goes to the harbour. The lease ends in May."


@dataclass
class Crowd:
    """All askers before one API, sharing a client's connections like a proxy's."""

    askers: list[Asker]
    http: httpx.AsyncClient
    pool: WatchedPool
    chance: random.Random
    done: dict[str, int] = field(default_factory=dict)
    """How many requests there were of each kind."""

    async def send(
        self,
        asker: Asker,
        method: str,
        path: str,
        *expected: int,
        headers: dict[str, str] | None = None,
        **body: Any,
    ) -> httpx.Response:
        """A request and what must be true of every answer: nobody else's word is in it."""
        async with self.http.stream(
            method, f"{asker.door}{path}", headers=asker.headers | (headers or {}), **body
        ) as answer:
            await answer.aread()
        assert answer.status_code in expected, (asker.name, method, path, answer.status_code, answer.text)
        self.judge(asker, answer.text)
        if answer.is_success:
            # A refusal repeats the id that was asked for.
            asker.seen |= set(_UUID.findall(answer.text))
        return answer

    def judge(self, asker: Asker, text: str) -> None:
        """Nothing that others sent is in the answer; its ids are looked up when all is over."""
        others = [one.name for one in self.askers if one is not asker and one.word in text]
        assert not others, f"{asker.name} is shown what {others} sent: {text}"

    def other(self, asker: Asker) -> Asker:
        return self.chance.choice([one for one in self.askers if one is not asker])

    async def settle(self, asker: Asker) -> None:
        """Give somebody a document, a job and an upload of their own."""
        await self.upload(asker)
        await self.submit(asker)
        begun = await self.send(
            asker, "POST", "/upload_sessions", 201, json={"name": f"{asker.word}.txt", "size_bytes": 40}
        )
        asker.uploads.append(begun.json()["id"])
        first = await self.send(
            asker, "POST", "/jobs", 202, headers={"Idempotency-Key": _KEY}, json=_of(asker.text)
        )
        asker.job_of_key = first.json()["id"]

    async def upload(self, asker: Asker) -> None:
        stored = await self.send(
            asker,
            "POST",
            "/documents",
            201,
            params={"name": f"{asker.word}.txt"},
            content=asker.text.encode(),
        )
        assert stored.json()["name"] == f"{asker.word}.txt"
        asker.documents.append(stored.json()["id"])

    async def upload_nothing(self, asker: Asker) -> None:
        await self.send(asker, "POST", "/documents", 422, params={"name": f"{asker.word}.txt"}, content=b"")

    async def cut_upload(self, asker: Asker) -> None:
        """The client goes away in the middle of its body."""

        async def half() -> AsyncIterator[bytes]:
            yield asker.text.encode()
            raise _GoneAway

        try:
            await self.send(asker, "POST", "/documents", params={"name": f"{asker.word}.txt"}, content=half())
        except _GoneAway:
            return
        raise AssertionError("half a body was answered")

    async def submit(self, asker: Asker) -> None:
        accepted = await self.send(asker, "POST", "/jobs", 202, json=_of(asker.text))
        asker.jobs.append(accepted.json()["id"])

    async def submit_for_others_document(self, asker: Asker) -> None:
        body = _of([*asker.documents[:1], self.other(asker).documents[0]])
        await self.send(asker, "POST", "/jobs", 404, json=body)

    async def submit_again(self, asker: Asker) -> None:
        again = await self.send(
            asker, "POST", "/jobs", 202, headers={"Idempotency-Key": _KEY}, json=_of(asker.text)
        )
        assert again.json()["id"] == asker.job_of_key

    async def submit_other_with_key(self, asker: Asker) -> None:
        await self.send(
            asker, "POST", "/jobs", 409, headers={"Idempotency-Key": _KEY}, json=_of(f"New: {asker.text}")
        )

    async def submit_nonsense(self, asker: Asker) -> None:
        await self.send(asker, "POST", "/jobs", 422, json={**_of(asker.text), "tenant_id": str(new_id())})

    async def jobs(self, asker: Asker) -> None:
        known = set(asker.jobs)
        page = await self.send(asker, "GET", "/jobs", 200, params={"limit": 100})
        assert known <= {one["id"] for one in page.json()["value"]}

    async def job(self, asker: Asker) -> None:
        wanted = self.chance.choice(asker.jobs)
        assert (await self.send(asker, "GET", f"/jobs/{wanted}", 200)).json()["id"] == wanted

    async def others_job(self, asker: Asker) -> None:
        await self.send(asker, "GET", f"/jobs/{self.other(asker).jobs[0]}", 404)

    async def cancel(self, asker: Asker) -> None:
        await self.send(asker, "POST", f"/jobs/{self.chance.choice(asker.jobs)}/cancel", 200)

    async def cancel_others(self, asker: Asker) -> None:
        await self.send(asker, "POST", f"/jobs/{self.other(asker).jobs[0]}/cancel", 404)

    async def upload_session(self, asker: Asker) -> None:
        found = await self.send(asker, "GET", f"/upload_sessions/{asker.uploads[0]}", 200)
        assert found.json()["name"] == f"{asker.word}.txt"

    async def others_upload_session(self, asker: Asker) -> None:
        await self.send(asker, "GET", f"/upload_sessions/{self.other(asker).uploads[0]}", 404)

    async def give_up(self, asker: Asker) -> None:
        """The client goes away while a request, perhaps its own, holds the one connection."""
        sent = asyncio.create_task(self.send(asker, "POST", "/jobs", 202, json=_of(asker.text)))
        going = asyncio.create_task(self.pool.next_taking())
        await asyncio.wait([sent, going], return_when=asyncio.FIRST_COMPLETED)
        sent.cancel()
        going.cancel()
        await asyncio.gather(sent, going, return_exceptions=True)

    async def export(self, asker: Asker) -> None:
        """All that is theirs, opened: their word is in each of their documents, and no one else's."""
        if asker.door != "/addin/v1":
            return await self.jobs(asker)
        known = set(asker.documents)
        lines = (await self.send(asker, "GET", "/me/export", 200)).text
        assert lines.count(asker.word) >= len(known)
        return None

    async def break_off_export(self, asker: Asker) -> None:
        """The client goes away after the first piece of a long answer."""
        if asker.door != "/addin/v1":
            return await self.job(asker)
        async with self.http.stream("GET", "/addin/v1/me/export", headers=asker.headers) as answer:
            assert answer.status_code == 200
            async for piece in answer.aiter_text():
                self.judge(asker, piece)
                break
        return None

    async def break_off_events(self, asker: Asker) -> None:
        if asker.door != "/addin/v1":
            return await self.cancel(asker)
        path = f"/addin/v1/jobs/{self.chance.choice(asker.jobs)}/events"
        async with self.http.stream("GET", path, headers=asker.headers) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                self.judge(asker, line)
                break
        return None

    async def ask(self, count: int, at_once: int) -> None:
        """So many requests of every kind by everybody, so many of them under way at a time."""
        kinds = self.kinds()
        plan = [
            (kinds[n % len(kinds)], self.askers[n // len(kinds) % len(self.askers)]) for n in range(count)
        ]
        self.chance.shuffle(plan)
        places = asyncio.Semaphore(at_once)

        async def one(kind: Callable[[Asker], Awaitable[None]], asker: Asker) -> None:
            async with places:
                await kind(asker)
            name = getattr(kind, "__name__", "")
            self.done[name] = self.done.get(name, 0) + 1

        async with asyncio.TaskGroup() as group:
            for kind, asker in plan:
                group.create_task(one(kind, asker))

    def kinds(self) -> list[Callable[[Asker], Awaitable[None]]]:
        """Every kind of request; those that cost much CPU (a file is read in a process of its own) once in 43."""
        dear = [self.upload, self.upload_nothing, self.export, self.break_off_export]
        cheap = [
            *(self.cut_upload, self.submit, self.submit_for_others_document, self.submit_again, self.give_up),
            *(self.submit_other_with_key, self.submit_nonsense, self.jobs, self.job, self.others_job),
            *(self.cancel, self.cancel_others),
        ]
        return [
            *dear,
            *cheap,
            *cheap,
            *cheap,
            *(self.upload_session, self.others_upload_session, self.break_off_events),
        ]


class _GoneAway(Exception):
    """A client that does not finish its sentence."""


def _of(source: str | list[str]) -> dict[str, Any]:
    what = {"text": source} if isinstance(source, str) else {"documents": source}
    return {"task_type": "summarize", "input": what}
