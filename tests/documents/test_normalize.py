import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.documents.normalize import normalize, text_hash

_VECTORS = json.loads((Path(__file__).parent / "normalize_vectors.json").read_text())


@pytest.mark.parametrize("vector", _VECTORS)
def test_published_vectors_hold(vector: dict[str, str]) -> None:
    assert normalize(vector["text"]) == vector["normalized"]
    assert text_hash(vector["text"]) == vector["hash"]


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_short_way_for_ascii_text_comes_to_the_same(text: str) -> None:
    assert normalize(text) == normalize(f"{text}\u200b")
