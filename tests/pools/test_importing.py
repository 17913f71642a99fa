"""Importing configurations: where it leads does not depend on what was there, and it takes few statements."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.record import Actor, ActorKind
from app.copilot.prompt_files import load_prompt_files
from app.pools.exporting import export_configuration
from app.pools.file_schema import ConfigurationFile, read_file, write_file
from app.pools.import_changes import Change
from app.pools.importing import import_configuration
from tests.conftest import TestDatabase
from tests.imported import platform_imported

PAIRS = 8
MOST_STATEMENTS = 60
"""Of an import, however many pools it has: 200 took hundreds when each was written by itself."""
TASK = "summarize"


@cache
def default() -> Any:
    """The platform's prompts of the task type."""
    return next(one for one in load_prompt_files() if (one.task_type, one.name) == (TASK, "default"))


def prompt_set(name: str, revision: int) -> dict[str, Any]:
    """A tenant's own, with a text that no other has."""
    prompts = {**default().prompts, "user": f"{default().prompts['user']}\n{name} {revision}"}
    return {"task_type": TASK, "name": name, "revision": revision, "prompts": prompts}


def provider(name: str, **more: Any) -> dict[str, Any]:
    terms = {"region": "eu", "processor": name, "no_training": True, "base_url": f"https://{name}.example/v1"}
    return {"name": name, "kind": "openai_compatible", "vendor": name, **terms, **more}


def deployment(name: str, account: str, **more: Any) -> dict[str, Any]:
    limits = {"context_window": 32_000, "max_output_tokens": 2000}
    return {"name": name, "provider": account, "model_name": name, **limits, **more}


def price(micros: int, currency: str = "EUR") -> dict[str, Any]:
    kinds = ("input", "cached_input", "output", "reasoning")
    return {"currency": currency, **{f"{kind}_micros": micros for kind in kinds}}


def some_file(chance: random.Random) -> ConfigurationFile:
    """A configuration that holds together, out of a small world so that two of them have much in common."""

    def some(*names: str, least: int = 0) -> list[str]:
        return chance.sample(names, chance.randint(least, len(names)))

    currency = chance.choice(["EUR", "USD"])
    accounts, names = some("acme", "blue", least=1), some("small", "large", "huge")
    own = [prompt_set(one[:-2], int(one[-1])) for one in some("house@1", "house@2", "terse@1")]
    prompts = [f"{one['name']}@{one['revision']}" for one in own] + [f"platform/default@{default().revision}"]
    pools = [
        {
            "name": name,
            "task_type": TASK,
            "strategy": chance.choice(["weighted", "least_cost"]),
            "members": [
                {"deployment": one, "prompt_set": chance.choice(prompts), "weight": chance.randint(1, 2)}
                for one in chance.sample(names, min(len(names), chance.randint(0, 2)))
            ],
        }
        for name in some("texts", "rest")
    ]
    return ConfigurationFile.model_validate(
        {
            "providers": [provider(one, processor=chance.choice(["A", "B"])) for one in accounts],
            "deployments": [
                deployment(
                    one,
                    chance.choice(accounts),
                    concurrency=chance.choice([None, 4]),
                    languages=chance.choice([None, ["de", "en"]]),
                    successor=chance.choice([None, *(other for other in names if other != one)]),
                    price=chance.choice([None, price(1, currency), price(2, currency)]),
                )
                for one in names
            ],
            "prices": [
                {"deployment": one, **price(chance.randint(1, 2))} for one in some("platform/extractive")
            ],
            "prompt_sets": own,
            "pools": pools,
            "routes": [
                {
                    "name": one,
                    "task_type": TASK,
                    "conditions": chance.choice([{}, {"language": "de"}]),
                    "pool": chance.choice([pool["name"] for pool in pools]),
                }
                for one in some("first", "second")
                if pools
            ],
            "policy": {
                "allowed_regions": chance.choice([None, ["eu", "local"]]),
                "require_no_training": chance.choice([True, False]),
            },
            "task_permissions": [
                {"task_type": one, "departments": [chance.choice(["Sales", "Research"])]}
                for one in some(TASK)
            ],
        }
    )


