"""Numbers, dates and amounts of a text, whatever locale they are written in.

`1.234,56`, `1,234.56`, `1 234,56` and `1'234.56` are one number; `1.234` may be two, so a figure has
readings, and it is supported when one of them is among the source's. Numbers written as words and the
names of months count like digits. A negative number is supported by a negative one only; a positive one
by either, because "fell by 5 %" says what "-5 %" says.
"""

import re
import unicodedata
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain

from app.copilot.magnitudes import powers_after, powers_of
from app.copilot.number_words import find_in_any_language, find_word_numbers, languages
from app.copilot.ordinals import find_ordinals

_SPACES = " \u00a0\u202f\u2009'’"
_NUMBER = re.compile(rf"(?<!\d)\d{{1,3}}(?:[{_SPACES}]\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)*")
_RANGE = re.compile(r"\s*(?:-|–|—|to|bis|à|and|und|et|a|y|e)\s*\Z", re.IGNORECASE)
_UNITS = {
    "percent": r"%|％|\bper\s?cent\b|\bprozent\b|\bpour\s?cent\b|\bpor\s?ciento\b|\bper\s?cento\b|\bprocent\b",
    "EUR": r"€|\bEUR\b|\beuros?\b",
    "USD": r"\$|\bUSD\b|\bdollars?\b|\bdólar",
    "GBP": r"£|\bGBP\b|\bpounds? sterling\b",
    "CHF": r"\bCHF\b|\bfr\.\s?\d|\bfranken\b",
    "JPY": r"¥|￥|\bJPY\b|\byen\b|円",
}
_ALSO = {
    "percent": r"\bpercent|\bprozent|\bprocent|\bpourcentage|\bporcent|\bpercentua",
    "USD": r"\bdollari\b",
    "GBP": r"\bpounds?\b|\bpfund\b|\blivres?\b|\blibras?\b|\bsterline\b|\bpond\b",
    "CHF": r"\d\s?(?:Mio\.|Mrd\.)?\s?Fr\.|\bfrancs?\b|\bfrancos\b|\bfranchi\b|\bfrank\b",
}
"""Words that may be of a unit and may be other words (weights, books, shares), so that no text has to have them again."""
_UNIT_PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _UNITS.items()}
_MAYBE_UNITS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _ALSO.items()}
_MONTHS = """
january february march april may june july august september october november december
januar februar märz april mai juni juli august september oktober november dezember
janvier février mars avril mai juin juillet août septembre octobre novembre décembre
enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro
januari februari maart april mei juni juli augustus september oktober november december
""".split()  # noqa: SIM905
_ABBREVIATED = """
jan feb mar apr may jun jul aug sep oct nov dec
jan feb mrz apr mai jun jul aug sept okt nov dez
jän feb mär apr mai jun jul aug sept okt nov dez
janv févr mars avr mai juin juil août sept oct nov déc
ene feb mar abr may jun jul aug sept oct nov dic
""".split()  # noqa: SIM905
# Languages and dialects that write numbers (nearly) as a greater one does.
_RELATED = {"lb": ("de",), "nds": ("de",), "als": ("de",), "gl": ("pt",), "und": ("en", "de")}
# Where the months are written with a capital, these are other words without.
_CAPITALISED = frozenset({"en", "de"})
_ALSO_VERBS = frozenset({"may", "march"})
_SENTENCE_BEGINS = re.compile(r"(?:\A|[.!?:;•…])[\s\"'“„«(\[-]*\Z")
_WORD = re.compile(r"[^\W\d_]+")
_ONE = frozenset({"one", "eins", "ein", "eine", "un", "une", "uno", "una", "um", "uma", "een"})
_DASHES = "-−–"
_CURRENCY = "[€$£¥]?"
_MINUS = re.compile(rf"(?:\A|[\s(\[])[{_DASHES}]{_CURRENCY}\Z|\bminus\s+{_CURRENCY}\Z", re.IGNORECASE)
# "3 -5" may be a range with an odd space.
_RANGE_DASH = re.compile(rf"\d\s+[{_DASHES}]\Z")
_MAYBE_NEGATIVE = re.compile(rf"(?:(?:\A|(?<=\s)|(?<=[(\[]))[{_DASHES}]|\()\s?{_CURRENCY}(?=\d)")
_NEAR = 12
_FRACTION = re.compile(
    r"(?<![\d.,/])(?:(?P<whole>\d{1,4})\s?)?(?:(?<!\d)(?P<part>\d{1,2})[/⁄](?P<of>[1-9]\d?)(?![\d/.,])|(?P<sign>[¼½¾⅛⅜⅝⅞]))"
)
_HALF_DAY = re.compile(r"(?::\d{2})*\s?([ap])\.?\s?m\b", re.IGNORECASE)
_SHORT_DATE = re.compile(r"(?<![\w.,])(\d\d)\.\s?(0[1-9]|1[0-2])\.(?!\d)")
"""A day without a year, as `31.12.` is."""
_THOUSANDS, _OF_THOUSANDS = (
    (3,),
    frozenset({"thousands", "tausende", "tausenden", "milliers", "miles", "teur", "keur"}),
)
"""Of what a table is, as its header says."""
_NOON = 12
_POINTED_HOUR, _CLOCK = re.compile(r"\d{1,2}\.\d\d"), re.compile(r"\s?Uhr\b")
_FIRST_OF_TWO_YEARS = re.compile(r"(?<!\d)((?:19|20)\d\d)\s?[/–-]\s?\Z")
_FULL_HOUR = re.compile(r"(?<!\d)\d{1,2}:\Z")


