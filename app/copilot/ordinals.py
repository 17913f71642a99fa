"""Words for first to twelfth in the languages whose number words are known: a `2.` or `2nd` may become one."""

import re
from decimal import Decimal

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


def find_ordinals(text: str) -> list[Decimal]:
    """The values of the ordinals in words of a text, in order; some are other words, too."""
    found: list[Decimal] = []
    for word in _WORD.findall(text.casefold()):
        forms = (word, _FEMININE.sub("o", word), _GERMAN.sub("", word))
        value = next((_ORDINALS[form] for form in forms if form in _ORDINALS), None)
        found += [] if value is None else [value]
    return found
