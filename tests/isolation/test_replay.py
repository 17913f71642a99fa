"""Every operation of the OpenAPI document, asked by everybody whom what it names does not concern."""

import pytest

from tests.isolation.places import cases
from tests.isolation.replay import Replay
from tests.isolation.table import DOORS
from tests.isolation.world import World


@pytest.mark.parametrize("door", DOORS)
async def test_strangers_find_nothing_and_change_nothing(world: World, door: str) -> None:
    replay = Replay(world, DOORS[door])
    await replay.run()
    print(f"{door}: {replay.asked} cases")
    assert not replay.wrong, "\n".join(replay.wrong)
    assert replay.asked == len(cases(DOORS[door]))
