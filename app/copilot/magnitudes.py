"""Words and letters that scale the number before them: `million`, `Mrd`, `bn`, `万`."""

import re
from functools import lru_cache

_MAGNITUDES: tuple[tuple[str, tuple[int, ...]], ...] = (
    (r"thousand|tausend|tsd\b|mille\b|mila\b|mil\b|duizend|千|천", (3,)),
    (
        (
            r"millions?\b|millionen\b|mill?ion[ei]s?\b|mill[oó]n(?:es)?\b|milhão|milhões|miljoen(?:en)?\b|mio\b|mln\b"
            r"|mn\b|m\b"
        ),
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


def powers_after(text: str, position: int) -> tuple[int, ...]:
    """Powers of ten of the magnitude word at `position`; a letter (5m) may also be a unit, power 0."""
    letter = _LETTER.match(text, position)
    if letter is not None:
        return (0, _LETTERS[letter.group().lower()])
    match = _MAGNITUDE.match(text, position)
    if match is None or match.lastgroup is None:
        return ()
    return _MAGNITUDES[int(match.lastgroup[1:])][1]


@lru_cache(maxsize=4096)
def powers_of(word: str) -> tuple[int, ...]:
    """Powers of ten of a whole word; none if it is no magnitude."""
    match = _MAGNITUDE.fullmatch(word)
    return _MAGNITUDES[int(match.lastgroup[1:])][1] if match and match.lastgroup else ()
