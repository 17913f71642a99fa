"""The page about task types is what the registry says, and its examples are what really comes."""

import re
from pathlib import Path

import app.copilot
from app.copilot.catalog import task_types
from tests.copilot.task_page import EXAMPLES, PAGE, page


async def test_the_page_is_that_of_the_task_types_there_are() -> None:
    assert EXAMPLES.keys() == task_types().keys()
    assert PAGE.read_text() == await page(), "run python -m tests.copilot.task_page"


def test_each_parameter_and_each_field_of_a_result_is_on_it() -> None:
    text = PAGE.read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    for name, task_type in task_types().items():
        wanted = [*task_type.parameters.model_fields, *task_type.result["properties"]]
        assert [one for one in wanted if f"`{one}`" not in sections[name]] == [], name


def test_each_check_that_refuses_answers_is_on_it_by_its_code() -> None:
    sources = "\n".join(file.read_text() for file in Path(app.copilot.__path__[0]).glob("*.py"))
    codes = set(re.findall(r"InvalidOutput\(\s*f?\"(\w+):", sources))
    assert len(codes) > 20
    assert [code for code in sorted(codes) if f"`{code}`" not in PAGE.read_text()] == []
