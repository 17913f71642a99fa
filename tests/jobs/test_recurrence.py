from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.recurrence import ALL_DAYS, Recurrence


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "after", "following"),
    [
        (Recurrence(time(2), "UTC"), "2026-11-25T01:59", "2026-11-25T02:00"),
        (Recurrence(time(2), "UTC"), "2026-11-25T02:00", "2026-11-26T02:00"),
        (Recurrence(time(2), "Europe/Berlin"), "2026-11-25T00:30", "2026-11-25T01:00"),
        (Recurrence(time(2), "Pacific/Auckland"), "2026-11-25T12:59", "2026-11-25T13:00"),
        # A Friday evening, and every working day.
        (Recurrence(time(2), "UTC", {1, 2, 3, 4, 5}), "2026-11-27T18:00", "2026-11-30T02:00"),
        (Recurrence(time(2), "UTC", {3}), "2026-11-25T02:00", "2026-12-02T02:00"),
        # Clocks go forward from two to three: what is at half past two comes an hour later by the clock.
        (Recurrence(time(2, 30), "Europe/Berlin"), "2026-03-28T12:00", "2026-03-29T01:30"),
        # Clocks go back from three to two: the first of two is taken, and the second is not another day.
        (Recurrence(time(2, 30), "Europe/Berlin"), "2026-10-24T12:00", "2026-10-25T00:30"),
        (Recurrence(time(2, 30), "Europe/Berlin"), "2026-10-25T00:30", "2026-10-26T01:30"),
    ],
)
def test_the_next_time_is_the_first_where_the_member_lives(
    when: Recurrence, after: str, following: str
) -> None:
    assert when.following(at(after)) == at(following)


@given(
    st.builds(
        Recurrence,
        st.times().map(lambda one: one.replace(second=0, microsecond=0)),
        st.sampled_from(
            ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
        ),
        st.frozensets(st.sampled_from(sorted(ALL_DAYS)), min_size=1),
    ),
    st.integers(946_684_800, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
def test_the_next_time_is_later_on_a_wanted_day_and_no_further_than_eight_days(
    when: Recurrence, after: datetime
) -> None:
    found = when.following(after)
    assert after < found
    assert (found - after).days <= 8
    local = found.astimezone(ZoneInfo(when.time_zone))
    assert local.isoweekday() in when.weekdays
