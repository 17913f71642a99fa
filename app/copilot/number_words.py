"""Numbers written as words, in seven languages: `twenty million`, `fünfundzwanzig`, `quatre-vingt-dix`.

The words for one are articles as well: alone they are no number, `a million` is one. Ordinals, fractions
(a third, doubled) and other languages are not read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache

from app.copilot.magnitudes import powers_of

_TOKEN = re.compile(r"[^\W\d_]+")
_BETWEEN = re.compile(r"[\s\u00ad‐‑-]{1,3}\Z")
_SMALL = {
    "en": "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen",
    "de": "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn"
    " siebzehn achtzehn neunzehn",
    "fr": "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
    "es": "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis"
    " diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco"
    " veintiséis veintisiete veintiocho veintinueve",
    "it": "uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici"
    " sedici diciassette diciotto diciannove",
    "pt": "um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis"
    " dezessete dezoito dezenove",
    "nl": "een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien"
    " zeventien achttien negentien",
}
_TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "de": "zwanzig dreissig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "fr": "vingt trente quarante cinquante soixante septante huitante nonante",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "pt": "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
    "nl": "twintig dertig veertig vijftig zestig zeventig tachtig negentig",
}
_HUNDREDS = {
    "es": "doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos",
    "pt": "duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos",
}
_OTHERS = {
    "en": {"zero": 0},
    "de": {"null": 0, "zwo": 2},
    "fr": {"zéro": 0},
    "es": {"cero": 0},
    "it": {"zero": 0},
    "pt": {"zero": 0, "duas": 2, "dezasseis": 16, "dezassete": 17, "dezanove": 19},
    "nl": {"nul": 0},
}
_ONES = {
    "en": {"a", "an", "one"},
    "de": {"ein", "eine", "einer", "einem", "einen", "eins"},
    "fr": {"un", "une"},
    "es": {"un", "una", "uno"},
    "it": {"un", "una", "uno"},
    "pt": {"um", "uma"},
    "nl": {"een", "één"},
}
_HUNDRED = {
    "en": {"hundred"},
    "de": {"hundert"},
    "fr": {"cent", "cents"},
    "es": {"cien", "ciento"},
    "it": {"cento"},
    "pt": {"cem", "cento"},
    "nl": {"honderd"},
}
_THOUSAND = {
    "en": {"thousand"},
    "de": {"tausend"},
    "fr": {"mille"},
    "es": {"mil"},
    "it": {"mille", "mila"},
    "pt": {"mil"},
    "nl": {"duizend"},
}
# Between tens and units (`treinta y cinco`), and after hundreds (`one hundred and five`).
_AND = {"en": "and", "de": "und", "fr": "et", "es": "y", "it": "e", "pt": "e", "nl": "en"}
# Alone they usually mean something else: fr `neuf` new, de and nl `acht` attention, `per cent` a unit.
_OFTEN_OTHERS = {"fr": {"neuf", "cent"}, "de": {"acht", "null"}, "nl": {"acht"}, "it": {"cento"}}
# Thousands inside of one word: zweitausendfünfhundert, duemila.
_INSIDE = {"de": ("eintausend", "tausend"), "nl": ("duizend",), "it": ("mila", "mille")}
_PER = frozenset({"per", "pour", "por"})
# They stand on their own for 100 or 1,000, without a word for one before them.
_BARE = frozenset({"hundert", "tausend", "mille", "mil", "cien", "cem", "honderd", "duizend"})


@dataclass(frozen=True)
class WordNumber:
    """A number written as words, and where; `value` is to be scaled by one of `powers` of ten if there are."""

    value: int
    start: int
    powers: tuple[int, ...] = ()


@dataclass
class _Run:
    """Words that are being read as one number."""

    start: int
    group: int | None = None
    total: int = 0
    scales: list[tuple[int, ...]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    end: int = 0


def languages() -> tuple[str, ...]:
    """The languages whose number words are known."""
    return tuple(_SMALL)


@cache
def values(language: str) -> dict[str, int]:
    """Words of one language that stand for a number below 1,000 lower case."""
    small = {word: at for at, word in enumerate(_SMALL[language].split(), start=1)}
    tens = {word: at * 10 for at, word in enumerate(_TENS[language].split(), start=2)}
    found = small | tens | _OTHERS[language]
    if language in {"de", "nl"}:
        return _joined(language, small, tens, found)
    if language == "fr":
        found["vingts"] = 20
    if language == "it":
        found |= _italian(small, tens)
    for at, word in enumerate(_HUNDREDS.get(language, "").split(), start=2):
        found |= {word: at * 100, word.removesuffix("os") + "as": at * 100}
    return found


def _joined(
    language: str, small: dict[str, int], tens: dict[str, int], found: dict[str, int]
) -> dict[str, int]:
    """German and Dutch write a number below a million as one word, units before tens."""
    one, hundred = ("ein", "hundert") if language == "de" else ("een", "honderd")
    units = {one: 1} | {word: value for word, value in small.items() if 1 < value < 10}
    for unit, value in units.items():
        joint = "und" if language == "de" else "ën" if unit.endswith("e") else "en"
        found |= {unit + joint + ten: number + value for ten, number in tens.items()}
    below = dict(found)
    for unit, value in units.items():
        prefix = hundred if language == "nl" and value == 1 else unit + hundred
        for start in {prefix, hundred} if value == 1 else {prefix}:
            found[start] = value * 100
            found |= {start + rest: value * 100 + number for rest, number in below.items() if number}
    return found


def _italian(small: dict[str, int], tens: dict[str, int]) -> dict[str, int]:
    """Italian writes a number below a thousand as one word; a ten loses its vowel before one."""
    found = {
        (ten[:-1] if unit[0] in "uo" else ten) + unit: number + value
        for ten, number in tens.items()
        for unit, value in small.items()
        if value < 10
    }
    found |= {ten + "tré": number + 3 for ten, number in tens.items()}
    below = small | tens | found
    for unit, value in {"": 1, **{word: at for word, at in small.items() if 1 < at < 10}}.items():
        if value > 1:
            found[unit + "cento"] = value * 100
        found |= {unit + "cento" + rest: value * 100 + number for rest, number in below.items()}
    return found


@lru_cache(maxsize=8192)
def _value(word: str, language: str) -> int | None:
    known = values(language).get(word)
    if known is not None:
        return known
    for thousand in _INSIDE.get(language, ()):
        before, found, after = word.partition(thousand)
        if found and (before or after):
            many = values(language).get(before) if before else 1
            rest = values(language).get(after.removeprefix(_AND[language])) if after else 0
            return None if many is None or rest is None else many * 1000 + rest
    return None


def _scale(word: str, language: str) -> tuple[int, ...]:
    """The powers of ten that a word of this language scales by; abbreviations follow digits only."""
    if word in _THOUSAND[language]:
        return (3,)
    powers = powers_of(word) if len(word) > 3 else ()
    return powers if powers != (3,) else ()


def find_word_numbers(text: str, language: str) -> Iterator[WordNumber]:
    """The numbers written in words of `language`, in order."""
    if language in _SMALL:
        yield from _Words(text).numbers(language)


def find_in_any_language(text: str) -> Iterator[WordNumber]:
    """The numbers that the words of a text are in any language, language by language."""
    words = _Words(text)
    for language in languages():
        yield from words.numbers(language)


class _Words:
    """The words of a text, cut and folded once for all languages."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_TOKEN.finditer(text))
        self._folded = [token.group().casefold() for token in self._tokens]
        self._different = set(self._folded)

    def numbers(self, language: str) -> Iterator[WordNumber]:
        """Nearly all words begin no number: only behind one that does is looked closely."""
        beginnings = self._beginnings(language)
        if not beginnings:
            return
        run: _Run | None = None
        for at, word in enumerate(self._folded):
            if run is None and word not in beginnings:
                continue
            run, ended = self._read(run, at, word, language)
            if ended is not None:
                yield from _ended(ended, language)
        if run is not None:
            yield from _ended(run, language)

    def _beginnings(self, language: str) -> set[str]:
        found = self._different & _beginning(language)
        for thousand in _INSIDE.get(language, ()):
            found |= {word for word in self._different if thousand in word}
        return found

    def _read(self, run: _Run | None, at: int, word: str, language: str) -> tuple[_Run | None, _Run | None]:
        """The number that is being read after one more word, and the one that ended before it."""
        token, ended = self._tokens[at], None
        if run is not None and not _BETWEEN.match(self._text[run.end : token.start()]):
            run, ended = None, run
        if run is not None and word == _AND[language] and _joins(run, self._tokens, at, language):
            run.end = token.end()
            return run, None
        if word in _HUNDRED[language] and at and self._folded[at - 1] in _PER:
            word = ""
        if run is not None and not _pushed(run, word, token, language):
            run, ended = None, run
        if run is None:
            fresh = _Run(token.start())
            run = fresh if _pushed(fresh, word, token, language) else None
        return run, ended