def month_numbers() -> dict[str, Decimal]:
    """Names of the months in seven languages, lower case, with their number."""
    names = {word: Decimal(at % 12 + 1) for at, word in enumerate(_MONTHS)}
    return names | {word: Decimal(at % 12 + 1) for at, word in enumerate(_ABBREVIATED)}


_MONTH_NUMBERS = month_numbers()
_MONTHS_OF = {
    language: {_MONTHS[12 * at + month]: Decimal(month + 1) for month in range(12)}
    for at, language in enumerate(languages())
}


@dataclass(frozen=True)
class Figure:
    """A number as it may be read: `bare`, or `scaled` by the powers of ten of the word after it."""

    bare: frozenset[Decimal]
    powers: tuple[int, ...] = ()

    @property
    def scaled(self) -> frozenset[Decimal]:
        """The readings; a bare number's power is 0."""
        return frozenset(reading.scaleb(power) for reading in self.bare for power in self.powers or (0,))


@dataclass(frozen=True)
class SourceFigures:
    """Every number that a source can be read to hold."""

    values: frozenset[Decimal]
    bare: frozenset[Decimal]
    """The numbers that no magnitude word follows."""
    powers: frozenset[int]
    """Of the magnitude words anywhere: a table has its own in the header."""
    units: frozenset[str]
    """Those that a word may be of, too."""

    @classmethod
    def of(cls, text: str) -> "SourceFigures":
        """Collect the numbers in digits and words, months, magnitudes and units of `text`.

        What is read in words here is generous: in any language, and line by line too.
        """
        figures = [*_either_sign(text), *_in_any_language(text), *_fractions(text)]
        words = _WORD.findall(text.casefold())
        return cls(
            values=frozenset().union(
                {_MONTH_NUMBERS[word] for word in words if word in _MONTH_NUMBERS},
                {Decimal(1) for word in words if word in _ONE},
                find_ordinals(text),
                map(Decimal, chain.from_iterable(_SHORT_DATE.findall(text))),
                *(figure.scaled for figure in figures),
            ),
            bare=frozenset().union(*(figure.bare for figure in figures if not figure.powers)),
            powers=frozenset(
                power
                for word in words
                for power in (_THOUSANDS if word in _OF_THOUSANDS else powers_of(word))
            ),
            units=units(text) | {name for name, words in _MAYBE_UNITS.items() if words.search(text)},
        )

    def supports(self, figure: Figure) -> bool:
        """Whether the source says this number; in a table the magnitude may stand apart from it, or be another."""
        if figure.scaled & self.values:
            return True
        return any(one.scaleb(power) in figure.scaled for power in self.powers for one in self.bare)


