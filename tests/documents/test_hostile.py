"""Hostile and mislabelled files: each is refused in words, in under a second."""

import random
import struct
import zlib
from collections.abc import Callable
from time import process_time

import pytest

from app.documents import preflight
from app.documents.errors import (
    DocumentError,
    EmptyFile,
    EncryptedFile,
    MislabelledFile,
    TooComplex,
    UnreadableFile,
    UnsupportedFormat,
)
from app.documents.names import display_name
from app.documents.readers import pdf_streams
from app.documents.reading import read
from tests.documents.files import (
    encrypted_office_file,
    encrypted_pdf,
    many_entries,
    paragraph,
    pdf_file,
    word_file,
    zip_file,
)
from tests.documents.hostile import CORPUS, Hostile

_DTD = '<?xml version="1.0"{encoding}?>{before}<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'


def _word(main: bytes) -> bytes:
    return word_file("", parts={"x": ("word/document.xml", main)})


def _dtd(encoding: str, before: str = "") -> bytes:
    declared = f' encoding="{encoding.upper()}"' if encoding != "utf-8" else ""
    return _word(_DTD.format(encoding=declared, before=before).encode(encoding))


def _lying_end_record() -> bytes:
    content = bytearray(many_entries(100_000))
    struct.pack_into("<2H", content, len(content) - 14, 3, 3)
    return bytes(content)


