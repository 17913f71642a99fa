"""The member without a model."""

import json
import time
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.addresses import has_harmful_address, has_markup
from app.documents.normalize import normalize
from app.llm.errors import BadRequest
from app.llm.providers.extractive import ExtractiveProvider
from app.llm.types import Block, ModelRequest, TokenUsage
from app.vocabulary import SegmentKind, StepKind


def request(
    blocks: Sequence[Block | str],
    *,
    most: int = 3,
    language: str = "en",
    parameters: Mapping[str, str] | None = None,
) -> ModelRequest:
    made = tuple(
        block if isinstance(block, Block) else Block(f"B{at}", block, SegmentKind.PARAGRAPH)
        for at, block in enumerate(blocks, start=1)
    )
    return ModelRequest(
        task_type="summarize",
        step_kind=StepKind.FINAL,
        blocks=made,
        parameters=parameters or {},
        language=language,
        render=lambda _: (),
        response_schema={"properties": {"sentences": {"maxItems": most}}},
        input_tokens_estimate=1,
        max_output_tokens=1,
    )


async def sentences(asked: ModelRequest) -> list[str]:
    result = await ExtractiveProvider().complete(asked, (), timeout_seconds=10)
    assert (result.method, result.finish_reason, result.usage) == ("extractive", "stop", TokenUsage())
    texts = {block.id: block.text for block in asked.blocks}
    found: list[str] = []
    for sentence in json.loads(result.text)["sentences"]:
        (citation,) = sentence["citations"]
        assert normalize(sentence["text"]) in normalize(citation["quote"])
        assert citation["quote"] in texts[citation["block"]]
        found.append(sentence["text"])
    return found


REPORT: list[Block | str] = [
    Block("B1", "Annual report of the harbour", SegmentKind.HEADING),
    "The harbour handled 4.1 million containers in 2026, which is six percent more than in the year before.",
    "It was sunny. Containers from Asia made up most of the growth of the harbour, above all electronics.",
    "All rights reserved. Copyright 2026 by the harbour and all of its containers.",
    "See also https://harbour.example/containers for more about containers of the harbour in 2026.",
    "The harbour will build a second terminal for containers, which is to open in 2029 and cost 300 million.",
    "Page 3 of 12",
]


async def test_the_answer_is_sentences_of_the_document_in_its_order() -> None:
    found = await sentences(request(REPORT))
    text = " ".join(block if isinstance(block, str) else block.text for block in REPORT)
    assert found == sorted(found, key=text.index)
    assert len(found) == 3


async def test_headings_boilerplate_and_links_are_left_out() -> None:
    found = " ".join(await sentences(request(REPORT, most=10)))
    for unwanted in ("Annual report", "Copyright", "https://", "Page 3"):
        assert unwanted not in found


@pytest.mark.parametrize(
    "harmful",
    [
        "The harbour has <img src=x> a picture of its containers and of its terminal.",
        "The harbour keeps its containers at \\\\evil\\share and its terminal elsewhere.",
        "The harbour keeps its containers at data:text/plain,x and its terminal elsewhere.",
        "The harbour keeps its containers at //evil.example/x and its terminal elsewhere.",
    ],
)
async def test_what_may_not_be_delivered_is_passed_over(harmful: str) -> None:
    plain = "The council wrote to ann@contoso.example about contoso.example/prices on that same day."
    assert await sentences(request([harmful, plain], most=3)) == [plain]
    (part,) = await sentences(request([harmful], most=3))
    assert part in harmful
    assert not has_markup(part)
    assert not has_harmful_address(part)


async def test_a_text_of_links_alone_is_still_quoted() -> None:
    text = "See https://harbour.example/containers for more about the containers."
    assert await sentences(request([text])) == [text]


async def test_what_the_text_is_about_beats_an_aside() -> None:
    found = await sentences(request(REPORT, most=3))
    assert not any("sunny" in sentence for sentence in found)


async def test_a_sentence_said_twice_is_taken_once() -> None:
    twice = "The council decided to close the old bridge for traffic from the first of March."
    other = "Cyclists will use the tunnel below the river, the council decided on the same day."
    assert await sentences(request([twice, twice, other], most=3)) == [twice, other]


async def test_the_same_request_gives_the_same_answer() -> None:
    assert await sentences(request(REPORT)) == await sentences(request(REPORT))


@pytest.mark.parametrize("name", ["audience", "focus", "tone", "language"])
async def test_what_needs_a_writer_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match=name):
        await ExtractiveProvider().complete(
            request(["Some text."], parameters={name: "de"}), (), timeout_seconds=1
        )


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "de",
            "Dr. Meier kam am 3. Mai nach Ulm. Er sprach z. B. über den Haushalt und die Schulden der Stadt.",
        ),
        ("ja", "今年の売上は前年より十二パーセント増えました。新しい工場は来年の春に完成する予定です。"),
        ("th", "บริษัทมีรายได้เพิ่มขึ้นสิบสองเปอร์เซ็นต์ในปีนี้ โรงงานใหม่จะเปิดในปีหน้า"),
        ("ar", "ارتفعت إيرادات الشركة هذا العام. سيتم افتتاح المصنع الجديد في الربيع القادم."),
        ("xx", "Unknown tongues have sentences too. They end with a stop as well."),
        ("und", "One. Two. Three."),
    ],
)
async def test_any_language_works(language: str, text: str) -> None:
    assert await sentences(request([text], most=1, language=language))


