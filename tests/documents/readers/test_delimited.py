import pytest

from app.documents.errors import NoText
from app.documents.readers import delimited
from app.documents.segments import TextAnchor


def _source(content: bytes, anchor: object) -> str:
    assert isinstance(anchor, TextAnchor)
    raw = content.decode().encode("utf-16-le")
    return raw[2 * anchor.offset : 2 * (anchor.offset + anchor.length)].decode("utf-16-le")


def test_records_are_rows_and_an_anchor_is_their_place_in_the_text() -> None:
    content = 'Name;Umsatz;Ort\r\nÄ😀;1,50;"Köln\r\nWest"\r\nB;2;Bonn'.encode()
    found = delimited.read(content).segments
    assert [segment.text for segment in found] == [
        "Name | Umsatz | Ort",
        "Ä😀 | 1,50 | Köln West",
        "B | 2 | Bonn",
    ]
    assert [_source(content, segment.anchor) for segment in found] == [
        "Name;Umsatz;Ort",
        'Ä😀;1,50;"Köln\r\nWest"',
        "B;2;Bonn",
    ]
    assert [segment.anchor.line for segment in found if isinstance(segment.anchor, TextAnchor)] == [1, 2, 4]
    assert found[2].table_header == "Name | Umsatz | Ort"


@pytest.mark.parametrize("delimiter", list(",;\t|"))
def test_the_delimiter_is_found_out(delimiter: str) -> None:
    lines = [["a", "b", "c"], ["1", '"x, y; z | t"', "3"], ["4", "5", "6"]]
    content = "\n".join(delimiter.join(line) for line in lines).encode()
    assert [segment.text for segment in delimited.read(content).segments] == [
        "a | b | c",
        "1 | x, y; z | t | 3",
        "4 | 5 | 6",
    ]


def test_a_first_line_that_names_the_delimiter_is_no_data() -> None:
    assert [segment.text for segment in delimited.read(b"sep=|\na,x|b\n1|2\n").segments] == [
        "a,x | b",
        "1 | 2",
    ]


def test_of_a_large_file_the_head_and_figures_are_read() -> None:
    rows = "".join(f"{number};{number},5;n{number % 2}\n" for number in range(2_000))
    extracted = delimited.read(f"Id;Price;Kind\n{rows}".encode())
    assert [segment.text for segment in extracted.segments[:4]] == [
        "records 1-2001, columns A-C: 2000 rows, 3 columns",
        "Id: 2000 numbers, minimum 0, maximum 1999, mean 999.5, sum 1999000",
        "Price: 2000 numbers, minimum 0.5, maximum 1999.5, mean 1000, sum 2000000",
        "Kind: 2000 texts, 2 different, most often n0 (1000), n1 (1000)",
    ]
    assert extracted.notes == {"rows_only_in_statistics": 1_980}


def test_lines_of_prose_are_paragraphs_and_blank_ones_are_no_text() -> None:
    assert [segment.kind.value for segment in delimited.read(b"just text\nmore text").segments] == [
        "paragraph"
    ] * 2
    with pytest.raises(NoText):
        delimited.read(b"\n;;\n\n")