def _encrypted_entry() -> bytes:
    content = bytearray(zip_file({"a": b"a"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


_FILES: dict[str, tuple[str, Callable[[], bytes], type[DocumentError], str]] = {
    "nothing": ("a.txt", lambda: b"", EmptyFile, "empty"),
    "bomb": ("a.docx", lambda: zip_file({"a.xml": bytes(100 * 2**20)}), TooComplex, "unpacks"),
    "bomb in the main part": (
        "a.docx",
        lambda: _word(b"<w/>" + b" " * 50 * 2**20),
        TooComplex,
        "unpacks",
    ),
    "tiny entries": ("a.docx", lambda: many_entries(100_000), TooComplex, "5,000 parts"),
    "more tiny entries": ("a.docx", lambda: many_entries(300_000), TooComplex, "5,000 parts"),
    "false count": ("a.docx", _lying_end_record, TooComplex, "5,000 parts"),
    "DTD": ("a.docx", lambda: _dtd("utf-8"), UnreadableFile, "document type"),
    "DTD in UTF-16": ("a.docx", lambda: _dtd("utf-16"), UnreadableFile, "document type"),
    "DTD in UTF-32": ("a.docx", lambda: _dtd("utf-32"), UnreadableFile, "."),
    "DTD far down": (
        "a.docx",
        lambda: _dtd("utf-8", "".join(f"<!-- {number} -->" for number in range(9_000))),
        UnreadableFile,
        "document type",
    ),
    "deep nesting": (
        "a.docx",
        lambda: word_file("<w:sdt><w:sdtContent>" * 10_000 + "</w:sdtContent></w:sdt>" * 10_000),
        TooComplex,
        "nested",
    ),
    "cut off": ("a.docx", lambda: word_file(paragraph("a"))[:-30], UnreadableFile, "cut off"),
    "encrypted Office": ("a.docx", encrypted_office_file, EncryptedFile, "password"),
    "encrypted PDF": (
        "a.pdf",
        lambda: encrypted_pdf(pdf_file([("Normal", "a")])),
        EncryptedFile,
        "password",
    ),
    "encrypted entry": ("a.docx", _encrypted_entry, EncryptedFile, "password"),
    "Word 97": ("a.doc", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), UnsupportedFormat, "97"),
    "docx as txt": ("a.txt", lambda: word_file(paragraph("a")), MislabelledFile, "end in .docx"),
    "pdf as docx": ("a.docx", lambda: pdf_file([("Normal", "a")]), MislabelledFile, "end in .pdf"),
    "text as docx": ("A.DOCX", lambda: b"just text", MislabelledFile, "end in .txt"),
    "binary as docx": ("a.docx", lambda: bytes(range(256)), UnreadableFile, "damaged"),
    "binary as txt": ("a.txt", lambda: bytes(range(256)), UnreadableFile, "UTF-8"),
    "image": ("a.md", lambda: b"\x89PNG\r\n\x1a\n" + bytes(50), UnsupportedFormat, "an image"),
    "archive": ("a.zip", lambda: zip_file({"a.txt": b"a"}), UnsupportedFormat, "archive"),
    "macros": (
        "a.docm",
        lambda: word_file("", content_type="application/vnd.ms-word.document.macroEnabled.main+xml"),
        UnsupportedFormat,
        "macros",
    ),
    "workbook of another kind": (
        "a.xlsx",
        lambda: word_file(
            "",
            content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
        ),
        UnreadableFile,
        ".",
    ),
    "unknown ending": ("a.tex", lambda: b"text", UnsupportedFormat, r"\.tex"),
}


@pytest.mark.parametrize("case", _FILES)
def test_a_harmful_or_wrong_file_is_refused_at_once_and_in_words(case: str) -> None:
    name, make, error, words = _FILES[case]
    content = make()
    started = process_time()
    with pytest.raises(error, match=words):
        read(name, content)
    assert process_time() - started < 1.0


def test_a_file_without_an_ending_is_read_as_what_it_is_and_noted() -> None:
    assert read("Report", word_file(paragraph("a"))).notes == {"format_assumed": 1}
    assert read("README", b"text").media_type == "text/plain"
    assert read("x.y/notes.TXT", b"text").notes == {}
    assert read("a.txt", b"A PDF begins with %PDF-1.7.").media_type == "text/plain"


def test_a_part_is_never_read_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    container = preflight.open_zip(zip_file({"a": b"x" * 100}))
    monkeypatch.setattr(preflight, "MAX_PART_BYTES", 99)
    with pytest.raises(TooComplex):
        preflight.read_part(container, "a")


@pytest.mark.parametrize("is_zip64", [False, True])
def test_too_many_parts_are_seen_in_the_last_bytes(is_zip64: bool) -> None:  # noqa: FBT001 - a case
    content = many_entries(preflight.MAX_ENTRIES + 1, is_zip64=is_zip64)
    for tail in (content, content[-98:]):
        with pytest.raises(TooComplex, match="5,000 parts"):
            preflight.check_end(tail)
    preflight.check_end(content[-21:])
    preflight.check_end(many_entries(preflight.MAX_ENTRIES, is_zip64=is_zip64)[-98:])


def test_a_container_with_a_record_of_zip64_is_opened() -> None:
    assert len(preflight.open_zip(many_entries(3, is_zip64=True)).infolist()) == 3


def test_too_many_parts_are_seen_in_the_first_bytes() -> None:
    content = many_entries(preflight.MAX_ENTRIES + 1)
    with pytest.raises(TooComplex, match="5,000 parts"):
        preflight.check_beginning(content[: 37 * (preflight.MAX_ENTRIES + 1)])
    preflight.check_beginning(many_entries(preflight.MAX_ENTRIES))


def test_what_lies_within_a_part_or_has_no_length_is_not_counted() -> None:
    many = many_entries(preflight.MAX_ENTRIES + 1)
    preflight.check_beginning(zip_file({"inner.zip": many}, packed=False))
    preflight.check_beginning(many_entries(preflight.MAX_ENTRIES + 1, flags=0x8))
    preflight.check_beginning(b"")
    preflight.check_beginning(b"text " * 10_000)


def test_two_parts_of_one_name_are_refused() -> None:
    content = zip_file({"aaaa": b"1", "bbbb": b"2"}).replace(b"bbbb", b"aaaa")
    with pytest.raises(UnreadableFile, match="same name"):
        preflight.open_zip(content)


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.kind)
def test_the_corpus_costs_a_reader_less_than_a_second(file: Hostile) -> None:
    if file.code == "malformed":
        pytest.skip("the door refuses the name")
    content = file.make()
    started = process_time()
    if file.code:
        with pytest.raises(DocumentError) as refused:
            read(display_name(file.name), content)
        assert (refused.value.status, refused.value.code) == (file.status, file.code)
    else:
        assert read(display_name(file.name), content).segments
    assert process_time() - started < 1.0


def test_nothing_of_a_file_that_an_entity_names_comes_into_a_text() -> None:
    included = next(file for file in CORPUS if file.kind == "XInclude")
    assert [segment.text for segment in read("a.docx", included.make()).segments] == ["a"]


def test_formula_cells_stay_the_text_that_they_are() -> None:
    formulas = next(file for file in CORPUS if file.kind == "formula cells")
    assert read("a.docx", formulas.make()).segments[0].text.startswith("=cmd|' /C calc'!A0 | +1+1 | -2+3")


def test_a_large_picture_in_a_pdf_is_no_bomb() -> None:
    noise = random.Random(1)
    picture = b"".join(noise.randbytes(2**10) + bytes(2**14) for _ in range(5_000))
    assert len(picture) > pdf_streams.MAX_STREAM_BYTES
    pdf_streams.refuse_bombs(b"stream\n" + zlib.compress(picture, 1) + b"\nendstream")
    blank = zlib.compress(bytes(60 * 2**20), 9)
    pdf_streams.refuse_bombs(b"stream\n" + blank + b"\nendstream")
    with pytest.raises(TooComplex, match="unpacks"):
        pdf_streams.refuse_bombs(b"stream\n" + zlib.compress(bytes(70 * 2**20), 9) + b"\nendstream")


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_bomb_is_found_however_often_it_is_packed(times: int) -> None:
    content = bytes(80 * 2**20)
    for _ in range(times):
        content = zlib.compress(content, 9)
    with pytest.raises(TooComplex, match="unpacks"):
        pdf_streams.refuse_bombs(b"stream\r\n" + content + b"\nendstream")


def test_damaged_streams_are_left_to_the_reader() -> None:
    packed = zlib.compress(bytes(200 * 2**20), 9)
    damaged = packed[:1000] + b"damage" + packed[1006:]
    pdf_streams.refuse_bombs(b"stream\n" + damaged + b"\nendstream stream\n\x78 stream\n")
