"""Names that an answer gives and its source does not.

A name is a capitalised word inside a sentence, an acronym or a word of mixed case. German writes all
nouns so: there a name is an acronym, what follows a title, or two capitalised words neither of which
the source has. The first word of a sentence is only known as a name by its form. Scripts without
capitals give no names, except those in Latin letters among them.
"""

import re

from app.copilot.figures import month_numbers

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# A full stop after a single letter ends no sentence ("J. Smith").
_SENTENCE_BEGINS = re.compile(r"(?:\A|(?<!\b\w)\.|[!?:;•…])[\s\"'“„«(\[-]*\Z")
_PARTS = re.compile(r"['’-]")
_NOUNS_CAPITALISED = frozenset({"de", "lb", "nds"})
_INFLECTING = frozenset({"cs", "sk", "pl", "ru", "uk", "bg", "sr", "hr", "sl", "bs", "mk", "fi", "et", "hu", "tr", "lt", "lv", "el", "la"})  # fmt: skip
_TITLES = frozenset({"herr", "herrn", "frau", "dr", "prof", "mr", "mrs", "ms"})
_ENDINGS = ("'s", "’s", "s'", "s’", "s", "es", "n", "en")
_NO_NAMES = frozenset(
    {"EUR", "USD", "GBP", "CHF", "JPY", "I'm", "I’m", "I've", "I’ve", "I'd", "I’d", "I'll", "I’ll"}
)
_MONTHS = month_numbers()
_CALENDAR = frozenset(_MONTHS) | {
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
}  # fmt: skip
"""Written with a capital in English, and no names."""


def is_day_misspelt(before: str, after: str) -> bool:
    """Whether what differs between two texts is a day or month that was none before."""
    old, new = ({word.casefold() for word in _WORD.findall(text)} for text in (before, after))
    return bool(new - old) and new - old <= _CALENDAR and not (old - new) & _CALENDAR


class SourceNames:
    """The words of a source, for looking names up."""

    def __init__(self, text: str, language: str) -> None:
        words = [word.casefold() for word in _WORD.findall(text)]
        self._words = set(words) | {part for word in words for part in _PARTS.split(word)}
        self._inflecting = language in _INFLECTING
        self._nouns_capitalised = language in _NOUNS_CAPITALISED
        self._numbers = set(re.findall(r"\d+", text))
        capitals = [word[0] if word[0].isupper() else " " for word in re.findall(r"[^\W\d_]+", text)]
        self._initials = "".join(capitals)

    def missing(self, sentence: str) -> bool:
        """Whether the sentence gives a name that the source does not have."""
        return self.misses(sentence, 0, len(sentence))

    def misses(self, sentence: str, start: int, end: int) -> bool:
        """Whether a name that lies at least partly between these characters of the sentence is not in the source."""
        words = list(_WORD.finditer(sentence))
        for at, word in enumerate(words):
            if word.end() <= start or word.start() >= end:
                continue
            before = words[at - 1] if at else None
            if self._is_name(sentence, word, before) and not self._has(word.group()):
                return True
        return False

    def _is_name(self, sentence: str, word: re.Match[str], before: re.Match[str] | None) -> bool:
        text = word.group()
        if len(text) < 2 or text in _NO_NAMES or not any(letter.isupper() for letter in text):
            return False
        if any(letter.isupper() for part in _PARTS.split(text) for letter in part[1:]):
            return True
        if before is not None and before.group().casefold() in _TITLES:
            return True
        if not text[0].isupper() or _begins(sentence, word):
            return False
        return not self._nouns_capitalised or (before is not None and self._is_pair(sentence, before, word))

    def _is_pair(self, sentence: str, before: re.Match[str], word: re.Match[str]) -> bool:
        """Whether two capitalised words stand together and the source has not even the first."""
        return (
            before.group()[0].isupper()
            and sentence[before.end() : word.start()] == " "
            and not _begins(sentence, before)
            and not self._has(before.group())
        )

    def _has(self, name: str) -> bool:
        if name.isupper() and name.casefold() not in self._words and name in self._initials:
            return True
        folded = name.casefold()
        parts = [part for part in _PARTS.split(folded) if len(part) > 1]
        return self._has_form(folded) or all(self._has_form(part) for part in parts)

    def _has_form(self, name: str) -> bool:
        if name in self._words or any(name + ending in self._words for ending in _ENDINGS):
            return True
        if any(name.endswith(ending) and name.removesuffix(ending) in self._words for ending in _ENDINGS):
            return True
        if name in _MONTHS:
            return self._has_month(name)
        if self._inflecting and len(name) >= 4:
            stem = name[: max(3, len(name) - 3)]
            return any(word.startswith(stem) for word in self._words)
        return len(name) > 3 and any(
            word.startswith(name) and len(word) - len(name) <= 2 for word in self._words
        )

    def _has_month(self, name: str) -> bool:
        number = int(_MONTHS[name])
        same = {month for month, value in _MONTHS.items() if value == number}
        return bool(same & self._words) or bool({str(number), f"{number:02}"} & self._numbers)


def _begins(sentence: str, word: re.Match[str]) -> bool:
    return _SENTENCE_BEGINS.search(sentence[: word.start()]) is not None
