"""The table of threats in docs/security.md names tests that are there, and every threat has one."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
AREAS = {
    "Tokens",
    "Signing in at the portal",
    "Bringing a directory in",
    "Microsoft Graph on behalf of people",
    "Sealing",
    "Isolation of tenants",
    "Isolation inside a tenant",
    "Audit",
    "Addresses that tenants configure",
    "Uploads",
    "Requests, and answers of models",
    "Limits at the doors",
    "Secrets and logs",
    "Supply chain",
}
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def threats(page: str) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Area, threat and the tests that are named for it, row by row."""
    part = page.partition("<!-- threats -->")[2].partition("<!-- end of threats -->")[0]
    area = ""
    for line in part.splitlines():
        if line.startswith("### "):
            area = line.removeprefix("### ")
        elif line.startswith("| ") and not line.startswith("| threat |"):
            threat, _, named = (cell.strip() for cell in line.strip("|").split(" | "))
            assert re.sub(r"[\s,|]", "", _TEST.sub("", named)) == "", (
                f"more than tests are named for: {threat}"
            )
            yield area, threat, _TEST.findall(named)


@cache
def names_in(file: str) -> frozenset[str]:
    """Names of a file's tests, without running it."""
    path = ROOT / file
    if not path.exists():
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(one.name for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, functions))


def test_every_test_that_is_named_for_a_threat_is_there() -> None:
    named = {one for _, _, tests in threats(PAGE.read_text()) for one in tests}

    assert sorted(f"{file}::{name}" for file, name in named if name not in names_in(file)) == []
    assert len(named) > 100


def test_every_threat_has_a_test_and_every_area_has_threats() -> None:
    rows = list(threats(PAGE.read_text()))

    assert [threat for _, threat, tests in rows if not tests] == []
    assert {area for area, _, _ in rows} == AREAS
    assert len({threat for _, threat, _ in rows}) == len(rows)
