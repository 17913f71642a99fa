"""What comes with the product: task types and their prompts."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.copilot.catalog import task_types
from app.copilot.parameter_words import CHOICES, described_parameters, parameter_words
from app.copilot.prompt_files import load_prompt_files
from app.copilot.types import InlineKind, Inputs

CELLS = Inputs(text=False, documents=False, cells=True)
OF_SUMMARIZE = {
    "system",
    "rules",
    "final",
    "final_bullets",
    "final_page",
    "map",
    "merge",
    "audience",
    "focus",
    "user",
}


def test_summarize_is_there_with_a_title_in_two_languages() -> None:
    summarize = task_types()["summarize"]
    assert set(summarize.title) == set(summarize.description) == {"en", "de"}
    assert summarize.parameters.model_json_schema()["additionalProperties"] is False


@pytest.mark.parametrize("name", sorted(task_types()))
def test_every_task_type_describes_itself(name: str) -> None:
    kind = task_types()[name]
    assert {"en", "de"} <= set(kind.title) == set(kind.description)
    assert kind.parameters.model_json_schema()["additionalProperties"] is False
    assert set(kind.result["required"]) <= set(kind.result["properties"])
    if kind.inputs.documents:
        assert kind.inputs.schema()["documents"] == {"min": kind.inputs.least, "max": kind.inputs.most}


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("name", sorted(task_types()))
def test_every_parameter_and_choice_has_a_name_in_each_language(name: str, language: str) -> None:
    schema = described_parameters(task_types()[name], language)
    assert schema["title"] == task_types()[name].title[language]
    for owner in (schema, *schema.get("$defs", {}).values()):
        for parameter in owner.get("properties", {}).values():
            assert parameter["title"]
            assert parameter["description"].endswith(".")
            for one in (parameter, *parameter.get("anyOf", ())):
                assert list(one.get(CHOICES, ())) == one.get("enum", [])


def test_no_words_are_left_of_a_parameter_that_is_gone() -> None:
    there = set()
    for kind in task_types().values():
        schema = kind.parameters.model_json_schema()
        for owner, of in ((kind.name, schema), *schema.get("$defs", {}).items()):
            for name in of.get("properties", ()):
                own = f"{owner}.{name}"
                there.add(own if own in parameter_words() else name)
    assert there == set(parameter_words())
    assert all(set(one) == {"en", "de"} for one in parameter_words().values())


@pytest.mark.parametrize(
    ("inputs", "documents", "inline", "wrong"),
    [
        (Inputs(), 1, "text", None),
        (Inputs(), 1, "segments", None),
        (Inputs(), 1, "cells", "takes documents or a text, not a range of cells"),
        (CELLS, 1, "cells", None),
        (CELLS, 1, None, "takes a range of cells, not documents"),
        (CELLS, 0, None, "takes a range of cells, nothing came"),
        (Inputs(), 0, None, "takes exactly 1 document, 0 came"),
        (Inputs(least=2, most=2, text=False), 1, None, "takes exactly 2 documents, 1 came"),
        (Inputs(least=2, most=2, text=False), 1, "text", "takes documents, not a text"),
        (Inputs(least=0, most=3), 0, None, None),
        (Inputs(most=3), 4, None, "takes 1 to 3 documents, 4 came"),
    ],
)
def test_another_number_of_documents_is_wrong(
    inputs: Inputs, documents: int, inline: InlineKind | None, wrong: str | None
) -> None:
    assert inputs.wrong(documents, inline) == wrong


def test_looking_at_the_catalogue_loads_no_vendor_client() -> None:
    program = (
        "import sys; from app.copilot.catalog import task_types; task_types(); "
        "sys.exit(any(name.split('.')[0] in {'openai', 'langchain_openai', 'celery'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_prompt_sets_have_every_prompt_and_a_stable_hash() -> None:
    files = load_prompt_files()
    assert {file.task_type for file in files} == {file.task_type for file in files if file.name == "default"}
    assert {file.task_type for file in files} == set(task_types())
    for file in files:
        assert set(file.prompts) >= (OF_SUMMARIZE if file.task_type == "summarize" else {"system", "user"})
        assert len(file.sha256) == 64
    assert files == load_prompt_files()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "exactly the fields"),
        ("task_type: a\nname: b\nrevision: 1", "exactly the fields"),
        ("task_type: a\nname: b\nrevision: x\nprompts: {a: b}", "revision"),
        ("task_type: a\nname: b\nrevision: 1\nprompts: {a: 1}", "prompts"),
    ],
)
def test_a_wrong_prompt_file_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "broken.yaml").write_text(content)
    with pytest.raises(ValueError, match=f"broken.yaml.*{words}"):
        load_prompt_files(tmp_path)
