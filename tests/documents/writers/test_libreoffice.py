"""A program that is not ours opens every file that is produced; runs with SWITCHBOARD_TEST_MARKED=1."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pypdfium2
import pytest

from app.documents.writing import apply, writable
from tests.documents.everything import everything
from tests.documents.formatted import COUNTED, elements, pseudo_translated, rich_word_file
from tests.documents.writers.test_pptx import presentation
from tests.documents.writers.test_xlsx import workbook
from tests.documents.writers.test_xlsx_bound import pivoted

_OFFICE = shutil.which("soffice")
pytestmark = [
    pytest.mark.libreoffice,
    pytest.mark.skipif(
        "SWITCHBOARD_TEST_MARKED" not in os.environ, reason="runs with SWITCHBOARD_TEST_MARKED=1"
    ),
    pytest.mark.skipif(_OFFICE is None, reason="LibreOffice (soffice) is not installed"),
]
_PAGES = 100


def pages(content: bytes, suffix: str, folder: Path) -> list[str]:
    """What LibreOffice shows of a file, page by page."""
    file = folder / f"made.{suffix}"
    file.write_bytes(content)
    subprocess.run(
        [
            *(_OFFICE or "soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless"),
            *("--convert-to", "pdf", "--outdir", str(folder), str(file)),
        ],
        check=True,
        capture_output=True,
        timeout=240,
    )
    with pypdfium2.PdfDocument(file.with_suffix(".pdf")) as document:
        return [page.get_textpage().get_text_range() for page in document]


@pytest.mark.parametrize(
    ("make", "suffix", "shown"),
    [
        (
            lambda: rich_word_file(2),
            "docx",
            ("tHE HARBOUR WAS", "hARBOUR REPORT", "nOTE 2 SAYS", "cONFIDENTIAL"),
        ),
        (lambda: everything(2), "docx", ("QHEADING0000X", "QCELL0001X", "QFOOTNOTE0001X")),
        (presentation, "pptx", ("hARBOUR REPORT", "CELL 3", "iN A GROUP", "sHIPS A YEAR", "eAST")),
        (workbook, "xlsx", ("pLACE", "nORTH", "OR LATER", "42 open", "sHIPS A YEAR")),
        (pivoted, "xlsx", ("Sum of Ships", "North", "bESIDE")),
    ],
    ids=["formatted", "everything", "presentation", "workbook", "pivot"],
)
def test_libreoffice_shows_what_was_written(
    make: Callable[[], bytes], suffix: str, shown: tuple[str, ...], tmp_path: Path
) -> None:
    content = make()
    produced = apply(content, [pseudo_translated(segment) for segment in writable(content).segments])
    assert not produced.refused
    seen = "\n".join(pages(produced.content, suffix, tmp_path))
    assert [text for text in shown if text not in seen] == []


def test_a_report_of_a_hundred_pages_keeps_all_that_is_counted_and_its_length(tmp_path: Path) -> None:
    content = rich_word_file(_PAGES)
    segments = writable(content).segments
    produced = apply(content, [pseudo_translated(segment) for segment in segments])
    before, after = elements(content), elements(produced.content)
    print("\n".join(f"{name:20} {before[name]:6} {after[name]:6}" for name in COUNTED))
    assert before == after
    lengths = []
    for number, each in enumerate((content, produced.content)):
        folder = tmp_path / str(number)
        folder.mkdir()
        lengths.append(len(pages(each, "docx", folder)))
    print("pages", lengths)
    assert lengths[0] >= _PAGES * 0.9
    # Capitals are wider than small letters.
    assert lengths[0] <= lengths[1] <= lengths[0] * 1.5
