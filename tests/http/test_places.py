import contextlib

import pytest

from app.core.clock import new_id
from app.http.places import Places, TooManyAtOnce


async def held(stack: contextlib.AsyncExitStack, places: Places, tenant: object, most: int = 100) -> int:
    """How many places a tenant gets when each of its members wants one, at most so many."""
    for number in range(most):
        try:
            await stack.enter_async_context(places.place(tenant, new_id()))  # type: ignore[arg-type]
        except TooManyAtOnce:
            return number
    return most


async def test_a_member_holds_no_more_than_its_share_and_places_come_back() -> None:
    places, tenant, member, colleague = Places("uploads", most=8, most_each=2), new_id(), new_id(), new_id()
    for _ in range(2):
        async with places.place(tenant, member), places.place(tenant, member):
            with pytest.raises(TooManyAtOnce) as refused:
                async with places.place(tenant, member):
                    pass
            assert refused.value.retry_after_seconds
            async with places.place(tenant, colleague):
                pass


async def test_each_tenant_leaves_half_of_what_it_finds_to_the_others() -> None:
    places = Places("uploads", most=8, most_each=3)
    async with contextlib.AsyncExitStack() as stack:
        assert [await held(stack, places, new_id()) for _ in range(5)] == [4, 2, 1, 1, 0]
    async with contextlib.AsyncExitStack() as stack:
        assert await held(stack, places, new_id()) == 4


async def test_two_tenants_that_take_turns_do_not_hold_every_place() -> None:
    places, first, second = Places("uploads", most=8, most_each=3), new_id(), new_id()
    async with contextlib.AsyncExitStack() as stack:
        taken = sum([await held(stack, places, tenant, 1) for _ in range(8) for tenant in (first, second)])
        assert taken < 8
        assert await held(stack, places, new_id()) >= 1


async def test_a_failure_gives_its_place_back() -> None:
    places, one = Places("uploads", most=1, most_each=1), new_id()
    with pytest.raises(ValueError, match="no"):
        async with places.place(one, one):
            raise ValueError("no")
    async with places.place(one, one):
        pass
