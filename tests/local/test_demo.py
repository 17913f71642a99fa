from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from app.documents.reading import read
from app.local.client import ClientError
from app.local.demo import SAMPLES, Task, check, parse_parameters, summary


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    length: str = "paragraph"
    count: int = Field(1, ge=1)
    quiet: bool = False


def test_parameters_get_the_types_of_the_schema() -> None:
    given = parse_parameters(["count=3", "quiet=true", "length=a=b"], _Parameters)
    assert given == {"count": 3, "quiet": True, "length": "a=b"}


def test_parameters_that_are_not_given_are_not_sent() -> None:
    assert parse_parameters([], _Parameters) == {}


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("count", "takes key=value"),
        ("=3", "takes key=value"),
        ("count=0", "--param count: .*greater than or equal to 1; parameters are: length, count, quiet"),
        ("colour=red", "--param colour"),
    ],
)
def test_a_wrong_parameter_is_told_before_anything_starts(pair: str, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        parse_parameters([pair], _Parameters)


def test_an_unknown_task_type_is_told_with_those_there_are() -> None:
    with pytest.raises(ClientError, match=r"no task type 'sing'; there is: .*summarize"):
        check(Task("sing", text="a text"))


def test_a_missing_file_and_no_input_at_all_are_told(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="there is no file"):
        check(Task("summarize", [tmp_path / "missing.docx"]))
    with pytest.raises(ClientError, match="--text"):
        check(Task("summarize"))


def test_the_one_object_has_its_fields_even_when_the_job_has_none() -> None:
    assert summary({"id": "7", "state": "succeeded", "result": None, "decision": None}) == {
        "job_id": "7",
        "state": "succeeded",
        "result": {"text": "", "citations": [], "coverage": {}},
        "decision": {},
        "usage": {},
    }


@pytest.mark.parametrize("name", ["memo.docx", "one-page-memo.docx"])
def test_the_samples_are_documents_with_headings_and_text(name: str) -> None:
    extracted = read(name, (SAMPLES / name).read_bytes())
    assert {"heading", "paragraph", "list_item"} <= {segment.kind for segment in extracted.segments}
    assert not extracted.notes