@cache
def _beginning(language: str) -> frozenset[str]:
    """The words that a number can begin with, but for those with thousands inside."""
    return frozenset(values(language)) | _ONES[language] | _HUNDRED[language] | _BARE


def _pushed(run: _Run, word: str, token: re.Match[str], language: str) -> bool:
    """Take one more word into a number; False if it is none or cannot follow."""
    value = 1 if word in _ONES[language] else _value(word, language)
    powers = _scale(word, language)
    if word in _HUNDRED[language] and (run.group is None or 0 < run.group < 10):
        run.group = (run.group or 1) * 100
    elif powers:
        if (run.scales and min(run.scales[-1]) <= min(powers)) or (run.group is None and word not in _BARE):
            return False
        run.total, run.group = run.total + (run.group or 1) * 10 ** min(powers), None
        run.scales.append(powers)
    elif value is not None and _follows(run, value, language):
        run.group = (run.group or 0) + value + (56 if _is_four_twenties(run, value, language) else 0)
    else:
        return False
    run.words.append(word)
    run.end = token.end()
    return True


def _follows(run: _Run, value: int, language: str) -> bool:
    """Whether a number word may be added to what stands before it: twenty-five, but not five twenty."""
    group = run.group
    if group is None:
        return not run.scales or value < 10 ** min(run.scales[-1])
    if language == "fr" and _follows_in_french(group % 100, value):
        return True
    if group % 100 == 0:
        return 0 < value < 100 <= group
    return group % 10 == 0 and group % 100 >= 20 and 0 < value < 10


