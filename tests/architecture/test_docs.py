"""The pages in docs/ and the README say what is true."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from app.local import state
from app.pools.seed_schema import parse
from app.settings import Settings
from tests.entra import ADA
from tests.house import House

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {
    "SWITCHBOARD_HOME",  # read by app/local/state.py before there are settings
}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def known_variables() -> set[str]:
    fields = Settings.model_fields
    return {field.alias or f"SWITCHBOARD_{name.upper()}" for name, field in fields.items()} | ELSEWHERE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_named_exists(page: Path) -> None:
    named = set(re.findall(r"\b(?:SWITCHBOARD|DATABASE|REDIS)_[A-Z_]*[A-Z]\b", page.read_text()))
    # Whether marked tests run is no setting of the product.
    assert named - known_variables() - {"SWITCHBOARD_TEST_MARKED", "SWITCHBOARD_PEERS"} == set()


def test_every_setting_is_documented() -> None:
    assert (
        known_variables() - set(re.findall(r"\b[A-Z_]+\b", (ROOT / "docs" / "operating.md").read_text()))
        == set()
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_command_of_the_product_is_one() -> None:
    from app.cli import app as cli

    commands = {
        command.name or command.callback.__name__ for command in cli.registered_commands if command.callback
    }
    commands |= {group.name or "" for group in cli.registered_groups}
    named = {name for page in PAGES for name in re.findall(r"`switchboard ([a-z]+)", page.read_text())}
    assert named <= commands


def test_every_module_to_run_is_there() -> None:
    for page in PAGES:
        for module in re.findall(r"`python -m ([\w.]+)`", page.read_text()):
            assert (ROOT / (module.replace(".", "/") + ".py")).exists(), module


def test_the_example_of_a_vendor_is_valid() -> None:
    (example,) = blocks(ROOT / "docs" / "models.md", "yaml")
    assert parse(yaml.safe_load(example)).pools[0].name == "summaries"


def test_the_add_ins_page_names_each_of_its_addresses() -> None:
    page = (ROOT / "docs" / "addin-api.md").read_text()
    page = page.replace("{Location}", "/addin/v1/upload_sessions/{id}")
    shown = re.sub(r"\{\w+\}", "{id}", page)
    contract = json.loads((ROOT / "docs" / "openapi.json").read_text())
    paths = [re.sub(r"\{\w+\}", "{id}", path) for path in contract["paths"] if path.startswith("/addin/")]
    missing = [path for path in paths if path not in shown]
    # Said in short, after the address that they begin with.
    assert missing == ["/addin/v1/graph-sessions/{id}", "/addin/v1/graph-sessions/{id}/renew"]
    assert "POST .../{id}/renew" in page


_REQUEST = re.compile(
    r'client\.(?:(get|post|put|delete)|stream)\(\s*(?:"([A-Z]+)", )?(f?"/[^"]+"|begun\.headers)'
)


def test_the_add_ins_examples_send_each_request_that_there_is() -> None:
    contract = json.loads((ROOT / "docs" / "openapi.json").read_text())
    there = {
        (method, re.sub(r"\{\w+\}", "{}", path))
        for path, methods in contract["paths"].items()
        for method in methods
        if path.startswith("/addin/")
    }
    shown = "".join(blocks(ROOT / "docs" / "addin-api.md", "python"))
    shown = shown.replace('begun.headers["Location"]', '"/addin/v1/upload_sessions/{}"')
    sent = {
        ((method or named).lower(), re.sub(r"\{[^}]*\}", "{}", path.strip('f"')))
        for method, named, path in _REQUEST.findall(shown)
    }
    assert there - sent == set()


@pytest.mark.processes
async def test_the_add_in_examples_run(house: House, tmp_path: Path) -> None:
    import asyncio

    # On a thread: the first start of its kind takes seconds, in which the API would answer nobody.
    await asyncio.to_thread(house.system.start_all)
    examples = blocks(ROOT / "docs" / "addin-api.md", "python")
    item = house.entra.app.graph.items(ADA)[0]
    memo = Path(state.__file__).parent / "samples" / "memo.docx"
    (tmp_path / "memo.docx").write_bytes(memo.read_bytes())
    given = (
        f'API, TOKEN, FILE = "{house.api}", "{house.entra.token()}", "memo.docx"\nFILES = [FILE]\n'
        f'DRIVE, ITEM = "{item.drive_id}", "{item.id}"\n'
    )
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", given + "".join(examples)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr + house.system.autopsy()
    assert "result" in ran.stdout.split("\n")
    assert '"ratio": 1.0' in ran.stdout
    assert re.search(r"^[0-9a-f-]{36} \d+$", ran.stdout, re.MULTILINE)
    assert re.search(r"^at most \d+ micros for 1 documents$", ran.stdout, re.MULTILINE)
    assert re.search(r"^memo.docx \w+", ran.stdout, re.MULTILINE)
    assert re.search(r"^next at 20\d\d-\d\d-\d\dT0[01]:00:00Z$", ran.stdout, re.MULTILINE)
    assert "waits because of graph_session_not_found\nthen it succeeded\n" in ran.stdout
