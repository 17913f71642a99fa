"""What Microsoft Graph says of a person at a sign-in: asked only where the tenant wants it, never in the way."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import TestDatabase
from tests.entra import ADA
from tests.portal.browsers import Browser, Portal
from tests.tenants.administration import execute, rows

_WANTED = "UPDATE tenants SET read_profiles = true"
_KNOWN = "SELECT department, groups, groups_incomplete FROM members WHERE display_name LIKE 'Ada%'"


def put_into_groups(portal: Portal, count: int) -> list[str]:
    """Make Ada a member of so many groups and of no other; gives their ids, sorted."""
    ids = sorted(str(uuid4()) for _ in range(count))
    people = portal.entra.app.people
    people.add(replace(portal.entra.app.person(ADA), groups=tuple(ids)))
    return ids


def asked(portal: Portal) -> dict[str, int]:
    return {path: count for path, count in portal.entra.app.graph.requests.items() if "/me" in path}


async def known(database: TestDatabase) -> tuple[Any, ...]:
    (found,) = await rows(database, _KNOWN)
    return tuple(found)


async def test_a_department_and_groups_that_no_token_has_room_for_are_read_from_graph(
    portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    await execute(database, _WANTED)
    ids = put_into_groups(portal, 250)

    await browser.sign_in(ADA)

    assert await known(database) == ("Finance", ids, False)
    assert asked(portal) == {"/v1.0/me": 1, "/v1.0/me/transitiveMemberOf": 1}


async def test_groups_that_the_token_names_cost_no_request_and_more_than_we_keep_are_said_to_be(
    portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    await execute(database, _WANTED)
    few = put_into_groups(portal, 3)
    await browser.sign_in(ADA)
    assert await known(database) == ("Finance", few, False)
    assert asked(portal) == {"/v1.0/me": 1}

    put_into_groups(portal, 1100)
    await browser.sign_in(ADA)
    department, groups, incomplete = await known(database)
    assert (department, len(groups), incomplete) == ("Finance", 999, True)


async def test_without_the_tenants_wish_graph_is_not_asked_and_nothing_of_it_is_kept(
    portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    await execute(database, _WANTED)
    await browser.sign_in(ADA)
    assert (await known(database))[0] == "Finance"
    portal.entra.app.graph.requests.clear()
    await execute(database, "UPDATE tenants SET read_profiles = false")
    put_into_groups(portal, 250)
    portal.services.directory.changed("")

    await browser.sign_in(ADA)

    department, groups, incomplete = await known(database)
    assert (department, len(groups), incomplete) == ("", 2, True)
    assert asked(portal) == {}


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_a_graph_that_refuses_keeps_nobody_out_and_takes_nothing_away(
    status: int, portal: Portal, browser: Browser, database: TestDatabase
) -> None:
    await execute(database, _WANTED)
    await browser.sign_in(ADA)
    before = await known(database)
    portal.entra.app.graph.refuse_next(status, times=2)
    put_into_groups(portal, 250)

    await browser.sign_in(ADA)

    assert (await browser.get("/me")).status_code == 200
    assert await known(database) == (*before[:2], True)
