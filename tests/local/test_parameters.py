from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from app.copilot.catalog import task_types
from app.local.client import ClientError
from app.local.parameters import parse_parameters


class _Term(BaseModel):
    source: str
    target: str


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    length: str = "paragraph"
    count: int = Field(1, ge=1)
    quiet: bool = False
    names: list[Annotated[str, Field(min_length=1)]] = []
    sizes: list[int] | None = None
    flags: list[bool] = []
    terms: list[_Term] = []


def test_parameters_get_the_types_of_the_schema() -> None:
    given = parse_parameters(["count=3", "quiet=true", "length=a=b"], _Parameters)
    assert given == {"count": 3, "quiet": True, "length": "a=b"}


def test_parameters_that_are_not_given_are_not_sent() -> None:
    assert parse_parameters([], _Parameters) == {}


@pytest.mark.parametrize(
    ("pairs", "value"),
    [
        (["names=a,b"], ["a", "b"]),
        (["names=a, b c ,"], ["a", "b c"]),
        (['names=["a","b, c"]'], ["a", "b, c"]),
        (["names=a", "names=b"], ["a", "b"]),
        (["names=a,b", 'names=["c"]'], ["a", "b", "c"]),
        (["sizes=1,2"], [1, 2]),
        (["sizes=[1, 2]"], [1, 2]),
        (["flags=true,false"], [True, False]),
        (['terms=[{"source": "a", "target": "b"}]'], [{"source": "a", "target": "b"}]),
        (['terms={"source": "a", "target": "b"}'], [{"source": "a", "target": "b"}]),
    ],
)
def test_a_list_is_json_or_has_commas_or_comes_one_by_one(pairs: list[str], value: Any) -> None:
    assert parse_parameters(pairs, _Parameters) == {pairs[0].partition("=")[0]: value}


def test_labels_of_a_classification_are_a_list() -> None:
    assert parse_parameters(["labels=late,paid"], task_types()["classify"].parameters) == {
        "labels": ["late", "paid"]
    }


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["count"], "takes key=value"),
        (["=3"], "takes key=value"),
        (["count=0"], "--param count: .*greater than or equal to 1; parameters are: length, count, quiet"),
        (["colour=red"], "--param colour: there is no such parameter; parameters are: length, count, quiet"),
        (["count=1", "count=2"], "--param count: it is given twice; parameters are: length, count"),
        (['names=["a"'], "--param names: this is no JSON: "),
        (["terms=a"], "--param terms: this is no JSON: "),
        (["sizes=a"], "--param sizes: .*valid integer"),
    ],
)
def test_a_wrong_parameter_is_told_before_anything_starts(pairs: list[str], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        parse_parameters(pairs, _Parameters)
