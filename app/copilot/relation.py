"""Whether a sentence speaks of what it cites at all.

Small models write of something else under a true quote, or repeat the headings that they were shown
above it. Words are compared by their beginnings; those of scripts without spaces are not judged.
"""

import re

from app.copilot.citations import Claim
from app.copilot.figures import SourceFigures, find_figures

_SHARED = 1 / 3
_MANY = 4
_STEM = 5
_LONG_WORD = re.compile(r"[^\W\d_\u0590-\U0010ffff]{4,}")
_WORD = re.compile(r"[^\W_]+")
_OTHER_SCRIPT = re.compile(r"[^\W\d_\x00-\u058f]")
_JOINT = re.compile(r"(?=(?:\A|\s)(\S+ > \S+))")


def only_headings(claim: Claim) -> bool:
    """Whether a sentence is made of the headings above its source and not of the source.

    Headings beside the source's own words are welcome: they give names and dates.
    """
    if not claim.headings:
        return False
    body = _plain(claim.body)
    text = _plain(claim.text)
    if text in body:
        return False
    if any(joint not in body for joint in _JOINT.findall(text)):
        return True
    words = set(_WORD.findall(text))
    in_headings = words <= set(_WORD.findall(_plain(" ".join(claim.headings))))
    content = _stems(text) or words
    in_body = content <= (_stems(body) | set(_WORD.findall(body)))
    return in_headings and not in_body


def is_unrelated(sentence: str, claim: Claim) -> bool:
    """Whether a sentence shares hardly a word with its source.

    Less than a third of four or more long words and the figures with the source and its headings, or no long
    word with the source itself; without long words, less than half of all words and a figure the source lacks.
    """
    stems, known = _stems(sentence), _stems(claim.body)
    if len(stems) >= _MANY:
        # Of a row of numbers one speaks in words that it does not have: its figures count like words.
        stated, source = set(find_figures(sentence)), SourceFigures.of(claim.body)
        shared = len(stems & _stems(claim.support)) + sum(map(source.supports, stated))
        return not stems & known or shared < _SHARED * (len(stems) + len(stated))
    if _OTHER_SCRIPT.search(sentence):
        return False
    if stems:
        return not stems & known
    words = set(_WORD.findall(sentence.casefold()))
    if 2 * len(words & set(_WORD.findall(claim.body.casefold()))) >= len(words):
        return False
    figures, source = find_figures(sentence), SourceFigures.of(claim.body)
    return not figures or any(not source.supports(figure) for figure in figures)


def _stems(text: str) -> set[str]:
    return {word[:_STEM].casefold() for word in _LONG_WORD.findall(text)}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
