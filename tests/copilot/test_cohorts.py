"""What keeps a person's document with the model that began it, and says nothing of either."""

import pytest

from app.copilot.cohorts import by_item, by_name, sticky_key
from app.core.clock import new_id
from app.core.crypto import SealBroken, Sealer

ADA, ALAN = new_id(), new_id()
SEALER = Sealer(new_id(), {1: b"k" * 32})


def test_a_members_jobs_on_the_same_documents_have_the_same_key_in_whatever_order_they_are_named() -> None:
    one, two = by_name("plan.docx"), by_item("drive", "item")
    assert sticky_key(SEALER, ADA, [one, two]) == sticky_key(SEALER, ADA, [two, one])
    assert sticky_key(SEALER, ADA) == sticky_key(SEALER, ADA)


def test_another_document_another_member_and_another_tenant_have_keys_of_their_own() -> None:
    other_tenant = Sealer(new_id(), {1: b"o" * 32})
    keys = {
        sticky_key(SEALER, ADA),
        sticky_key(SEALER, ALAN),
        sticky_key(SEALER, ADA, [by_name("plan.docx")]),
        sticky_key(SEALER, ALAN, [by_name("plan.docx")]),
        sticky_key(SEALER, ADA, [by_name("plan.docx"), by_name("plan.docx")]),
        sticky_key(SEALER, ADA, [by_item("plan", "docx")]),
        sticky_key(SEALER, ADA, [by_item("plan", "docx"), by_name("a")]),
        sticky_key(other_tenant, ADA, [by_name("plan.docx")]),
    }
    assert len(keys) == 8


def test_a_key_stays_when_the_tenants_data_key_is_rotated_and_cannot_be_made_without_it() -> None:
    rotated = Sealer(SEALER.tenant_id, {1: b"k" * 32, 2: b"n" * 32})
    assert sticky_key(rotated, ADA) == sticky_key(SEALER, ADA)
    with pytest.raises(SealBroken):
        sticky_key(Sealer(SEALER.tenant_id, {2: b"n" * 32}), ADA)
