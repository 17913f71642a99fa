"""Sends every case of a table and says what was wrong.

make all ─► snapshot ─► strangers who must change nothing ─► equal snapshot
         ─► strangers who do what is their own            ─► all that stood before still stands
         ─► the rightful ones, who succeed with the very requests that strangers sent
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from tests.isolation.actors import OWNING_TENANT, Actor, Guard, refusal
from tests.isolation.places import Case, Entry, Handle, Shape, Whole, cases
from tests.isolation.world import CONTENT_CANARY, TENANT_CANARY, World
from tests.tenants.administration import rows, snapshot

_RANDOM = re.compile(r"(state|nonce|code_challenge)=[^&]+")
_OF_THE_REQUEST = re.compile(r"(client-)?request-id|date|set-cookie|ratelimit.*|content-length")

_OF_THE_ERROR = re.compile(r'("request-id"|"date"): ?"[^"]*"')
_CODE = re.compile(r'^{"error": ?{"code": ?"([a-z_]+)"')
_PASSING = (b"rate", b"events:wake:", b"onboarding:", b"portal:flow:", b"portal:check:")
"""Keys of Redis that any request may write: counters, wakers, and sign-ins and consents that are under way."""
_COUNTERS = {"configuration_revision"}
"""Rows that count what anybody does."""


@dataclass
class Replay:
    """One run over a table: `asked` cases, and what was `wrong`."""

    world: World
    table: Mapping[str, Entry]
    asked: int = 0
    wrong: list[str] = field(default_factory=list)
    _real: dict[tuple[str, int], str] = field(default_factory=dict)
    _shapes: dict[Case, Shape] = field(default_factory=dict)
    _ids: list[tuple[str, str | None]] = field(default_factory=list)
    """Ids of the owning tenant's rows, and whose they are."""

    async def run(self) -> None:
        """Everything."""
        todo = cases(self.table)
        await self._prepare(todo)
        before = await self._everything()
        self._ids = await _ids_of(self.world)
        for case in todo:
            if case.handle is not None and not case.handle.own:
                await self._like_one_that_never_was(case, case.handle)
        after = await self._everything()
        self.wrong += [f"changed by strangers: {one}" for one in _differences(before, after)]
        for case in todo:
            if case.handle is None or case.handle.own:
                await self._own(case)
        after = await self._everything()
        gone = {table: before[table] - after[table] for table in before.keys() - _COUNTERS}
        self.wrong += [
            f"changed by others' own work: {table}: {row}" for table in gone for row in gone[table]
        ]
        await self._control()

    async def _everything(self) -> dict[str, set[str]]:
        """Every row of every table, and what Redis holds for people and jobs."""
        redis: Any = self.world.portal.services.redis
        names = [one async for one in redis.scan_iter() if not one.startswith(_PASSING)]
        # The checksum at the end of a dump is of all that is in it.
        held = {f"{one.decode()} {(await redis.dump(one))[-8:].hex()}" for one in names}
        return {**await snapshot(self.world.database), "(Redis)": held}

    async def _prepare(self, todo: list[Case]) -> None:
        if any("/portal/" in operation for operation in self.table):
            await self.world.sign_everybody_in()
        # The first use of a tenant's key makes it, whoever asks.
        for tenant_id in self.world.tenants.values():
            await self.world.portal.services.keys.sealer(UUID(tenant_id))
        for operation, entry in self.table.items():
            for number, (_, handle) in enumerate(entry.handles):
                if not handle.once:
                    self._real[operation, number] = await handle.make(self.world)
        for case in todo:
            made = case.handle or case.entry.whole
            if isinstance(made, Handle | Whole):
                self._shapes[case] = await made.beside(self.world, case.actor)

    async def _value(self, case: Case, handle: Handle) -> str:
        return await handle.make(self.world) if handle.once else self._real[case.operation, case.number]

    async def _like_one_that_never_was(self, case: Case, handle: Handle) -> None:
        value = await self._value(case, handle)
        never = handle.never(value)
        answer, other = [
            await self.world.ask(case, self._shapes[case], one, by=case.actor) for one in (value, never)
        ]
        self._check(case, answer, expected=handle.status, value=value)
        one, two = comparable(answer, value), comparable(other, never)
        if one != two:
            self.wrong.append(f"{case}: tells a real one from one that never was:\n  {one}\n  {two}")

    async def _own(self, case: Case) -> None:
        value = None if case.handle is None else await self._value(case, case.handle)
        answer = await self.world.ask(case, self._shapes[case], value, by=case.actor)
        served = case.handle or case.entry.whole
        assert isinstance(served, Handle | Whole)
        self._check(case, answer, expected=served.status, value=value or "")

    def _check(self, case: Case, answer: httpx.Response, *, expected: int, value: str) -> None:
        """The status, and that nothing is in the answer that is not the caller's."""
        self.asked += 1
        refused = refusal(case.actor, case.entry.guard)
        if refused is not None:
            found = (answer.status_code, _code(answer))
            if found != refused:
                self.wrong.append(f"{case}: {found} instead of {refused}")
        elif answer.status_code != expected:
            self.wrong.append(f"{case}: {answer.status_code} instead of {expected}: {answer.text[:300]}")
        said = "\n".join([*answer.headers.values(), answer.text])
        leaked = [one for one in self._not_for(case.actor, case.entry) if one != value and one in said]
        if leaked:
            self.wrong.append(f"{case}: tells {leaked} in: {said[:500]}")

    def _not_for(self, actor: Actor, entry: Entry) -> list[str]:
        """What must not be in an answer to the actor."""
        if actor.tenant != OWNING_TENANT:
            seen = entry.guard is Guard.OPERATORS and refusal(actor, entry.guard) is None
            ids = [one for one, of_member in self._ids if not (seen and of_member is None)]
            return [*ids, CONTENT_CANARY, TENANT_CANARY]
        administers = entry.guard in {Guard.LOOKERS, Guard.ADMINISTRATORS}
        if administers and refusal(actor, entry.guard) is None:
            return [CONTENT_CANARY]
        own = self.world.members.get(actor)
        others = [one for one, of_member in self._ids if of_member not in {None, own}]
        return others if actor is entry.owner else [*others, CONTENT_CANARY]

    async def _control(self) -> None:
        for operation, entry in self.table.items():
            for number, (where, handle) in enumerate(entry.handles):
                if handle.control:
                    continue
                case = Case(operation, entry, entry.owner, where, handle, number)
                shape = await (handle.control_beside or handle.beside)(self.world, entry.owner)
                value = await self._value(case, handle)
                answer = await self.world.ask(case, shape, value, by=entry.owner)
                if answer.status_code >= 400:
                    self.wrong.append(f"{case}: proves nothing: {answer.status_code} {answer.text[:300]}")
                elif (handle.own or handle.status == 200) and not self._tells_of_the_owner(answer):
                    self.wrong.append(f"{case}: gives its owner nothing of theirs: {answer.text[:300]}")

    def _tells_of_the_owner(self, answer: httpx.Response) -> bool:
        return CONTENT_CANARY in answer.text or any(one in answer.text for one, _ in self._ids)


