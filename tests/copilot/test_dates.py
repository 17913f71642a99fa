"""Days as they are written in several languages, and which of them are the same."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.copilot.dates import find_dates, has_changed_date, without_same_dates

THIRD_OF_MAY = [
    "3 May 2024", "May 3, 2024", "May 3rd, 2024", "3rd of May 2024", "2024-05-03", "03.05.2024", "3.5.24", "5/3/2024",
    "3/5/2024", "03-05-2024", "3. Mai 2024", "3 mai 2024", "3 de mayo de 2024", "3 maggio 2024", "3 mei 2024", "2024年5月3日",
    "2024/5/3",
]  # fmt: skip


@pytest.mark.parametrize("written", THIRD_OF_MAY)
def test_a_day_is_the_same_however_it_is_written(written: str) -> None:
    for other in THIRD_OF_MAY:
        assert not has_changed_date(f"It was due on {written}.", f"Am {other} war es fällig.")
    assert without_same_dates(f"On {written}!", "Am 3. Mai 2024!") == ("On  ; !", "Am  ; !")


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("due on 3 May 2024", "fällig am 5. März 2024"),
        ("due on 3 May 2024", "fällig am 05.03.2024"),
        ("due on 3 May", "fällig am 5. März"),
        ("due on 2024-05-03", "due on March 5"),
        ("from 3 May 2024 to 4 June 2025", "vom 3. Mai 2025 bis zum 4. Juni 2024"),
        ("from 3 May 2024 to 4 June 2024", "vom 4. Mai 2024 bis zum 3. Juni 2024"),
        ("on 12/24/2024", "am 24. November 2024"),
    ],
)
def test_another_day_of_the_same_figures_is_seen(source: str, target: str) -> None:
    assert has_changed_date(source, target)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("May 3-5, 2024", "3.-5. Mai 2024"),
        ("on 3 and 5 May 2024", "on May 3, 2024 and on May 5, 2024"),
        ("on 3 May and on 5 March", "am 5. März und am 3. Mai"),
        ("in March 5 people came", "im März kamen 5 Leute"),
        ("on 3 May 2024", "3 maja 2024"),
        ("version 1.2.3 of 3 May 2024", "Version 1.2.3 vom 03.05.24"),
    ],
)
def test_what_is_written_in_a_way_that_nobody_reads_or_in_another_order_is_no_other_day(
    source: str, target: str
) -> None:
    assert not has_changed_date(source, target)


@pytest.mark.parametrize(
    "text",
    ["version 1.2.3", "192.168.1.10", "1,234.56", "May 2024", "May 5.3 percent", "030/12/34", "§ 3.5."],
)
def test_other_numbers_are_no_dates(text: str) -> None:
    assert find_dates(text) == []


@given(st.text(alphabet="0123456789./-May ,年月日"))
def test_no_text_has_other_dates_than_itself(text: str) -> None:
    assert not has_changed_date(text, text)


def test_long_texts_are_read_in_no_time() -> None:
    begun = process_time()
    for piece in ("1.", "may ", "1 ", "12/", "may 1"):
        find_dates(piece * 30_000)
    assert process_time() - begun < 2
