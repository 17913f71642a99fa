"""Addresses that send no valid tokens."""

from dataclasses import dataclass

import httpx
import pytest

from app.http.sign_in_limits import Door, SignInLimits, TooManySignIns, TooManyStarts, network
from tests.entra import ADA, KEYS_PATH, part
from tests.house import House, serve
from tests.trust import PLAIN


@dataclass
class _Clock:
    now: float = 600.0

    def __call__(self) -> float:
        return self.now


def test_after_so_many_refusals_an_address_waits_until_they_are_a_minute_old() -> None:
    clock = _Clock()
    limits = SignInLimits(2, clock=clock)
    for _ in range(2):
        limits.check(Door.TOKEN, "192.0.2.1", "a token")
        limits.refused(Door.TOKEN, "192.0.2.1")
    clock.now += 17

    for token in ("a token", "another", None):
        with pytest.raises(TooManySignIns) as refused:
            limits.check(Door.TOKEN, "192.0.2.1", token)
        assert refused.value.retry_after_seconds == 53
    limits.check(Door.TOKEN, "192.0.2.2", None)
    clock.now += 53
    limits.check(Door.TOKEN, "192.0.2.1", None)


def test_sign_ins_begun_count_by_themselves_and_by_address() -> None:
    clock = _Clock()
    limits = SignInLimits(1, most_starts=2, clock=clock)
    limits.refused(Door.TOKEN, "192.0.2.1")
    for _ in range(2):
        limits.begin("192.0.2.1")
    clock.now += 17

    with pytest.raises(TooManyStarts) as refused:
        limits.begin("192.0.2.1")
    assert refused.value.retry_after_seconds == 53
    limits.begin("192.0.2.2")
    limits.check(Door.TOKEN, "192.0.2.2", None)
    clock.now += 53
    limits.begin("192.0.2.1")


@pytest.mark.parametrize("broken", Door)
def test_what_is_refused_at_one_door_closes_no_other(broken: Door) -> None:
    limits = SignInLimits(1)
    limits.refused(broken, "192.0.2.1")

    for door in Door:
        if door is not broken:
            limits.check(door, "192.0.2.1", None)
    with pytest.raises(TooManySignIns):
        limits.check(broken, "192.0.2.1", None)


def test_whoever_was_let_in_from_there_is_let_in_still() -> None:
    limits = SignInLimits(1)
    limits.believed("good")
    limits.refused(Door.TOKEN, "192.0.2.1")

    limits.check(Door.TOKEN, "192.0.2.1", "good")
    with pytest.raises(TooManySignIns):
        limits.check(Door.TOKEN, "192.0.2.1", "goo")


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "", True),
        ("not:an:address", "not:an:address", True),
    ],
)
def test_a_subscriber_cannot_hide_among_its_own_addresses(one: str, other: str, *, together: bool) -> None:
    assert (network(one) == network(other)) is together


def test_memory_is_bounded_whatever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.sign_in_limits._MOST_ADDRESSES", 3)
    monkeypatch.setattr("app.http.sign_in_limits._MOST_TOKENS", 3)
    limits = SignInLimits(1)
    for number in range(10):
        limits.begin(f"192.0.2.{number}")
        limits.refused(Door.TOKEN, f"192.0.2.{number}")
        limits.believed(f"token {number}")

    assert len(limits._refused) == len(limits._begun) == len(limits._believed) == 3
    limits.check(Door.TOKEN, "192.0.2.1", "token 9")
    with pytest.raises(TooManySignIns):
        limits.check(Door.TOKEN, "192.0.2.1", "token 0")


async def test_a_flood_of_forged_tokens_costs_no_work_on_tokens(house: House) -> None:
    header = part({"alg": "RS256", "kid": house.entra.app.keys.current.kid})
    forged = f"{header}.{part(house.entra.claims())}.AAAA"
    good = {"Authorization": f"Bearer {house.entra.token(ADA)}"}
    async with (
        serve(house.system, house.entra, rate_limit_sign_ins=5) as api,
        httpx.AsyncClient(base_url=f"{api}/addin/v1", trust_env=False, verify=PLAIN) as client,
    ):
        assert (await client.get("/me", headers=good)).status_code == 200
        answers = [
            (await client.get("/me", headers={"Authorization": f"Bearer {forged}"})).status_code
            for _ in range(8)
        ]
        assert answers == [401] * 5 + [429] * 3
        refused = await client.get("/me")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_sign_ins")
        assert 1 <= int(refused.headers["retry-after"]) <= 70
        # The office is not locked out with its broken client.
        assert (await client.get("/me", headers=good)).status_code == 200
        forwarded = await client.get("/me", headers={"X-Forwarded-For": "198.51.100.7"})
        assert forwarded.status_code == 429
    assert house.entra.app.requests[KEYS_PATH] <= 2


async def test_behind_a_proxy_that_the_settings_name_each_client_counts_for_itself(house: House) -> None:
    async with (
        serve(house.system, house.entra, rate_limit_sign_ins=1, trusted_proxies=("127.0.0.1",)) as api,
        httpx.AsyncClient(base_url=f"{api}/addin/v1", trust_env=False, verify=PLAIN) as client,
    ):
        answers = [
            (await client.get("/me", headers={"X-Forwarded-For": said})).status_code
            # The proxy writes the last one; what stands before it is the client's own invention.
            for said in ("198.51.100.7", "203.0.113.9", "203.0.113.1, 198.51.100.7")
        ]
    assert answers == [401, 401, 429]
