"""Ordinals in words: a `2.` or `2nd` may become one.

First to twelfth in the languages whose number words are known, later ones in English, German and French, and the
Roman numerals of centuries and chapters.
"""

import re
from decimal import Decimal
from functools import lru_cache

from app.copilot.number_words import values

_WORDS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth",
    "erste zweite dritte vierte fünfte sechste siebte achte neunte zehnte elfte zwölfte",
    "premier deuxième troisième quatrième cinquième sixième septième huitième neuvième dixième onzième douzième",
    "première seconde tierce",
    "primero segundo tercero cuarto quinto sexto séptimo octavo noveno décimo undécimo duodécimo",
    "primer segundo tercer",
    "primo secondo terzo quarto quinto sesto settimo ottavo nono decimo undicesimo dodicesimo",
    "primeiro segundo terceiro quarto quinto sexto sétimo oitavo nono décimo",
    "eerste tweede derde vierde vijfde zesde zevende achtste negende tiende elfde twaalfde",
)
_ORDINALS = {word: Decimal(at) for words in _WORDS for at, word in enumerate(words.split(), start=1)}
_WORD = re.compile(r"[^\W\d_]+")
_FEMININE = re.compile(r"a\Z")
_GERMAN = re.compile(r"(?<=e)[rnsm]\Z")
_LATER = (
    ("en", re.compile(r"ieth\Z"), "y"),
    ("en", re.compile(r"th\Z"), ""),
    ("de", re.compile(r"s?te[rnsm]?\Z"), ""),
    ("fr", re.compile(r"ième\Z"), ""),
    ("fr", re.compile(r"ième\Z"), "e"),
)
"""How an ordinal ends, and what its number has there instead."""
_ROMAN = re.compile(r"(X{0,2})(IX|IV|V?I{0,3})(?:e|er|ème)?")
_DIGITS = {"I": 1, "V": 5, "X": 10, "IV": 4, "IX": 9}


def find_ordinals(text: str) -> list[Decimal]:
    """The values of the ordinals in words of a text, in order; some are other words, too."""
    return [value for value in map(_value, _WORD.findall(text)) if value is not None]


@lru_cache(maxsize=8192)
def _value(written: str) -> Decimal | None:
    word = written.casefold()
    forms = (word, _FEMININE.sub("o", word), _GERMAN.sub("", word))
    known = next((_ORDINALS[form] for form in forms if form in _ORDINALS), None)
    return known or _later(word) or _roman(written)


def _later(word: str) -> Decimal | None:
    for language, ending, instead in _LATER:
        stem, count = ending.subn(instead, word)
        value = values(language).get(stem) if count else None
        if value is not None:
            return Decimal(value)
    return None


def _roman(word: str) -> Decimal | None:
    """`XXIe` and `IV`; a single letter is too often another thing."""
    found = _ROMAN.fullmatch(word)
    if found is None or len(found[1] + found[2]) < len("XX"):
        return None
    ones = _DIGITS.get(found[2]) or sum(_DIGITS[letter] for letter in found[2])
    return Decimal(10 * len(found[1]) + ones)
