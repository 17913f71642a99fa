"""Numbers, dates and amounts of a text, whatever locale they are written in.

`1.234,56`, `1,234.56`, `1 234,56` and `1'234.56` are one number; `1.234` may be two, so a figure has
readings, and it is supported when one of them is among the source's.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

_SPACES = " \u00a0\u202f\u2009'’"
_NUMBER = re.compile(rf"(?<!\d)\d{{1,3}}(?:[{_SPACES}]\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)*")
_MAGNITUDES: tuple[tuple[str, tuple[int, ...]], ...] = (
    (r"thousand|tausend|tsd\b|mille\b|mila\b|mil\b|千|천", (3,)),
    (
        r"millions?\b|millionen\b|mill?ion[ei]s?\b|mill[oó]n(?:es)?\b|milhão|milhões|mio\b|mln\b|mn\b|m\b",
        (6,),
    ),
    (r"milliard[es]?n?\b|miliard[io]?\b|miljard(?:er)?\b|mrd\b|md\b|bn\b", (9,)),
    (r"billions?\b|billionen\b|bill[oó]n(?:es)?\b", (9, 12)),
    (r"trillions?\b|trillionen\b|tn\b", (12, 18)),
    (r"万|萬|만", (4,)),
    (r"億|亿|억", (8,)),
)
_MAGNITUDE = re.compile(
    r"\s?(?:" + "|".join(f"(?P<m{at}>{words})" for at, (words, _) in enumerate(_MAGNITUDES)) + ")",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[kmb]\b", re.IGNORECASE)
_LETTERS = {"k": 3, "m": 6, "b": 9}
_RANGE = re.compile(r"\s*(?:-|–|—|to|bis|à|and|und|et|a|y|e)\s*\Z", re.IGNORECASE)
_UNITS = {
    "percent": r"%|％|\bper\s?cent\b|\bpercent|\bprozent|\bpour\s?cent\b|\bpor\s?ciento\b|\bper\s?cento\b|\bprocent",
    "EUR": r"€|\bEUR\b|\beuros?\b",
    "USD": r"\$|\bUSD\b|\bdollars?\b|\bdólar",
    "GBP": r"£|\bGBP\b|\bpounds? sterling\b",
    "CHF": r"\bCHF\b|\bfr\.\s?\d|\bfranken\b",
    "JPY": r"¥|￥|\bJPY\b|\byen\b|円",
}
_UNIT_PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _UNITS.items()}
_SMALL = """
one two three four five six seven eight nine ten eleven twelve
eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf
un deux trois quatre cinq six sept huit neuf dix onze douze
uno dos tres cuatro cinco seis siete ocho nueve diez once doce
una due tre quattro cinque sei sette otto nove dieci undici dodici
um dois três quatro cinco seis sete oito nove dez onze doze
een twee drie vier vijf zes zeven acht negen tien elf twaalf
""".split()  # noqa: SIM905  (seven languages, twelve each: readable as lines)
_MONTHS = """
january february march april may june july august september october november december
januar februar märz april mai juni juli august september oktober november dezember
janvier février mars avril mai juin juillet août septembre octobre novembre décembre
enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro
januari februari maart april mei juni juli augustus september oktober november december
""".split()  # noqa: SIM905
_ABBREVIATED = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905
_WORD = re.compile(r"[^\W\d_]+")


def _by_word() -> dict[str, Decimal]:
    words = {word: Decimal(at % 12 + 1) for at, word in enumerate(_SMALL)}
    return words | month_numbers()


def month_numbers() -> dict[str, Decimal]:
    """Names of the months in seven languages, lower case, with their number."""
    names = {word: Decimal(at % 12 + 1) for at, word in enumerate(_MONTHS)}
    return names | {word: Decimal(at + 1) for at, word in enumerate(_ABBREVIATED)}


_WORD_VALUES = _by_word()


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

    @classmethod
    def of(cls, text: str) -> "SourceFigures":
        """Collect the numbers, number words up to twelve, months, magnitudes and units of `text`."""
        figures = find_figures(text)
        words = _WORD.findall(text.casefold())
        return cls(
            values=frozenset().union(
                {_WORD_VALUES[word] for word in words if word in _WORD_VALUES},
                *(figure.scaled for figure in figures),
            ),
            bare=frozenset().union(*(figure.bare for figure in figures if not figure.powers)),
            powers=frozenset(power for word in words for power in _word_powers(word)),
            units=units(text),
        )

    def supports(self, figure: Figure) -> bool:
        """Whether the source says this number; in a table the magnitude may stand apart from it."""
        if figure.scaled & self.values:
            return True
        return bool(self.powers.intersection(figure.powers) and figure.bare & self.bare)


def units(text: str) -> frozenset[str]:
    """The units (percent, currencies) that stand in a text."""
    return frozenset(name for name, pattern in _UNIT_PATTERNS.items() if pattern.search(text))


def find_figures(text: str) -> list[Figure]:
    """The numbers of a text in order; a date or a version is several."""
    found: list[Figure] = []
    tokens = list(_NUMBER.finditer(text))
    for at, token in enumerate(tokens):
        powers = _powers(text, token.end())
        if not powers and at + 1 < len(tokens):
            following = tokens[at + 1]
            if _RANGE.match(text[token.end() : following.start()]):
                powers = _powers(text, following.end())
        found.extend(Figure(readings, powers) for readings in _readings(token.group()))
    return found


def _powers(text: str, position: int) -> tuple[int, ...]:
    """Powers of ten of the magnitude word at `position`; a letter (5m) may also be a unit, power 0."""
    letter = _LETTER.match(text, position)
    if letter is not None:
        return (0, _LETTERS[letter.group().lower()])
    match = _MAGNITUDE.match(text, position)
    if match is None or match.lastgroup is None:
        return ()
    return _MAGNITUDES[int(match.lastgroup[1:])][1]


@lru_cache(maxsize=4096)
def _word_powers(word: str) -> tuple[int, ...]:
    match = _MAGNITUDE.fullmatch(word)
    return _MAGNITUDES[int(match.lastgroup[1:])][1] if match and match.lastgroup else ()


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
