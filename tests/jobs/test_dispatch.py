import time
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.core.clock import new_id
from app.jobs import dispatch
from app.jobs.dispatch import Slots, share_slots
from app.jobs.leases import beat
from app.jobs.turns import ReadyStep
from app.vocabulary import Lane, StepKind
from tests.jobs.conftest import Desk

STALE = 2.0


async def pick(
    desk: Desk, slots: int, *, lane: Lane = Lane.INTERACTIVE, hint: bool = True
) -> list[ReadyStep]:
    async with desk.database.system.system() as session:
        steps = await dispatch.pick(session, lane=lane, slots=slots, stale_hint_seconds=STALE)
        if hint:
            await dispatch.mark_hinted(session, [(step, None) for step in steps])
        return steps


async def free(desk: Desk) -> Slots:
    async with desk.database.system.system() as session:
        return (await dispatch.look(session, stale_hint_seconds=STALE)).slots


async def workers(desk: Desk, capacity: int) -> None:
    async with desk.database.system.system() as session:
        await beat(session, owner=desk.owner, capacity=capacity)


async def test_without_workers_there_are_no_slots(desk: Desk) -> None:
    assert (await free(desk)).free == 0


async def test_hints_and_leases_take_slots(desk: Desk) -> None:
    await workers(desk, 16)
    for _ in range(4):
        await desk.accept()
    before = await free(desk)
    steps = await pick(desk, 3)
    await desk.claim(steps[0].id)
    after = await free(desk)
    assert before.free - after.free == 3


async def test_a_hinted_step_is_not_offered_again_until_the_hint_is_stale(desk: Desk) -> None:
    await desk.accept()
    assert len(await pick(desk, 5)) == 1
    assert await pick(desk, 5) == []
    await desk.change("UPDATE job_steps SET hinted_at = clock_timestamp() - interval '3 s'")
    assert len(await pick(desk, 5)) == 1
    # The second hint waits twice as long: the broker is not flooded while workers are away.
    await desk.change("UPDATE job_steps SET hinted_at = clock_timestamp() - interval '3 s'")
    assert await pick(desk, 5) == []


async def test_hints_that_did_not_go_out_are_offered_again_at_once(desk: Desk) -> None:
    await desk.accept()
    steps = await pick(desk, 5)
    async with desk.database.system.system() as session:
        assert await dispatch.forget_hints(session, steps) == {steps[0].id}
    assert len(await pick(desk, 5)) == 1


async def test_a_step_that_was_claimed_meanwhile_is_not_given_back_with_the_hints(desk: Desk) -> None:
    await desk.accept()
    await desk.accept()
    taken, unclaimed = await pick(desk, 5)
    assert await desk.claim(taken.id) is not None
    async with desk.database.system.system() as session:
        assert await dispatch.forget_hints(session, [taken, unclaimed]) == {unclaimed.id}


async def test_a_step_offered_again_brings_what_its_last_hint_had_reserved(desk: Desk) -> None:
    await desk.accept()
    (step,) = await pick(desk, 1, hint=False)
    async with desk.database.system.system() as session:
        await dispatch.mark_hinted(session, [(step, {"tokens": 7})])
        await dispatch.forget_hints(session, [step])
    (again,) = await pick(desk, 1)
    assert (step.reservation, again.reservation) == (None, {"tokens": 7})


async def test_steps_of_a_full_pool_hold_up_no_other_of_their_tenant(desk: Desk) -> None:
    full, other = new_id(), new_id()
    for _ in range(8):
        await desk.accept(pool_revision_id=full)
    behind = await desk.accept(pool_revision_id=other)
    plan = await desk.accept(pool_revision_id=full, first_step=StepKind.PLAN)
    theirs = await desk.accept(other_tenant=True, pool_revision_id=full)
    async with desk.database.system.system() as session:
        found = await dispatch.pick(
            session,
            lane=Lane.INTERACTIVE,
            slots=5,
            stale_hint_seconds=STALE,
            resting=[(desk.database.tenant_id, full)],
        )
    # A plan calls no model, and what is full for one tenant may be free for another.
    assert {step.job_id for step in found} == {behind, plan, theirs}


async def test_a_tenant_with_many_steps_does_not_hold_up_one_with_a_single_step(desk: Desk) -> None:
    for _ in range(30):
        await desk.accept()
    await pick(desk, 10)
    theirs = await desk.accept(other_tenant=True)
    first = (await pick(desk, 2))[:2]
    assert theirs in {step.job_id for step in first}


async def test_weights_share_the_slots(desk: Desk) -> None:
    await desk.change(
        "INSERT INTO tenant_policies (tenant_id, weight, max_steps_in_flight, max_jobs_queued,"
        " require_no_training, require_zero_retention, retention_days, reuse_across_members)"
        " VALUES (:id, 3, 100, 1000, false, false, 30, false)",
        id=desk.database.tenant_id,
    )
    for _ in range(24):
        await desk.accept()
        await desk.accept(other_tenant=True)
    picked = Counter(step.tenant_id for step in await pick(desk, 16))
    assert picked == {desk.database.tenant_id: 12, desk.database.other_tenant_id: 4}


