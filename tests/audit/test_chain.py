"""Laws of the chain, for any history and any change to it."""

import random
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.audit.actions import AuditAction
from app.audit.chain import GENESIS, Examination, Flaw, Link, compute_mac
from app.audit.record import address_digest

KEY = bytes(range(32))
TENANT = UUID(int=7)
_VALUES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=12)


def _link(fields: dict[str, Any], position: int, previous: bytes) -> Link:
    salt = secrets.token_bytes(16)
    link = Link(
        tenant_id=TENANT,
        address_salt=salt,
        address_digest=address_digest(salt, fields["address"]),
        position=position,
        chained_at=datetime(2026, 1, 1, tzinfo=UTC),
        previous_mac=previous,
        mac=None,
        actor_kind="member",
        **fields,
    )
    return replace(link, mac=compute_mac(KEY, link, previous))


@st.composite
def chains(draw: st.DrawFn, smallest: int = 1) -> list[Link]:
    """A right chain of some length."""
    fields = st.fixed_dictionaries(
        {
            "id": st.uuids(),
            "at": st.datetimes(timezones=st.just(UTC)),
            "actor": st.sampled_from(["", "aa", "bb"]),
            "address": st.sampled_from(["192.0.2.1", "2001:db8::1"]),
            "action": st.sampled_from(["job.accept", "tenant.settings"]),
            "target_type": st.sampled_from(["job", "tenant"]),
            "target_id": st.text(max_size=8),
            "detail": st.dictionaries(st.text(max_size=6), _VALUES, max_size=3),
        }
    )
    links: list[Link] = []
    for one in draw(st.lists(fields, min_size=smallest, max_size=12)):
        links.append(_link(one, len(links) + 1, links[-1].mac or b"" if links else GENESIS))
    return links


def examine(links: Sequence[Link], anchors: dict[int, bytes] | None = None, key: bytes = KEY) -> Examination:
    examination = Examination(key, anchors or {})
    for link in links:
        examination.add(link)
    examination.finish()
    return examination


def places(examination: Examination) -> list[tuple[Flaw, int]]:
    return [(one.flaw, one.position) for one in examination.findings]


@given(chains())
def test_what_was_chained_verifies_with_every_entry_as_anchor(links: list[Link]) -> None:
    anchors = {link.position: link.mac or b"" for link in links}
    assert examine(links, anchors).findings == []


@given(chains())
def test_no_other_key_makes_the_same_chain(links: list[Link]) -> None:
    assert examine(links, key=bytes(32)).flaws == len(links)


@given(chains(), st.data())
def test_any_changed_field_is_found_at_its_entry(links: list[Link], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(links) - 1))
    other: dict[str, Any] = {
        "tenant_id": UUID(int=8),
        "id": UUID(int=1),
        "at": datetime(1999, 1, 1, 1, tzinfo=UTC),
        "chained_at": datetime(1999, 1, 1, tzinfo=UTC),
        "actor_kind": "operator",
        "actor": "cc",
        "address": "203.0.113.9",
        "address_digest": bytes(32),
        "action": "member.block",
        "target_type": "member",
        "target_id": "somebody else's",
        "detail": {"entirely": "other"},
        "mac": bytes(32),
    }
    field = data.draw(st.sampled_from(sorted(other)))
    links[at] = replace(links[at], **{field: other[field]})

    assert (Flaw.CHANGED, at + 1) in places(examine(links))


@given(chains(smallest=2), st.data())
def test_a_removed_entry_is_named_unless_it_was_the_last(links: list[Link], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(links) - 2))
    assert places(examine(links[:at] + links[at + 1 :])) == [(Flaw.MISSING, at + 1)]


@given(chains(smallest=2), st.data())
def test_a_cut_tail_is_found_by_an_anchor_and_only_by_it(links: list[Link], data: st.DataObject) -> None:
    left = data.draw(st.integers(0, len(links) - 1))
    anchors = {links[-1].position: links[-1].mac or b""}

    assert places(examine(links[:left])) == []
    assert places(examine(links[:left], anchors)) == [(Flaw.CUT, left + 1)]


@given(chains(smallest=2), st.data())
def test_exchanged_entries_are_found_also_with_their_places_renumbered(
    links: list[Link], data: st.DataObject
) -> None:
    one, other = sorted(
        data.draw(st.lists(st.integers(0, len(links) - 1), min_size=2, max_size=2, unique=True))
    )
    swapped = list(links)
    swapped[one] = replace(links[other], position=one + 1)
    swapped[other] = replace(links[one], position=other + 1)

    assert places(examine(swapped))[0] == (Flaw.CHANGED, one + 1)


@given(chains(smallest=2), st.data())
def test_an_entry_put_in_between_is_found(links: list[Link], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(links) - 1))
    # The best that somebody without the key can do: a right MAC of another entry, everything renumbered.
    forged = replace(links[at], id=UUID(int=2), target_id="forged")
    later = [replace(link, position=link.position + 1) for link in links[at:]]

    assert (Flaw.CHANGED, at + 1) in places(examine([*links[:at], forged, *later]))


@given(chains(smallest=2), st.data())
def test_a_chain_begun_anew_with_a_stolen_place_is_not_the_anchored_one(
    links: list[Link], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(links) - 1))
    anchors = {link.position: link.mac or b"" for link in links}
    # Who has the key can write a right chain; the anchors remember another one.
    rewritten = links[:at]
    for link in links[at:]:
        previous = rewritten[-1].mac or b"" if rewritten else GENESIS
        changed = replace(link, target_id=f"{link.target_id}!", previous_mac=previous)
        rewritten.append(replace(changed, mac=compute_mac(KEY, changed, previous)))

    assert places(examine(rewritten)) == []
    assert places(examine(rewritten, anchors))[0] == (Flaw.REWRITTEN, at + 1)


@given(chains(smallest=3))
def test_an_erased_address_needs_an_erasure(links: list[Link]) -> None:
    bare = [replace(link, address=None, address_salt=None, actor=link.actor) for link in links]
    people = {link.actor for link in links if link.actor}
    previous = links[-1]
    erasures: list[Link] = []
    for who in sorted(people):
        fields = {
            "id": UUID(int=len(erasures) + 1),
            "at": previous.at,
            "actor": "",
            "address": "",
            "action": AuditAction.MEMBER_ERASE,
            "target_type": "member",
            "target_id": who,
            "detail": {},
        }
        previous = _link(fields, previous.position + 1, previous.mac or b"")
        erasures.append(previous)

    assert {flaw for flaw, _ in places(examine(bare))} == ({Flaw.ADDRESS_REMOVED} if people else set())
    assert places(examine([*bare, *erasures])) == []


def test_of_very_many_flaws_all_are_counted_and_the_first_are_kept() -> None:
    examination = Examination(KEY, {}, most=3)
    for number in random.Random(1).sample(range(1, 100), 20):
        examination.report(Flaw.CHANGED, number, "")
    assert (examination.flaws, len(examination.findings)) == (20, 3)
