"""Real files: the same texts give the same file; other texts are all there, and nothing else has changed."""

import os

import pytest

from app.documents.errors import DocumentError
from app.documents.operations import operation_for
from app.documents.segments import Run
from app.documents.tags import from_tags, with_tags
from app.documents.writing import apply, writable
from tests.documents.corpora import DISTRIBUTIONS, fetch, files
from tests.documents.formatted import COUNTED, elements, pseudo_translated

_ALL = (*COUNTED, "fld", "hlinkClick", "oMath", "pict", "object", "f")


@pytest.mark.corpus
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    os.environ.get("SWITCHBOARD_TEST_MARKED") != "1", reason="fetches 25 MB: set SWITCHBOARD_TEST_MARKED=1"
)
@pytest.mark.parametrize("name", ["python-docx", "python-pptx"])
def test_each_office_file_of_another_librarys_tests_is_written(name: str) -> None:
    archive = fetch(next(each for each in DISTRIBUTIONS if each.name == name))
    if archive is None:
        pytest.skip("there is no pip here")
    written = 0
    for file, content in files(archive):
        if not file.endswith((".docx", ".pptx", ".xlsx")):
            continue
        try:
            segments = writable(content).segments
        except DocumentError:
            continue
        asked = [(segment, segment.runs or (Run(segment.text),)) for segment in segments]
        same = [operation_for(segment, from_tags(with_tags(runs), runs)) for segment, runs in asked]
        assert apply(content, same).content == content, file
        operations = [pseudo_translated(segment) for segment in segments]
        produced = apply(content, operations)
        assert produced.refused == (), file
        assert elements(produced.content, _ALL) == elements(content, _ALL), file
        found = [" ".join(each.text.split()) for each in writable(produced.content).segments]
        assert found == [" ".join(each.text.split()) for each in operations], file
        written += 1
    assert written > 30
