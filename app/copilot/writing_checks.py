"""What is checked where a text is written anew: nothing of the source is lost, nothing is put in.

Each check raises `InvalidOutput` with a reason that carries no content.

| code | meaning |
|---|---|
| missing_figure, missing_name, missing_address | the source has it and the answer does not |
| unsupported_figure | the answer has it and the source does not |
| changed_date | a date has become another, as by swapping day and month |
| missing_term | a term of the glossary is not used |
| too_short, too_long | out of the band |
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from rapidfuzz import fuzz

from app.copilot.dates import Date, find_dates, has_changed_date, without, without_same_dates
from app.copilot.figures import (
    Figure,
    SourceFigures,
    find_figures,
    knows_numbers,
    said_figures,
    stated_figures,
    stated_months,
    units,
)
from app.copilot.names import SourceNames
from app.copilot.ordinals import find_ordinals
from app.core.addresses import find_addresses, stand_in
from app.llm.errors import InvalidOutput

_IDIOMS = Decimal(12)
"""Numbers in words up to here are often idioms: "for two reasons"."""
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CODE = re.compile(r"(?<![\w-])(?=[\w-]*[^\W\d_])(?=[\w-]*\d)[\w-]{3,}(?![\w-])")
_TITLED = re.compile(
    r"\b(?:Herrn?|Frau|Dr\.?|Prof\.?|Mr\.?|Mrs\.?|Ms\.?|Mme|M\.|Sig\.|Sra?\.)\s+([A-ZÀ-Þ][\w'’-]+)"
)
_PLAIN_WORD = re.compile(r"(?<![\w-])[^\W\d_]+(?![\w-])")
_NO_NAME = re.compile(r"[A-Z]{2,}s|g?GmbH|PhDs?|[BM]Sc|eBooks?")
"""Acronyms of several, and what is of mixed case and other words in other languages."""
_FISCAL_YEAR = re.compile(r"(?:FY|GJ)\d{2,4}")
_RAISED_DIGIT = re.compile(r"(?<=[A-Za-z])[₀-₉²³]")
_ALIKE = 75.0
_SHORTEST_STEM = 4
_LONGEST_ENDING = 5
"""As in `-innen`."""
_LONGEST_OF_SHORT = 2
"""As in `Amtes`; with more, most short words begin a longer one."""
_SHORTEST_IN_COMPOUND = 5


@dataclass(frozen=True)
class Rewriting:
    """From which language into which a text is written anew, and what else may be the source of a number in it.

    `may_merge`: what is said twice may be said once.
    """

    source: str
    target: str
    allowed: str = ""
    may_merge: bool = False


def check_figures(source: str, target: str, languages: Rewriting, where: str) -> None:
    """Every number of the source is in the target and the other way round, whatever locale writes them.

    A date counts as one, and as often as a number is said it is said again.
    """
    source, target = _with_plain_digits(source), _with_plain_digits(target)
    if has_changed_date(source, target):
        raise InvalidOutput(f"changed_date: {where} has another date than its source")
    known = SourceFigures.of(f"{source}\n{languages.allowed}")
    source, target = without_same_dates(source, target)
    written = SourceFigures.of(target)
    if any(not written.supports(figure) for figure in _wanted(source, languages)):
        raise InvalidOutput(f"missing_figure: {where} has lost a number of its source")
    if any(not known.supports(figure) for figure in find_figures(target)):
        raise InvalidOutput(f"unsupported_figure: {where} has a number its source does not have")
    if units(source) - written.units:
        raise InvalidOutput(f"missing_figure: {where} has lost a unit of its source")
    if _said_less_often(source, target, may_merge=languages.may_merge):
        raise InvalidOutput(f"missing_figure: {where} says a number less often than its source")


def has_other_order(source: str, target: str) -> bool:
    """Whether the same figures and dates stand in another order, so that some may be of another thing than before.

    No mistake by itself: languages order their words otherwise. False where there are not as many in both.
    """
    before, after = _in_order(source), _in_order(target)
    return len(before) == len(after) and not all(map(_are_alike, before, after))


def _wanted(source: str, languages: Rewriting) -> list[Figure]:
    """The numbers that must not be lost: in digits, and in words where they can be found again."""
    found = find_figures(source)
    if knows_numbers(languages.target):
        found += [one for one in stated_figures(source, languages.source) if not _is_idiom(one)]
        return found + stated_months(source, languages.source)
    # How that language names months and numbers nobody here knows.
    dates = find_dates(source)
    sure = [one for one in dates if len(one.readings) == 1]
    days = [day for one in sure for _, day in one.readings] + [one.year for one in sure if one.year]
    return find_figures(without(source, dates)) + [Figure(frozenset({Decimal(day)})) for day in days]


def _said_less_often(source: str, target: str, *, may_merge: bool) -> bool:
    figures = find_figures(source)
    if may_merge and len(figures) != len(find_figures(target)):
        return False
    repeated = {one: count for one, count in Counter(figures).items() if count > 1}
    if not repeated:
        return False
    said = [*said_figures(target), *({one} for one in find_ordinals(target))]
    return any(
        sum(bool(place & (one.bare | one.scaled)) for place in said) < count
        for one, count in repeated.items()
    )


def _in_order(text: str) -> list[Figure | Date]:
    found: list[Figure | Date] = []
    at = 0
    for date in find_dates(text):
        found += [*find_figures(text[at : date.start]), date]
        at = date.end
    return [*found, *find_figures(text[at:])]


def _are_alike(one: Figure | Date, other: Figure | Date) -> bool:
    if isinstance(one, Date) or isinstance(other, Date):
        return isinstance(one, Date) and isinstance(other, Date) and one.is_like(other)
    return bool((one.bare | one.scaled) & (other.bare | other.scaled))


def check_names(source: str, target: str, language: str, where: str) -> None:
    """No name of the source is lost; both texts are in one language."""
    if SourceNames(target, language).missing(source):
        raise InvalidOutput(f"missing_name: {where} has lost a name of its source")


def check_kept_names(source: str, target: str, where: str) -> None:
    """What no translation changes is there: codes, words of mixed case, addresses, names after a title.

    Other names are not compared: exonyms (München, Munich) have no common form. Names after a title are only
    looked for where the target is in Latin letters.
    """
    source, target = _with_plain_digits(source), _with_plain_digits(target)
    seen = target.casefold()
    if any(name.casefold() not in seen for name in _unchanged(source)):
        raise InvalidOutput(f"missing_name: {where} has lost a name of its source")
    if any(not stand_in([address], target) for address in find_addresses(source)):
        raise InvalidOutput(f"missing_address: {where} has lost an address of its source")
    words = [word.casefold() for word in _WORD.findall(target) if word[0] <= "ž"]
    for found in _TITLED.finditer(source) if words else ():
        name = found[1].casefold().removesuffix("'s").removesuffix("’s")
        if not any(fuzz.ratio(name, word) >= _ALIKE for word in words):
            raise InvalidOutput(f"missing_name: {where} has lost a name of its source")


def check_length(source: str, target: str, least: float, most: float, where: str) -> None:
    """The target has `least` to `most` times the characters of the source; forty more are never too many."""
    if len(target) > most * len(source) + 40:
        raise InvalidOutput(f"too_long: {where} has {len(target)} characters for {len(source)}")
    if len(target) < least * len(source) - 20 or not target.strip():
        raise InvalidOutput(f"too_short: {where} has {len(target)} characters for {len(source)}")


def has_term(term: str, text: str) -> bool:
    """Whether a term stands in a text, its words inflected or not."""
    words = [word.casefold() for word in _WORD.findall(text)]
    wanted = [word.casefold() for word in _WORD.findall(term)]
    if wanted and any(
        all(map(_is_form, words[at : at + len(wanted)], wanted)) for at in range(len(words) - len(wanted) + 1)
    ):
        return True
    # Written without spaces, or as a part of a compound: of short words in an alphabet that would be chance.
    is_told_apart = term.upper() == term.lower() or len(term) >= _SHORTEST_IN_COMPOUND
    return is_told_apart and term.casefold() in text.casefold()


def _is_form(word: str, term: str) -> bool:
    stem = term[: max(_SHORTEST_STEM, len(term) - 2)]
    ending = _LONGEST_ENDING if len(term) > _SHORTEST_STEM else _LONGEST_OF_SHORT
    return word.startswith(stem) and len(word) <= len(term) + ending


def _is_idiom(figure: Figure) -> bool:
    return not figure.powers and all(abs(reading) <= _IDIOMS for reading in figure.bare)


def _unchanged(source: str) -> Iterator[str]:
    for word in _PLAIN_WORD.findall(source):
        # "XXIe siècle" is the 21st century, and "l'ONU" the UN.
        is_mixed = any(map(str.isupper, word[1:])) and any(map(str.islower, word))
        if is_mixed and not (_NO_NAME.fullmatch(word) or find_ordinals(word)):
            yield word
    for code in _CODE.findall(source):
        # "3rd" and "1er" are numbers; figures are compared by themselves.
        if any(map(str.isupper, code)) and not _FISCAL_YEAR.fullmatch(code):
            yield code


def _with_plain_digits(text: str) -> str:
    """`CO₂` and `m²` as `CO2` and `m2`."""
    return _RAISED_DIGIT.sub(lambda found: str(unicodedata.digit(found[0])), text)