def knows_numbers(language: str) -> bool:
    """Whether number words and months of a language can be read."""
    return all(one in languages() for one in _RELATED.get(language, (language,)))


def units(text: str) -> frozenset[str]:
    """The units (percent, currencies) that stand in a text."""
    return frozenset(name for name, pattern in _UNIT_PATTERNS.items() if pattern.search(text))


def stated_figures(text: str, language: str) -> list[Figure]:
    """The numbers that an answer in `language` states: in digits, in words, and as names of months.

    In a language whose number words are not known only digits are found; a text too short to tell
    ("und") is read as English and as German.
    """
    found = find_figures(text)
    for each in _RELATED.get(language, (language,)):
        found += [
            Figure(_signed(text, number.start, {Decimal(number.value)}), number.powers)
            for number in find_word_numbers(text, each)
        ]
    return found + stated_months(text, language)


def said_figures(text: str) -> list[AbstractSet[Decimal]]:
    """Every place of a text that can be read as a number, in digits, in words or as a month, with all it may be."""
    in_digits = [one.bare | one.scaled | {abs(each) for each in one.bare} for one in find_figures(text)]
    in_words: dict[int, set[Decimal]] = {}
    for language in languages():
        for number in find_word_numbers(text, language):
            readings = Figure(frozenset({Decimal(number.value)}), number.powers).scaled
            in_words.setdefault(number.start, set()).update(readings)
    for word in _WORD.finditer(text.casefold()):
        value = Decimal(1) if word.group() in _ONE else _MONTH_NUMBERS.get(word.group())
        if value is not None:
            in_words.setdefault(word.start(), set()).add(value)
    return [*in_digits, *in_words.values()]


def stated_months(text: str, language: str) -> list[Figure]:
    """The months that a text in `language` names, as numbers."""
    return [figure for each in _RELATED.get(language, (language,)) for figure in _months(text, each)]


def find_figures(text: str) -> list[Figure]:
    """The numbers in digits of a text in order; a date or a version is several."""
    return [figure for _, figure in written_figures(text)]


def written_figures(text: str) -> list[tuple[str, Figure]]:
    """The same, each with what is written there."""
    found: list[tuple[str, Figure]] = []
    tokens = list(_NUMBER.finditer(text))
    for at, token in enumerate(tokens):
        if token.group() == "00" and _FULL_HOUR.search(text[max(0, token.start() - 4) : token.start()]):
            # 15:00 is 3 pm, and nobody writes its minutes in words.
            continue
        powers = powers_after(text, token.end())
        if not powers and at + 1 < len(tokens):
            following = tokens[at + 1]
            if _RANGE.match(text[token.end() : following.start()]):
                powers = powers_after(text, following.end())
        first, *others = _readings(token.group())
        if _POINTED_HOUR.fullmatch(token.group()) and _CLOCK.match(text, token.end()):
            # As above: 15.00 Uhr is 3 pm.
            first, *others = _parts(token.group().removesuffix(".00").split("."))
        first |= _hours(first, _HALF_DAY.match(text, token.end()))
        first |= _with_fraction(first, text[token.end() : token.end() + 1])
        first |= _second_year(token.group(), text[max(0, token.start() - _NEAR) : token.start()])
        found.append((token.group(), Figure(_signed(text, token.start(), first), powers)))
        found.extend((token.group(), Figure(readings, powers)) for readings in others)
    return found


def _hours(hour: AbstractSet[Decimal], half: re.Match[str] | None) -> frozenset[Decimal]:
    """The hour of a whole day that `3 pm` or `12 am` is."""
    if half is None:
        return frozenset()
    if half[1].casefold() == "p":
        return frozenset(one + _NOON for one in hour if 0 < one < _NOON)
    return frozenset(one - _NOON for one in hour if one == _NOON)


