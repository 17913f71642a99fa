"""Real files. The law: each is read, or refused by an error of ours; none crashes, hangs or outgrows the limits;
what a second, independent reader finds is contained.
"""

import asyncio
import email
import io
import os
import sysconfig
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import docx as python_docx
import openpyxl
import pptx as python_pptx
import pypdf
import pytest

from app.documents.errors import DocumentError
from app.documents.extraction import Extractor
from app.documents.normalize import normalize
from app.documents.reading import read
from app.documents.segments import Extracted
from app.settings import Settings
from app.vocabulary import Environment
from tests.documents.corpora import DISTRIBUTIONS, Distribution, fetch, files

_MAILS = Path(sysconfig.get_path("stdlib")) / "test/test_email/data"
_NUMBER_FIELD = "txt-text.pptx"
"""Holds the number of its slide in a field, which is left out."""


@pytest.mark.skipif(not _MAILS.is_dir(), reason="this interpreter comes without its tests")
def test_each_mail_of_the_interpreters_own_tests_is_read_and_its_text_is_contained() -> None:
    samples = sorted(_MAILS.glob("msg_*.txt"))
    assert len(samples) > 40
    for sample in samples:
        content = sample.read_bytes()
        try:
            whole = _whole(read(f"{sample.stem}.eml", content))
        except DocumentError:
            continue
        shown = email.message_from_bytes(content)
        # Where there is HTML it is read instead, and what describes a file elsewhere is no text.
        if not {"html", "external-body"}.isdisjoint(part.get_content_subtype() for part in shown.walk()):
            continue
        for part in shown.walk():
            if part.get_content_type() == "text/plain" and part.get_filename() is None:
                plain = part.get_payload(decode=True)
                assert isinstance(plain, bytes)
                first = next(iter(plain.decode("latin-1").split()), "")
                if first.isascii():
                    assert first in whole, sample.name


@pytest.fixture
async def extractor() -> AsyncIterator[Extractor]:
    pool = Extractor(Settings(env=Environment.DEVELOPMENT))
    pool.start()
    yield pool
    await pool.close()


@pytest.mark.corpus
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    os.environ.get("SWITCHBOARD_TEST_MARKED") != "1", reason="fetches 25 MB: set SWITCHBOARD_TEST_MARKED=1"
)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda each: each.name)
async def test_each_file_of_another_readers_tests_is_read_or_refused(
    distribution: Distribution, extractor: Extractor
) -> None:
    archive = await asyncio.to_thread(fetch, distribution)
    if archive is None:
        pytest.skip("this machine has no package client to fetch it with")
    outcomes: Counter[str] = Counter()
    missing: list[str] = []
    for name, content in files(archive):
        try:
            extracted = await extractor.extract(Path(name).name, content)
        except DocumentError as error:
            outcomes[error.code] += 1
            continue
        outcomes["read"] += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            missing += [f"{name}: {each[:80]}" for each in _missing(name, content, _whole(extracted))]
    assert outcomes.total() == distribution.files
    assert outcomes["extraction_timed_out"] == outcomes["too_complex"] == 0
    # No process was lost to a crash.
    assert sum(child.documents for child in extractor._children) == outcomes.total()
    assert [each for each in missing if _NUMBER_FIELD not in each] == []


def _whole(extracted: Extracted) -> str:
    return normalize("\n".join(segment.text for segment in extracted.segments))


def _missing(name: str, content: bytes, whole: str) -> list[str]:
    """Texts that another reader finds and ours does not have."""
    try:
        match Path(name).suffix:
            case ".docx":
                return [text for text in _word(content) if normalize(text) not in whole]
            case ".pptx":
                return [text for text in _slides(content) if normalize(text) not in whole]
            case ".xlsx":
                return [text for text in _cells(content) if normalize(text) not in whole]
            case ".pdf":
                return _words_missing(content, whole)
            case _:
                return []
    except (pypdf.errors.PyPdfError, KeyError):
        # The other reader cannot read what ours can.
        return []


def _word(content: bytes) -> Iterator[str]:
    document = python_docx.Document(io.BytesIO(content))
    for paragraph in document.paragraphs:
        yield paragraph.text
    for table in document.tables:
        for row in table.rows:
            for cell in row.cells:
                yield from (paragraph.text for paragraph in cell.paragraphs)


def _slides(content: bytes) -> Iterator[str]:
    for slide in python_pptx.Presentation(io.BytesIO(content)).slides:
        if slide._element.get("show") == "0":
            continue
        for shape in slide.shapes:
            if shape.has_text_frame:
                yield from (paragraph.text.replace("\v", " ") for paragraph in shape.text_frame.paragraphs)
            if shape.has_table:
                for row in shape.table.rows:
                    yield from (cell.text.replace("\v", " ") for cell in row.cells)


def _cells(content: bytes) -> Iterator[str]:
    for sheet in openpyxl.load_workbook(io.BytesIO(content), data_only=True):
        for row in sheet.iter_rows(values_only=True):
            yield from (value for value in row if isinstance(value, str))


def _words_missing(content: bytes, whole: str) -> list[str]:
    """Words of four letters and more, if more than 3 % of them are missing: spaces are a matter of taste in a PDF."""
    found = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    words = [word for word in normalize(found).split() if len(word) >= 4 and word.isalpha()]
    packed = whole.replace(" ", "")
    lost = [word for word in words if word not in packed]
    return [f"{len(lost)} of {len(words)} words: {' '.join(lost)}"] if len(lost) > 0.03 * len(words) else []
