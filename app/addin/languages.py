"""The languages that a caller likes, by the header. Source: RFC 9110, 12.5.4."""

import re
from collections.abc import Collection, Sequence
from typing import Annotated

from fastapi import Header

AcceptLanguage = Annotated[str | None, Header(max_length=256)]
_QUALITY = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")
_CODE = re.compile(r"[a-z]{2}")


def best_language(accept_language: str | None, known: Collection[str]) -> str:
    """The language that we write and the caller likes best; English if there is none."""
    return next((code for code in _liked(accept_language) if code in known), "en")


def first_language(accept_language: str | None) -> str | None:
    """The language (ISO 639-1) that the caller likes best; None where the header names none."""
    return next(iter(_liked(accept_language)), None)


def _liked(accept_language: str | None) -> list[str]:
    """Languages, the best liked first: a quality of 0 refuses, without one it is 1; a subtag counts as its language."""
    liked: list[tuple[float, str]] = []
    for part in (accept_language or "").split(","):
        name, *given = (one.strip() for one in part.split(";"))
        code = name.lower().partition("-")[0]
        quality = _quality(given)
        if _CODE.fullmatch(code) and quality > 0:
            liked.append((quality, code))
    # Sorting keeps the order of equals.
    return [code for _, code in sorted(liked, key=lambda one: -one[0])]


def _quality(parameters: Sequence[str]) -> float:
    for one in parameters:
        found = _QUALITY.fullmatch(one)
        if found is not None:
            return float(found[1])
    return 1.0
