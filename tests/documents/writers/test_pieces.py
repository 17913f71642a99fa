"""Which old text a new one is like."""

from time import process_time

from app.documents.runs import Stretch
from app.documents.segments import Run
from app.documents.writers.pieces import UsualTexts


def _stretches(*texts: str) -> list[Stretch]:
    return [Stretch(Run(text), (), 0) for text in texts]


def test_new_text_is_like_the_same_words_once_each_else_like_what_stood_in_its_place() -> None:
    source = _stretches("a", "b", "b", "c")
    usual = UsualTexts([*source, Stretch(Run("bold", 1), (), 0)])
    assert [usual.like(text) for text in ("b", "b", "b", "new", "newer")] == [
        source[1],
        source[2],
        source[2],
        source[3],
        source[3],
    ]
    assert UsualTexts([]).like("a") is None


def test_a_paragraph_of_very_many_runs_takes_no_time() -> None:
    usual = UsualTexts(_stretches(*map(str, range(20_000))))
    begun = process_time()
    assert all(usual.like(f"{number} anew") is not None for number in range(20_000))
    assert process_time() - begun < 1
