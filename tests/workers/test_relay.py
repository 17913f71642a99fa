"""What the relay does between one look and the next."""

import asyncio

from celery import Celery

from app.settings import Settings
from tests.conftest import TestDatabase
from workers.relay import Relay


async def test_a_turn_with_nothing_to_do_ends_well_and_waits_for_the_next_poll(
    database: TestDatabase, redis_url: str
) -> None:
    settings = Settings.model_validate(
        {
            "env": "development",
            "database_system_url": database.system_url,
            "database_url": database.app_url,
            "redis_url": redis_url,
        }
    )
    relay = Relay(settings, Celery())
    try:
        assert await relay._turn() == 1.0
    finally:
        stopping = asyncio.Event()
        stopping.set()
        await relay.run(stopping)
