"""What comes with the product: task types and their prompts."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.copilot.catalog import task_types
from app.copilot.prompt_files import load_prompt_files

NAMES = {
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


def test_looking_at_the_catalogue_loads_no_vendor_client() -> None:
    program = (
        "import sys; from app.copilot.catalog import task_types; task_types(); "
        "sys.exit(any(name.split('.')[0] in {'openai', 'langchain_openai', 'celery'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_prompt_sets_have_every_prompt_and_a_stable_hash() -> None:
    files = load_prompt_files()
    assert {file.name for file in files} == {"default", "small"}
    for file in files:
        assert file.task_type in task_types()
        assert set(file.prompts) >= NAMES
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
