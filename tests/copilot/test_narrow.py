import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.copilot.chunking import Piece
from app.copilot.narrow import narrow_schema
from app.copilot.reading import read_pieces
from tests.copilot.conftest import document


def schema_of(*paragraphs: str, most: int = 5) -> Any:
    segments = document(*paragraphs)
    pieces = [Piece(at, 0, len(segment.text)) for at, segment in enumerate(segments)]
    return narrow_schema(read_pieces(segments, pieces), most=most, language="en")


def choices(schema: Any) -> dict[str, list[str]]:
    claim = schema["properties"]["sentences"]["items"]["properties"]
    return {
        one["properties"]["block"]["enum"][0]: one["properties"]["quote"]["enum"]
        for one in claim["citations"]["items"]["anyOf"]
    }


def test_quotes_are_the_documents_own_words_under_their_block() -> None:
    paragraphs = (
        "# A heading",
        "The harbour was closed. Two cranes fell from their rails.",
        "Nobody was hurt there.",
    )
    found = choices(schema_of(*paragraphs))
    assert found == {
        "B2": ["The harbour was closed.", "Two cranes fell from their rails."],
        "B3": ["Nobody was hurt there."],
    }


def test_a_long_text_has_no_narrow_form() -> None:
    assert schema_of(*(f"Item number {number} was repaired." for number in range(200))) is None


def test_no_more_is_asked_for_than_is_wanted() -> None:
    schema = schema_of("The harbour was closed. Two cranes fell.", most=1)
    assert schema["properties"]["sentences"]["maxItems"] == 1


def pattern() -> re.Pattern[str]:
    schema = schema_of("The harbour was closed for days.")
    return re.compile(schema["properties"]["sentences"]["items"]["properties"]["text"]["pattern"])


def test_the_pattern_takes_one_sentence_with_decimals() -> None:
    assert pattern().match("Repairs will cost 4.2 million euros.")
    assert not pattern().match("Repairs will start. They will cost 4.2 million euros.")
    assert not pattern().match("No end in sight for this one")


@given(st.text(max_size=400))
def test_what_the_pattern_takes_is_bounded_and_safe_in_json(text: str) -> None:
    if pattern().match(text):
        assert len(text) <= 2 + 3 * 160
        assert '"' not in text
        assert "\\" not in text