def _is_four_twenties(run: _Run, value: int, language: str) -> bool:
    """quatre-vingt is 80: 56 more than four and twenty."""
    return language == "fr" and (run.group or 0) % 100 == 4 and value == 20


def _follows_in_french(group: int, value: int) -> bool:
    """quatre-vingt, soixante-dix, quatre-vingt-onze, dix-sept."""
    return (group, value) == (4, 20) or (group in {60, 80} and value < 20) or (group == 10 and 6 < value < 10)


def _joins(run: _Run, tokens: list[re.Match[str]], at: int, language: str) -> bool:
    """Whether "and" after this run goes on with the same number, not with another one."""
    following, after = _next_word(tokens, at), _next_word(tokens, at + 1)
    value = 1 if following in _ONES[language] - {"a", "an"} else _value(following, language)
    if value is None or after in _HUNDRED[language] or _scale(after, language):
        return False
    if run.group is None:
        return value < (100 if language in {"en", "de"} else 1000)
    if run.group and run.group % 100 == 0:
        return value < 100
    return language not in {"en", "de"} and run.group >= 20 and _follows(run, value, language)


def _next_word(tokens: list[re.Match[str]], at: int) -> str:
    """The word that stands directly after token `at`, or nothing."""
    if at + 1 >= len(tokens):
        return ""
    here, following = tokens[at], tokens[at + 1]
    near = _BETWEEN.match(here.string[here.end() : following.start()])
    return following.group().casefold() if near else ""


def _ended(run: _Run, language: str) -> Iterator[WordNumber]:
    alone = len(run.words) == 1
    if alone and (run.words[0] in _ONES[language] or run.words[0] in _OFTEN_OTHERS.get(language, ())):
        return
    if alone and run.words[0] in _HUNDRED[language] - _BARE:
        return
    if len(run.scales) == 1 and run.group is None:
        powers = run.scales[0]
        yield WordNumber(run.total // 10 ** min(powers), run.start, powers)
    else:
        yield WordNumber(run.total + (run.group or 0), run.start)
