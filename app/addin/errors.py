"""The catalogue of error codes: every code of the tree and of jobs that may reach an add-in, in words for people.

Codes, statuses and English titles are the errors' own. What to do, and every German word, stands in errors.yaml.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.core.yaml_text import load_yaml

_FILE = Path(__file__).with_name("errors.yaml")
LANGUAGES = ("en", "de")


@dataclass(frozen=True)
class ErrorEntry:
    """A code; `statuses` of none is a job's error and comes with no answer. Texts are by language."""

    code: str
    statuses: tuple[int, ...]
    title: Mapping[str, str]
    what_to_do: Mapping[str, str]


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, ErrorEntry]:
    """Every code with a text, in the order of the alphabet."""
    titles, statuses = _of_the_tree()
    found = {}
    for code, text in sorted(_texts().items()):
        found[code] = ErrorEntry(
            code=code,
            statuses=tuple(sorted(statuses.get(code, text.get("statuses", ())))),
            title={"en": text["en"].get("title") or titles[code], "de": text["de"]["title"]},
            what_to_do={language: text[language]["do"] for language in LANGUAGES},
        )
    return found


def tree(root: type[AppError] = AppError) -> Iterator[type[AppError]]:
    """An error class and all below it that have been imported."""
    yield root
    for one in root.__subclasses__():
        yield from tree(one)


def _of_the_tree() -> tuple[dict[str, str], dict[str, set[int]]]:
    titles: dict[str, str] = {}
    statuses: dict[str, set[int]] = {}
    for one in tree():
        titles.setdefault(one.code, one.title)
        statuses.setdefault(one.code, set()).add(one.status)
    return titles, statuses


def _texts() -> dict[str, dict[str, Any]]:
    texts: dict[str, dict[str, Any]] = load_yaml(_FILE.read_text(encoding="utf-8"))
    return texts
