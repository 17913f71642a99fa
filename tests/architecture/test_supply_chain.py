"""What is installed is what was looked at: pinned, hashed, and under licences that bind nobody else."""

import ast
import re
import tomllib
from importlib import metadata
from pathlib import Path

import dev

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>\S+?)(?: ; [^\\]+)? \\$", re.MULTILINE)
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$", re.MULTILINE)
# The lesser licence leaves those who only use a library alone.
_COPYLEFT = re.compile(
    r"(?<!L)(?<!Lesser )(?:AGPL|GPL|GNU (?:Affero )?General Public License)", re.IGNORECASE
)


def entries() -> list[tuple[str, str]]:
    """The lock's packages, each with its text up to the next one; of some there are two, for two platforms."""
    text = LOCK.read_text()
    starts = list(_PIN.finditer(text))
    ends = [*(one.start() for one in starts[1:]), len(text)]
    return [(one["name"], text[one.start() : end]) for one, end in zip(starts, ends, strict=True)]


def locked() -> set[str]:
    """Names of the lock's packages."""
    return {name for name, _ in entries()}


def canonical(requirement: str) -> str:
    """The package that a requirement names, as the lock writes it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]).lower()


def test_every_package_is_pinned_with_hashes() -> None:
    found = entries()
    lines = [line for line in LOCK.read_text().splitlines() if line and line[0] not in "# "]

    assert len(lines) == len(found) > 100
    assert [name for name, text in found if not _HASH.search(text)] == []


def test_every_package_that_is_asked_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project.get("optional-dependencies", {}).values()]

    assert {canonical(one) for group in groups for one in group} - {"switchboard"} - locked() == set()


def test_set_up_installs_nothing_without_its_hash() -> None:
    lists = [one for one in ast.walk(ast.parse(Path(dev.__file__).read_text())) if isinstance(one, ast.List)]
    words = [{part.value for part in one.elts if isinstance(part, ast.Constant)} for one in lists]
    installing = [one for one in words if {"install", "sync"} & one]

    # Beside what the lock holds, only the project itself, which may bring nothing along.
    ours = {"-e", ".", "--no-build-isolation"}
    assert len(installing) >= 4
    assert [one for one in installing if "--require-hashes" not in one and not ours <= one] == []


def licence(distribution: metadata.Distribution) -> str:
    """What a package says of its licence: the expression, the classifiers, or the first words of the text."""

    def told(field: str) -> list[str]:
        return distribution.metadata.get_all(field) or []

    classifiers = [one for one in told("Classifier") if one.startswith("License ::")]
    found = told("License-Expression") or classifiers or [one[:100] for one in told("License")]
    return "; ".join(found)


def test_no_package_has_a_licence_that_we_cannot_take() -> None:
    installed = {canonical(one.metadata["Name"]): one for one in metadata.distributions()}
    ours = installed.keys() & locked()

    assert len(ours) > 100
    assert {
        name: licence(installed[name]) for name in ours if _COPYLEFT.search(licence(installed[name]))
    } == {}
