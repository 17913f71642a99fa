"""What is checked before an answer is delivered. Each check raises `InvalidOutput`: the next member is tried.

Reasons begin with a code and carry no content: they are stored in the decision record and logged.

| code | meaning |
|---|---|
| unsupported_figure, unsupported_unit | a number, date or amount, in digits or words, that the cited source does not have |
| changed_date | a date of the cited source with day and month swapped |
| unsupported_name | a name that the cited source does not have |
| unrelated | a sentence that shares hardly a word with what it cites, or only repeats the headings above it |
| wrong_language | the answer is in another language than asked |
| preamble, too_long, too_short, markup, link | the answer is not of the asked shape |
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.copilot.citations import Claim
from app.copilot.dates import find_dates, has_swapped_date
from app.copilot.figures import SourceFigures, stated_figures, units
from app.copilot.names import SourceNames
from app.copilot.relation import is_unrelated, only_headings
from app.core.addresses import find_addresses, has_harmful_address, has_markup, stand_in
from app.core.sentences import split_sentences
from app.documents.language import detect
from app.llm.errors import InvalidOutput

_CONFIDENT = 0.7
_MINIMUM_LETTERS = 40
# An abbreviation may look like an end, so two are taken for one.
_MOST_SENTENCES_EACH = 2
# Written languages that a detector takes for one another.
_ALIKE = (
    frozenset({"no", "nb", "nn", "da"}),
    frozenset({"sr", "hr", "bs", "sh", "sl"}),
    frozenset({"id", "ms"}),
    frozenset({"pt", "gl"}),
    frozenset({"zh", "yue", "wuu"}),
    frozenset({"de", "nds", "lb", "als"}),
)
_PREAMBLE = re.compile(
    r"\s*(?:sure\b[,!.]|certainly\b|of course\b|okay\b[,!.]|as an ai\b|i (?:can|will|have|cannot|can't|am sorry)\b"
    r"|here (?:is|are)\b|here['’]s\b|below (?:is|are)\b|the following is\b|(?:in )?summary\s*:"
    r"|hier (?:ist|sind|folgt)\b|gerne?\b[,!.]|natürlich\b[,!.]|zusammenfassung\s*:|als ki\b"
    r"|voici\b|bien sûr\b|résumé\s*:|claro\b[,!.]|aquí (?:está|tiene)\b|resumen\s*:|ecco\b|riassunto\s*:)",
    re.IGNORECASE,
)
_OWN_MARKS = re.compile(r"^\s*(?:#{1,6}\s|```)|<\|")


@dataclass(frozen=True)
class Band:
    """How much an answer may hold."""

    least_sentences: int
    most_sentences: int
    most_characters: int


def check_support(claims: Sequence[Claim], *, language: str, translated: bool) -> None:
    """Every figure and name of a sentence stands in what it cites, and some of its words below the headings.

    Names and words are not compared when the answer is in another language than the document: exonyms
    (München, Munich) have no common form. Raises: InvalidOutput.
    """
    for number, claim in enumerate(claims, start=1):
        source = SourceFigures.of(claim.support)
        figures = stated_figures(claim.text, language)
        if any(not source.supports(figure) for figure in figures):
            raise InvalidOutput(
                f"unsupported_figure: sentence {number} has a number its source does not have"
            )
        if has_swapped_date(find_dates(claim.support), find_dates(claim.text)):
            raise InvalidOutput(f"changed_date: sentence {number} has a date with day and month swapped")
        if units(claim.text) - source.units:
            raise InvalidOutput(f"unsupported_unit: sentence {number} has a unit its source does not have")
        if only_headings(claim):
            raise InvalidOutput(f"unrelated: sentence {number} repeats the headings above its source")
        if translated:
            continue
        if SourceNames(claim.support, language).missing(claim.text):
            raise InvalidOutput(f"unsupported_name: sentence {number} has a name its source does not have")
        if any(is_unrelated(sentence, claim) for sentence in split_sentences(claim.text, language)):
            raise InvalidOutput(f"unrelated: sentence {number} shares hardly a word with its source")


def check_language(text: str, language: str) -> None:
    """A text of 40 letters or more is in the asked language. Raises: InvalidOutput."""
    if language == "und" or sum(character.isalpha() for character in text) < _MINIMUM_LETTERS:
        return
    found = detect(text)
    if found.code in {"und", language} or found.confidence < _CONFIDENT:
        return
    if any(found.code in group and language in group for group in _ALIKE):
        return
    raise InvalidOutput(f"wrong_language: the answer is in {found.code}, asked was {language}")


def check_shape(claims: Sequence[Claim], band: Band) -> None:
    """Length in the band, no preamble, no HTML or image, and no address that the source does not have.

    Whatever a program fetches or opens by itself is never delivered: it could carry text away. Raises:
    InvalidOutput.
    """
    if len(claims) < band.least_sentences:
        raise InvalidOutput(f"too_short: {len(claims)} sentences, at least {band.least_sentences} were asked")
    characters = sum(len(claim.text) for claim in claims)
    if len(claims) > band.most_sentences or characters > band.most_characters:
        raise InvalidOutput(f"too_long: {len(claims)} sentences, {characters} characters")
    for number, claim in enumerate(claims, start=1):
        _check_sentence(claim, number)


def check_single_sentences(claims: Sequence[Claim], language: str) -> None:
    """Each claim is one sentence, so that its citations are its own. Raises: InvalidOutput."""
    for number, claim in enumerate(claims, start=1):
        if len(split_sentences(claim.text, language)) > _MOST_SENTENCES_EACH:
            raise InvalidOutput(f"too_long: sentence {number} is several")


def _check_sentence(claim: Claim, number: int) -> None:
    if not any(character.isalnum() for character in claim.text):
        raise InvalidOutput(f"too_short: sentence {number} says nothing")
    check_plain(claim.text, claim.support, f"sentence {number}")
    if has_markup(claim.text):
        raise InvalidOutput(f"markup: sentence {number} has markup or an image")
    if has_harmful_address(claim.text):
        raise InvalidOutput(f"link: sentence {number} has an address that is never delivered")


def check_plain(text: str, source: str, where: str) -> None:
    """No markup, address or opening about the answer that the source does not have. Raises: InvalidOutput."""
    support = source.casefold()
    marks = _OWN_MARKS.finditer(text)
    markup = has_markup(text) and not has_markup(source)
    if markup or any(match.group().casefold() not in support for match in marks):
        raise InvalidOutput(f"markup: {where} has markup or an image")
    harmful = has_harmful_address(text) and not has_harmful_address(source)
    if harmful or not stand_in(find_addresses(text), source):
        raise InvalidOutput(f"link: {where} has an address its source does not have")
    opening = _PREAMBLE.match(text)
    if opening is not None and text.casefold()[:40] not in " ".join(support.split()):
        raise InvalidOutput(f"preamble: {where} speaks about the answer")