async def test_table_rows_stay_whole_and_prose_comes_first() -> None:
    rows: list[Block | str] = [
        Block(f"R{at}", f"Region {at} | 12 | 14.5", SegmentKind.TABLE_ROW) for at in range(4)
    ]
    assert await sentences(request(rows, most=2)) != []
    mixed: list[Block | str] = [
        *rows,
        "The regions in the north sold more than the regions in the south this year.",
    ]
    assert (await sentences(request(mixed, most=1)))[0].startswith("The regions")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text(min_size=1, max_size=200).filter(str.strip), min_size=1, max_size=15), st.integers(1, 6)
)
async def test_any_text_gives_verbatim_sentences_and_no_more_than_asked(texts: list[str], most: int) -> None:
    assert 1 <= len(await sentences(request(texts, most=most))) <= most


def _word(number: int) -> str:
    return "".join(chr(ord("k") + int(digit)) for digit in f"{number:04}")


async def test_a_large_text_takes_no_more_than_a_few_seconds() -> None:
    text = [
        f"Sentence {_word(at)} tells of {_word(at % 37)} and {_word(at % 101)} with {_word(at % 11)} words."
        for at in range(5000)
    ]
    started = time.process_time()
    assert len(await sentences(request(text, most=20))) == 20
    assert time.process_time() - started < 5


async def test_repeated_and_wordless_pieces_are_passed_over() -> None:
    assert await sentences(request(["Yes", "yes ", "---", "Yes"], most=4)) == ["Yes"]


GOOD = "The harbour will build a second terminal, which is to open in 2029."


@pytest.mark.parametrize(
    "unwanted",
    [
        "Permission is hereby granted, free of charge, to any person who obtains a copy of the harbour.",
        "The harbour is licensed under the Apache License, and everybody may use its software.",
        "The harbour gives no warranty for it. The copyright of the harbour remains with its holders.",
        "The terminal of the harbour in the year 2029 .......... 12",
        "Second terminal of the harbour and the year of its opening\t12",
        "and so the harbour will build a terminal for containers next year.",
        ", so that the harbour will build a terminal for containers next year.",
        "The harbour will build a terminal for containers next year and then",
        "The harbour will build a terminal for all containers from Asia ~.",
        "The harbour will build a `terminal for containers next year.",
        "The harbour (and its owners will build a terminal for containers.",
    ],
)
async def test_what_cannot_stand_alone_is_left_out_unless_there_is_nothing_else(unwanted: str) -> None:
    assert await sentences(request([GOOD, unwanted, "The mayor opened the new bridge on Monday."])) == [
        GOOD,
        "The mayor opened the new bridge on Monday.",
    ]
    assert await sentences(request([unwanted])) != []


async def test_what_stands_under_a_table_of_contents_is_left_out() -> None:
    listed = Block("B1", "Terminals of the harbour are in it.", SegmentKind.LIST_ITEM, ("Contents",))
    assert await sentences(request([listed, GOOD])) == [GOOD]


async def test_a_licence_is_summarised_as_one() -> None:
    terms = "Permission is hereby granted to use the software. The licence ends when its terms are broken."
    assert len(await sentences(request([terms, "see below and so on, the rest"]))) == 2


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("* The harbour grew by six percent.", "The harbour grew by six percent."),
        ("- The harbour grew by six percent", "The harbour grew by six percent"),
        ("1. The harbour grew by six percent.", "The harbour grew by six percent."),
        ("The har\xadbour grew by six per\xadcent.", "The harbour grew by six percent."),
        ("3.5 million containers passed the harbour.", "3.5 million containers passed the harbour."),
    ],
)
async def test_markers_and_soft_hyphens_are_not_shown_but_quoted(quote: str, text: str) -> None:
    blocks = request([Block("B1", quote, SegmentKind.LIST_ITEM)])
    result = await ExtractiveProvider().complete(blocks, (), timeout_seconds=10)
    assert json.loads(result.text)["sentences"] == [
        {"citations": [{"block": "B1", "quote": quote}], "text": text}
    ]


async def test_lines_that_differ_in_figures_only_are_one() -> None:
    lines: list[Block | str] = [f"In month {at} the harbour handled {at * 7} large ships." for at in range(9)]
    assert len(await sentences(request(lines))) == 1


async def test_scripts_without_capitals_have_no_fragments() -> None:
    text = "บริษัทมีรายได้เพิ่มขึ้นสิบสองเปอร์เซ็นต์ในปีนี้"
    assert await sentences(request([text, "ABC stands here too."], language="th", most=2)) == [
        text,
        "ABC stands here too.",
    ]
