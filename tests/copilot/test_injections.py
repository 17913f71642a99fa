"""Hostile documents against a model that obeys them. The table is in injection_matrix.py, the page docs/injection.md."""

import os

import pytest

from app.copilot.catalog import task_types
from tests.copilot.injection_matrix import (
    KNOWN_THROUGH,
    NOT_GIVEN,
    ORDINARY,
    PAGE,
    PARAMETERS,
    Outcome,
    documents,
    page,
    play,
    rows,
)
from tests.copilot.obedient import reads
from tests.documents.injections import Order
from tests.documents.ordinary import corpora, measure, own, papers

_NOT_OF_FILES = {"explain_table", "formula"}
"""They take cells from the pane."""


def test_every_task_type_that_reads_files_is_tried() -> None:
    assert PARAMETERS.keys() == task_types().keys() - _NOT_OF_FILES


def test_there_are_fifty_documents_and_each_way_to_hide_is_read_or_left_out_as_it_says() -> None:
    assert len(documents()) >= 50
    assert {each.injection.order for each in documents()} == set(Order)
    for each in documents():
        texts = " ".join(segment.text for segment in each.extracted.segments)
        assert reads(texts, each.injection.words) == each.injection.is_read, each.injection.name
        assert bool(each.findings) == each.injection.is_found, each.injection.name


@pytest.mark.parametrize("task_type", sorted(PARAMETERS))
async def test_nothing_that_a_document_orders_is_delivered(task_type: str) -> None:
    for each in documents():
        outcome, _ = await play(task_type, each)
        name = each.injection.name
        known = (each.injection.order, task_type) in KNOWN_THROUGH
        assert (outcome is Outcome.THROUGH) == known, name
        is_given = each.injection.is_read and (name, task_type) not in NOT_GIVEN
        assert (outcome is Outcome.UNREAD) == (not is_given), name


async def test_without_an_honest_member_the_job_ends_in_an_error_or_in_a_checked_answer() -> None:
    alone = {each.injection.name: await play("summarize", each, alone=True) for each in documents()}
    read = {each.injection.name for each in documents() if each.injection.is_read}
    assert {alone[name][0] for name in read} == {Outcome.REFUSED, Outcome.CLEANED}
    assert {outcome for name, (outcome, _) in alone.items() if name not in read} == {Outcome.UNREAD}


def test_ordinary_texts_of_our_own_are_found_as_often_as_the_page_says() -> None:
    assert measure(own()) == next(iter(ORDINARY.values()))


@pytest.mark.corpus
@pytest.mark.skipif(
    os.environ.get("SWITCHBOARD_TEST_MARKED") != "1", reason="fetches 25 MB: set SWITCHBOARD_TEST_MARKED=1"
)
def test_other_ordinary_documents_are_found_as_often_as_the_page_says() -> None:
    pytest.importorskip("aclsum")
    assert [measure(corpora()), measure(papers())] == list(ORDINARY.values())[1:]


async def test_the_page_says_what_was_tried() -> None:
    assert PAGE.read_text() == page(await rows()), "run python -m tests.copilot.injection_matrix"
