import pytest

from app.core.clock import new_id
from app.http.places import Places, TooManyAtOnce


async def test_one_tenant_holds_no_more_than_its_share_and_places_come_back() -> None:
    places, one, other = Places("uploads", most=3, most_each=2), new_id(), new_id()
    async with places.place(one), places.place(one):
        with pytest.raises(TooManyAtOnce) as refused:
            async with places.place(one):
                pass
        assert refused.value.retry_after_seconds
        async with places.place(other):
            with pytest.raises(TooManyAtOnce):
                async with places.place(other):
                    pass
    async with places.place(one), places.place(one):
        pass


async def test_a_failure_gives_its_place_back() -> None:
    places, one = Places("uploads", most=1, most_each=1), new_id()
    with pytest.raises(ValueError, match="no"):
        async with places.place(one):
            raise ValueError("no")
    async with places.place(one):
        pass
