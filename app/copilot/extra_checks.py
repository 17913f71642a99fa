"""Checks of what a sentence says beside its text. Each raises `InvalidOutput` with a reason that carries no content."""

import re
from collections.abc import Sequence

from app.copilot.citations import Claim
from app.copilot.figures import SourceFigures, stated_figures
from app.copilot.names import SourceNames
from app.core.addresses import find_addresses, has_harmful_address, has_markup, stand_in
from app.documents.normalize import normalize
from app.llm.errors import InvalidOutput

_WORD = re.compile(r"[^\W\d_]+")


def check_owner_and_due(claim: Claim, number: int, language: str) -> None:
    """Owner and due are said by the cited source: in its words, or for a day as the same figures."""
    owner, due = claim.extra.get("owner", ""), claim.extra.get("due", "")
    if claim.extra.get("kind") == "decision" and (owner or due):
        raise InvalidOutput(f"wrong_shape: sentence {number} is a decision and has an owner or a day")
    if owner and not _words(owner) <= _words(claim.support):
        raise InvalidOutput(f"unsupported_name: sentence {number} has an owner its source does not have")
    if due and not _is_said(due, claim.support, language):
        raise InvalidOutput(f"unsupported_due: sentence {number} has a time its source does not have")


def check_title(title: str, claims: Sequence[Claim], number: int, language: str, *, translated: bool) -> None:
    """A title takes its figures and names from what the sentences under it cite, and is plain text."""
    support = "\n".join(claim.support for claim in claims)
    if has_markup(title) or has_harmful_address(title) or not stand_in(find_addresses(title), support):
        raise InvalidOutput(f"markup: the title of slide {number} is no plain text")
    source = SourceFigures.of(support)
    if any(not source.supports(figure) for figure in stated_figures(title, language)):
        raise InvalidOutput(f"unsupported_figure: the title of slide {number} has a number of its own")
    if not translated and SourceNames(support, language).missing(title):
        raise InvalidOutput(f"unsupported_name: the title of slide {number} has a name of its own")


def _is_said(due: str, support: str, language: str) -> bool:
    if normalize(due).casefold() in normalize(support).casefold():
        return True
    figures = stated_figures(due, language)
    source = SourceFigures.of(support)
    if not figures or any(not source.supports(figure) for figure in figures):
        return False
    return not SourceNames(support, language).missing(f"on {due}")


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(normalize(text))}