async def test_a_tenant_has_no_more_in_flight_than_it_may(desk: Desk) -> None:
    for _ in range(40):
        await desk.accept()
    assert len(await pick(desk, 100)) == 32
    assert await pick(desk, 100) == []


async def test_a_suspended_tenants_steps_wait(desk: Desk) -> None:
    await desk.accept()
    await desk.change("UPDATE tenants SET state = 'suspended' WHERE id = :id", id=desk.database.tenant_id)
    assert await pick(desk, 5) == []


async def test_the_background_lane_is_its_own(desk: Desk) -> None:
    await desk.accept(lane=Lane.BACKGROUND)
    assert await pick(desk, 5) == []
    assert len(await pick(desk, 5, lane=Lane.BACKGROUND)) == 1


async def next_lanes(desk: Desk) -> Counter[Lane]:
    async with desk.database.system.system() as session:
        floor = await dispatch.look(session, stale_hint_seconds=STALE)
        steps = await dispatch.next_steps(session, floor, stale_hint_seconds=STALE)
        await dispatch.mark_hinted(session, [(step, None) for step in steps])
    assert len({step.id for step in steps}) == len(steps)
    return Counter(step.lane for step in steps)


async def test_interactive_goes_first_and_background_gets_its_share(desk: Desk) -> None:
    await workers(desk, 16)
    for _ in range(20):
        await desk.accept()
        await desk.accept(lane=Lane.BACKGROUND)
    assert await next_lanes(desk) == {Lane.INTERACTIVE: 14, Lane.BACKGROUND: 2}


async def test_background_alone_leaves_room_for_people(desk: Desk) -> None:
    await workers(desk, 16)
    for _ in range(20):
        await desk.accept(lane=Lane.BACKGROUND)
    assert await next_lanes(desk) == {Lane.BACKGROUND: 14}
    assert await next_lanes(desk) == {}
    await desk.accept()
    assert await next_lanes(desk) == {Lane.INTERACTIVE: 1}


async def test_one_slot_serves_both_lanes(desk: Desk) -> None:
    await workers(desk, 1)
    await desk.accept(lane=Lane.BACKGROUND)
    assert await next_lanes(desk) == {Lane.BACKGROUND: 1}


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
def test_no_more_is_shared_than_is_free(capacity: int, interactive: int, background: int) -> None:
    slots = share_slots(capacity, {Lane.INTERACTIVE: interactive, Lane.BACKGROUND: background})
    assert slots.free == max(0, capacity - interactive - background)
    assert 0 <= slots.owed_to_background <= slots.free
    assert 0 <= slots.kept_for_interactive <= slots.free
    if capacity > 1 and not background and slots.free:
        assert slots.owed_to_background >= 1


async def test_picking_is_quick_among_many_tenants_and_rows(desk: Desk) -> None:
    await desk.change(
        "INSERT INTO tenants (id, entra_tenant_id, name, state, allow_guests)"
        " SELECT gen_random_uuid(), gen_random_uuid(), 'T', 'active', false FROM generate_series(1, 200)"
    )
    await desk.change(
        "INSERT INTO members (tenant_id, id, entra_object_id, display_name, role, state)"
        " SELECT id, gen_random_uuid(), gen_random_uuid(), 'M', 'Member', 'active' FROM tenants WHERE name = 'T'"
    )
    await desk.change(
        "INSERT INTO jobs (tenant_id, id, member_id, task_type, host, lane, state, sealed_parameters,"
        " pool_tenant_id, pool_revision_id, route_reason, language, estimated_tokens, on_dead, steps_total,"
        " steps_done, deadline_at)"
        " SELECT m.tenant_id, gen_random_uuid(), m.id, 'summarize', 'word', 'interactive', 'queued', '\\x00',"
        " m.tenant_id, :revision, '', 'en', 1, 'partial', 1, 0, now() + interval '1 hour'"
        " FROM members m JOIN tenants t ON t.id = m.tenant_id AND t.name = 'T'",
        revision=new_id(),
    )
    await desk.change(
        "INSERT INTO job_steps (tenant_id, id, job_id, member_id, task_type, kind, lane, state, estimated_tokens,"
        " ordinal, schema_version, remaining, attempt, fencing, hint_count, error_chain)"
        " SELECT tenant_id, gen_random_uuid(), id, member_id, task_type, 'map', lane, 'queued', 1,"
        " 0, 1, 0, 0, 0, 0, '[]' FROM jobs, generate_series(1, 100)"
    )
    async with desk.database.owner.engine.connect() as connection:
        autocommit: Any = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("ANALYZE job_steps"))
    started = time.process_time(), time.perf_counter()
    picked = await pick(desk, 64, hint=False)
    assert time.perf_counter() - started[1] < 1.0
    assert len({step.tenant_id for step in picked}) == 64