def _with_fraction(whole: AbstractSet[Decimal], sign: str) -> frozenset[Decimal]:
    """The number that `3¼` is."""
    if sign not in set("¼½¾⅛⅜⅝⅞"):
        return frozenset()
    return frozenset(one + Decimal(str(unicodedata.numeric(sign))) for one in whole)


def _second_year(written: str, before: str) -> frozenset[Decimal]:
    """The year that `24` is in `2023/24`."""
    first = _FIRST_OF_TWO_YEARS.search(before)
    if first is None or not re.fullmatch(r"\d\d", written):
        return frozenset()
    return frozenset({Decimal(first[1][:2] + written)})


def _signed(text: str, start: int, readings: AbstractSet[Decimal]) -> frozenset[Decimal]:
    before = text[max(0, start - _NEAR) : start]
    if _MINUS.search(before) and not _RANGE_DASH.search(before):
        return frozenset(-reading for reading in readings)
    return frozenset(readings)


def _either_sign(text: str) -> Iterator[Figure]:
    """The figures of a source; what may be negative, (5) in a balance sheet included, counts both ways."""
    for figure in find_figures(text):
        positive = frozenset(abs(reading) for reading in figure.bare)
        yield Figure(figure.bare | positive, figure.powers)
    for match in _MAYBE_NEGATIVE.finditer(text):
        number = _NUMBER.match(text, match.end())
        if number is not None:
            negative = frozenset(-reading for reading in _readings(number.group())[0])
            yield Figure(negative, powers_after(text, number.end()))


def _fractions(text: str) -> Iterator[Figure]:
    """What `3 1/2`, `1/2` and `3½` may be of a source."""
    for found in _FRACTION.finditer(text):
        part = Decimal(str(unicodedata.numeric(found["sign"]))) if found["sign"] else Decimal(found["part"])
        if not found["sign"]:
            part /= Decimal(found["of"])
        yield Figure(frozenset({Decimal(found["whole"] or 0) + part, part}))


def _in_any_language(text: str) -> Iterator[Figure]:
    # A number may be broken by the end of a line, or end with it; whoever quotes it may set it in one line.
    for each in dict.fromkeys((text, " ".join(text.split()), *text.splitlines())):
        for number in find_in_any_language(each):
            value = {Decimal(number.value)}
            yield Figure(frozenset(value) | _signed(each, number.start, value), number.powers)


def _months(text: str, language: str) -> Iterator[Figure]:
    """Names of months as numbers; `may` and `march` only where they cannot be verbs."""
    names = _MONTHS_OF.get(language, {})
    for word in _WORD.finditer(text):
        number = names.get(word.group().casefold())
        if number is None or (language in _CAPITALISED and not word.group()[0].isupper()):
            continue
        if word.group().casefold() in _ALSO_VERBS and language == "en":
            beside_digit = text[word.end() : word.end() + _NEAR].lstrip(" ,.")[:1].isdigit()
            before = text[max(0, word.start() - _NEAR) : word.start()]
            if _SENTENCE_BEGINS.search(before) and not beside_digit:
                continue
        yield Figure(frozenset({number}))


def _readings(token: str) -> list[frozenset[Decimal]]:
    """The numbers of one token, each with its readings."""
    if any(space in token for space in _SPACES):
        for space in _SPACES:
            token = token.replace(space, "")
        return [frozenset({Decimal(token.replace(",", "."))})]
    groups = re.split(r"[.,]", token)
    separators = re.findall(r"[.,]", token)
    if not separators:
        return [frozenset({Decimal(token)})]
    thousands = len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    if len(separators) == 1:
        readings = {Decimal(".".join(groups))}
        return [frozenset(readings | ({Decimal("".join(groups))} if thousands else set()))]
    if len(set(separators)) == 1:
        return [frozenset({Decimal("".join(groups))})] if thousands else _parts(groups)
    if separators[-1] not in separators[:-1] and all(len(group) == 3 for group in groups[1:-1]):
        return [frozenset({Decimal("".join(groups[:-1]) + "." + groups[-1])})]
    return _parts(groups)


def _parts(groups: list[str]) -> list[frozenset[Decimal]]:
    return [frozenset({Decimal(group)}) for group in groups]