async def imported(session: AsyncSession, database: TestDatabase, file: ConfigurationFile) -> list[Change]:
    return await import_configuration(
        session,
        tenant_id=database.tenant_id,
        file=file,
        task_types=[TASK],
        actor=Actor(ActorKind.MEMBER, database.member_id),
    )


async def led_to(
    session: AsyncSession, database: TestDatabase, *files: ConfigurationFile
) -> tuple[str, set[tuple[str, str]]]:
    """What an export tells after these imports, and what the last one did; nothing of it stays."""
    done: list[Change] = []
    async with session.begin_nested() as trial:
        for file in files:
            done = await imported(session, database, file)
        text = write_file(await export_configuration(session, tenant_id=database.tenant_id))
        for same in (files[-1], read_file(text.encode())):
            assert await imported(session, database, same) == []
        await trial.rollback()
    session.expunge_all()
    return text, {(one.kind, one.what) for one in done}


async def test_where_an_import_leads_does_not_depend_on_what_was_there(database: TestDatabase) -> None:
    """And the same again, or what an export tells of it, changes nothing."""
    await platform_imported(database)
    chance, seen = random.Random(6), set[tuple[str, str]]()
    async with database.app.tenant(database.tenant_id) as session:
        for number in range(PAIRS):
            first, second = some_file(chance), some_file(chance)
            alone, _ = await led_to(session, database, second)
            before = [first] if number % 2 else [second, first]
            text, done = await led_to(session, database, *before, second)
            assert text == alone, number
            seen |= done
    assert seen >= {
        *(("price", what) for what in ("created", "changed", "withdrawn")),
        *(("prompt_set", what) for what in ("created", "changed", "archived")),
        *(("pool", what) for what in ("created", "changed", "archived", "published")),
        *(("route", what) for what in ("created", "changed", "deleted")),
        *(("deployment", what) for what in ("created", "changed", "archived")),
        *(("provider", what) for what in ("created", "changed", "archived")),
        *((kind, "changed") for kind in ("policy", "task_permission")),
    }


def large_file(pools: int, *, weight: int = 1) -> ConfigurationFile:
    """So many pools, each with prompts, two members and a route of its own."""
    return ConfigurationFile.model_validate(
        {
            "providers": [provider("acme")],
            "deployments": [
                deployment(f"model-{number}", "acme", price=price(weight)) for number in range(20)
            ],
            "prompt_sets": [prompt_set(f"house-{number}", 1) for number in range(pools)],
            "pools": [
                {
                    "name": f"pool-{number}",
                    "task_type": TASK,
                    "members": [
                        {
                            "deployment": f"model-{(number + beside) % 20}",
                            "prompt_set": f"house-{number}@1",
                            "weight": weight,
                            "tier": beside,
                        }
                        for beside in (0, 1)
                    ],
                }
                for number in range(pools)
            ],
            "routes": [
                {
                    "name": f"route-{number}",
                    "task_type": TASK,
                    "conditions": {"min_tokens": number * weight},
                    "pool": f"pool-{number}",
                }
                for number in range(pools)
            ],
        }
    )


@contextmanager
def statements(database: TestDatabase) -> Iterator[list[str]]:
    """The first words of what goes to the database; of many rows at once one."""
    seen: list[str] = []

    def noted(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement.split(maxsplit=1)[0])

    engine = database.app.engine.sync_engine
    event.listen(engine, "before_cursor_execute", noted)
    yield seen
    event.remove(engine, "before_cursor_execute", noted)


async def test_two_hundred_pools_take_no_more_statements_than_twenty(database: TestDatabase) -> None:
    await platform_imported(database)
    counts: dict[int, list[int]] = {}
    for pools in (20, 200):
        async with database.app.tenant(database.tenant_id) as session:
            for file in (large_file(pools), large_file(pools, weight=2), ConfigurationFile()):
                with statements(database) as seen:
                    assert len(await imported(session, database, file)) > pools
                counts.setdefault(pools, []).append(len(seen))
                with statements(database) as seen:
                    assert await imported(session, database, file) == []
                assert set(seen) == {"SELECT"}
                counts[pools].append(len(seen))
            await session.rollback()
    assert counts[200] == counts[20]
    assert max(counts[200]) <= MOST_STATEMENTS, counts