def comparable(answer: httpx.Response, value: str) -> tuple[Any, ...]:
    """What of an answer must not tell one handle from another: all but ids and times of the request."""
    headers = sorted(
        (name, _RANDOM.sub(r"\1=", text))
        for name, text in answer.headers.items()
        if not _OF_THE_REQUEST.fullmatch(name)
    )
    body = _OF_THE_ERROR.sub(r"\1", answer.text)
    return answer.status_code, str(headers).replace(value, "<it>"), body.replace(value, "<it>")


def _code(answer: httpx.Response) -> str:
    found = _CODE.search(answer.text)
    return "" if found is None else found[1]


def _differences(before: Mapping[str, set[str]], after: Mapping[str, set[str]]) -> list[str]:
    return [f"{table}: {row}" for table in before for row in before[table] ^ after[table]]


async def _ids_of(world: World) -> list[tuple[str, str | None]]:
    """Ids of the owning tenant's rows in every table, with the member each belongs to."""
    found = await rows(
        world.database,
        "SELECT table_name, bool_or(column_name = 'member_id') FROM information_schema.columns"
        " WHERE table_schema = 'public' GROUP BY table_name"
        " HAVING bool_or(column_name = 'tenant_id') AND bool_or(column_name = 'id' AND data_type = 'uuid')",
    )
    tenant = world.tenants[OWNING_TENANT]
    ids: list[tuple[str, str | None]] = [(tenant, None)]
    for table, personal in found:
        member = "CAST(member_id AS text)" if personal else "NULL"
        query = f'SELECT CAST(id AS text), {member} FROM "{table}" WHERE tenant_id = CAST(:tenant AS uuid)'
        ids += [(one, whose) for one, whose in await rows(world.database, query, tenant=tenant)]
    return ids
