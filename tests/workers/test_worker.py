from hypothesis import given
from hypothesis import strategies as st

from app.jobs.dispatch import HEARTBEAT_SECONDS
from workers.worker import keep_seconds


@given(st.floats(min_value=0.1, max_value=3600))
def test_a_living_worker_is_heard_of_in_time_whatever_its_lease(lease_seconds: float) -> None:
    assert keep_seconds(lease_seconds) <= lease_seconds / 3
    assert 2 * keep_seconds(lease_seconds) < HEARTBEAT_SECONDS
