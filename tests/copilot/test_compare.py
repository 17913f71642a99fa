"""compare: alignment by code, and a summary that cites the changes."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.copilot.alignment import ChangeKind, figures_changed, find_changes
from app.copilot.compare import CompareParameters
from app.documents.segments import Segment
from app.llm.types import ModelRequest
from app.vocabulary import StepKind
from tests.copilot.conftest import MemoryJob, ScriptedProvider, claims_json, document, echo_first

OLD = [
    "# Contract",
    "The rent of the office in Munich is 4,200 euros a month.",
    "The tenant may keep a dog in the office if the neighbours agree.",
    "Notice is given three months before the end of a quarter.",
    "The landlord repairs the roof at his own cost every ten years.",
]
NEW = [
    "# Contract",
    "The landlord repairs the roof at his own cost every ten years.",
    "The rent of the office in Munich is 4,500 euros a month.",
    "Notice is given three months before the end of a quarter.",
    "The deposit is paid back within six weeks after the keys were returned.",
]


def pair(before: list[str], after: list[str]) -> list[Segment]:
    old, new = document(*before), document(*after)
    return [*old, *(replace(each, index=len(old) + at, document=1) for at, each in enumerate(new))]


def job(*answers: Any, segments: list[Segment], **values: Any) -> MemoryJob:
    def answer(said: Any) -> Callable[[ModelRequest], str]:
        return said if callable(said) else lambda _: str(said)

    providers = [ScriptedProvider(answer(one)) for one in answers]
    return MemoryJob(segments, CompareParameters(), providers=providers, task_type="compare", **values)


def kinds(before: list[str], after: list[str]) -> list[tuple[str, str | None, str | None]]:
    segments = pair(before, after)

    def words(at: int | None) -> str | None:
        return None if at is None else " ".join(segments[at].text.split()[:3])

    return [(one.kind, words(one.before), words(one.after)) for one in find_changes(segments)]


def test_changed_added_removed_and_moved_paragraphs_are_told_apart() -> None:
    assert kinds(OLD, NEW) == [
        ("moved", "The landlord repairs", "The landlord repairs"),
        ("changed", "The rent of", "The rent of"),
        ("removed", "The tenant may", None),
        ("added", None, "The deposit is"),
    ]


def test_what_only_looks_different_is_no_change() -> None:
    assert kinds(["He said “yes” – twice."], ['He said "yes" - twice.']) == []


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("4,200 euros", "4,500 euros", (["4,200"], ["4,500"])),
        ("1.234,50 Euro", "1,234.50 euros", ([], [])),
        ("12 % in May", "12 % in June 2027", ([], ["2027"])),
        ("due on 03.05.2024", "due on 05.03.2024", (["03.05.2024"], ["05.03.2024"])),
        ("due on 03.05.2024", "due on 3 May 2024", ([], [])),
        ("no figure", "none here", ([], [])),
    ],
)
def test_figures_that_changed_are_listed_as_they_are_written(before: str, after: str, changed: Any) -> None:
    assert figures_changed(before, after) == changed


_PARAGRAPHS = st.lists(st.sampled_from([*OLD[1:], *NEW[1:], "Short.", "", "x" * 60]), max_size=9)


@settings(max_examples=150, deadline=None)
@given(_PARAGRAPHS, _PARAGRAPHS)
def test_every_paragraph_is_the_same_or_in_exactly_one_change(before: list[str], after: list[str]) -> None:
    segments = pair(before, after)
    changes = find_changes(segments)
    touched = [side for one in changes for side in (one.before, one.after) if side is not None]
    assert len(touched) == len(set(touched))
    rest: tuple[list[str], list[str]] = ([], [])
    for at, segment in enumerate(segments):
        if at not in set(touched) and segment.text.strip():
            rest[segment.document].append(segment.text)
    assert rest[0] == rest[1]
    assert all((one.before is None) == (one.kind is ChangeKind.ADDED) for one in changes)
    assert all((one.after is None) == (one.kind is ChangeKind.REMOVED) for one in changes)


@pytest.mark.parametrize(
    "other",
    [
        lambda n: [("OK." if at % 2 else f"Item {at} is new.") for at in range(n)],
        lambda n: [f"Item {n - at} was here before." for at in range(n)],
        lambda n: [f"Point {at}: nothing of the other document." for at in range(n)],
    ],
    ids=["alternating", "reversed", "unrelated"],
)
def test_documents_that_have_little_in_common_are_compared_in_no_time(other: Any) -> None:
    """4,000 paragraphs a side: minutes, where each pair of equal ones had the whole looked through again."""
    old = [("OK." if at % 2 else f"Item {at} was here before.") for at in range(4_000)]
    segments = pair(old, other(4_000))
    begun = process_time()
    assert find_changes(segments)
    assert process_time() - begun < 5


async def test_the_summary_cites_changes_and_changes_have_places_on_both_sides() -> None:
    text = "The rent rises from 4,200 to 4,500 euros a month."
    asked = job(
        claims_json((text, "B2", "The rent of the office in Munich is 4,500 euros")), segments=pair(OLD, NEW)
    )
    outcome = await asked.run()
    result = dict(outcome.result or {})
    assert result["text"] == f"{text} [1]"
    (citation,) = result["citations"]
    change = result["changes"][citation["change"]]
    assert (change["before"]["document"], change["after"]["document"]) == (0, 1)
    assert change["before"]["anchor"]["type"] == change["after"]["anchor"]["type"] == "text"
    assert change["figures"] == {"before": ["4,200"], "after": ["4,500"]}
    assert (result["coverage"]["ratio"], result["tracked_changes"]) == (1.0, "accepted")
    assert not outcome.partial


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The rent rises to 4,700 euros a month.", "unsupported_figure"),
        ("The rent of the office in Hamburg rises to 4,500 euros.", "unsupported_name"),
        ("Die Miete für das Büro in München steigt auf 4.500 Euro im Monat.", "wrong_language"),
    ],
)
async def test_a_summary_of_what_did_not_change_is_rejected(text: str, code: str) -> None:
    quote = "The rent of the office in Munich is 4,500 euros"
    good = ("The rent rises to 4,500 euros.", "B2", quote)
    asked = job(claims_json((text, "B2", quote)), claims_json(good), segments=pair(OLD, NEW))
    await asked.run()
    assert [one.split(":")[0] for one in asked.rejections] == [code]


async def test_a_citation_quotes_the_documents_and_not_the_word_for_what_became_of_them() -> None:
    asked = job(echo_first, segments=pair([OLD[1], OLD[3]], [OLD[1]]))
    (citation,) = dict((await asked.run()).result or {})["citations"]
    assert asked.requests[0].blocks[0].text == f"Removed: {OLD[3]}"
    assert citation["quote"] == OLD[3]


async def test_two_documents_that_are_the_same_cost_no_request() -> None:
    asked = job(echo_first, segments=pair(OLD, OLD))
    result = dict((await asked.run()).result or {})
    assert (result["changes"], result["text"], result["method"]) == ([], "", "none")
    assert asked.requests == []


def long_pair(count: int, changed: set[int]) -> list[Segment]:
    filler = "the harbour was closed and the clerk noted the storms of the winter in his list of ships"
    before = [f"In district {at} {filler}, and the sum was {at * 7 + 100} euros. " * 2 for at in range(count)]
    after = [
        text.replace("storms", "gales").replace("euros", "dollars") if at in changed else text
        for at, text in enumerate(before)
    ]
    return pair(before, after)


def beginnings(request: ModelRequest) -> str:
    """What each of the first blocks begins with, as far as it may be told in one sentence."""
    most = int((request.response_schema or {})["properties"]["sentences"]["maxItems"])
    told = [(block.text[:90].rsplit(" ", 1)[0], block.id) for block in request.blocks[:most]]
    return claims_json(*((text, block, text) for text, block in told))


async def test_of_two_long_documents_only_the_changes_are_read() -> None:
    asked = job(beginnings, segments=long_pair(400, {7, 300}), context_tokens=4000)
    result = dict((await asked.run()).result or {})
    assert [step.kind for step in asked.steps] == [StepKind.FINAL]
    assert [one["after"]["segment"] for one in result["changes"]] == [407, 700]
    assert asked.requests[0].input_tokens_estimate < 1500


async def test_many_changes_are_read_in_parts_and_a_dead_part_is_named() -> None:
    asked = job(beginnings, segments=long_pair(80, set(range(80))), context_tokens=2500)
    result = dict((await asked.run()).result or {})
    assert {step.kind for step in asked.steps} >= {StepKind.MAP, StepKind.FINAL}
    assert (len(result["changes"]), result["coverage"]["ratio"]) == (80, 1.0)
    asked.dies = lambda kind, ordinal: kind is StepKind.MAP and ordinal == 0
    outcome = await asked.run()
    (low, high), *_ = asked.steps[0].input["covers"]
    missing = dict(outcome.result or {})["missing"]
    assert outcome.partial
    assert missing == sorted([*range(low, high + 1), *range(80 + low, 81 + high)])


async def test_nothing_of_the_documents_is_kept_when_the_job_has_gone() -> None:
    asked = job(echo_first, segments=pair(OLD, NEW))
    texts = [weakref.ref(segment) for segment in asked.segments]
    await asked.run()
    del asked
    gc.collect()
    assert [one() for one in texts] == [None] * len(texts)
