"""Sentences that give somebody something to do, or say what was decided, by the words that such sentences use.

Modest on purpose: English and German, one sentence at a time, and only what is said in so many words. A sentence in
which nobody is named has no owner; "the team should think about it" is not taken for a task.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.llm.providers.candidates import Candidate
from app.llm.providers.wording import shown

_PERSON = r"[A-ZÄÖÜ][\w’'-]+(?: (?:von |van |de )?[A-ZÄÖÜ][\w’'-]+){0,2}"
_ROLE = r"(?:[Tt]he |[Dd](?:er|ie|as) )[\w-]+(?: [\w-]+)?"
_DECISION = re.compile(
    r"\b(?:decided|resolved|agreed|approved|adopted|it was agreed)\b|^\W*decision\s*:"
    r"|\b(?:beschlossen|beschloss|beschließt|vereinbart|vereinbarten|entschieden|entschied|genehmigt|verabschiedet)\b"
    r"|^\W*(?:beschluss|entscheidung)\s*:",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^\W*(?:action(?: items?)?|to-?\s?dos?|tasks?|next steps?|aufgaben?|nächste schritte|maßnahmen?)\s*:\s*(?=\w)",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"(?:^|[:,.]\s*)(?:please|bitte)\b|\b(?:could|can|would) you (?:please )?\w+", re.IGNORECASE
)
_DUTY = re.compile(
    rf"(?P<who>{_PERSON}|{_ROLE})\s+(?:(?:has|have|needs?) to|must|is to|are to|shall|will (?!be\b)"
    r"|is responsible for|takes over|muss|müssen|soll(?:en)?\b|hat zu|haben zu|übernimmt|kümmert sich)",
)
_PASSIVE = re.compile(r"\b(?:to|must|shall) be \w+(?:ed|en|wn|id|nt|ade|one|eld|ept)\b|\bwerden\W*$")
"""What is to be done there has nobody who does it: `who` is the thing."""
_WILL_UNTIL = re.compile(rf"(?P<who>{_PERSON})\s+(?:wird|werden)\b")
_SPEAKER = re.compile(rf"^\W*(?P<who>{_PERSON})\s*(?:\(\d[\d:.]*\))?:\s+(?=\S)")
_I_WILL = re.compile(
    r"\bI(?:['’]ll| will| am going to| have to| need to| must)\b"
    r"|\b[Ii]ch (?:werde|muss|übernehme|kümmere|schicke|sende|mache|erstelle)\b"
)
_DAY = (
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|tonight|(?:next|this) (?:week|month|quarter|year)"
    r"|(?:the )?end of (?:the |this |next )?(?:week|month|quarter|year|day|(?!(?:an?|any|each|every)\b)\w+)"
    r"|(?:nächsten |kommenden |diesen )?(?:montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag)|morgen"
    r"|(?:nächste|kommende|diese) woche|(?:nächsten|kommenden|diesen) monat|(?:zum )?ende (?:der|des) \w+|(?:zum )?ende \w+"
)
_MONTH = (
    r"jan(?:uary|uar)?|feb(?:ruary|ruar)?|march|märz|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?"
    r"|sep(?:tember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?"
)
_DATE = (
    rf"\d{{4}}-\d\d-\d\d|\d{{1,2}}[./]\d{{1,2}}[./](?:\d{{4}}|\d\d)?|\d{{1,2}}\.? (?:{_MONTH})\b\.?(?: \d{{4}})?"
    rf"|(?:{_MONTH})\b\.?(?: \d{{1,2}}(?:st|nd|rd|th)?(?:, \d{{4}})?)?(?: \d{{4}})?"
)
_DUE = re.compile(
    r"\b(?:(?:by|before|until|no later than|due(?: on)?|on|bis(?: spätestens| zum| zur)?|spätestens(?: am| bis)?|am|vor)"
    rf" (?:the )?(?:{_DATE}|{_DAY})|tomorrow|nächste woche|next week)(?!\w)",
    re.IGNORECASE,
)
_NOBODY = frozenset(
    {"it", "this", "that", "there", "they", "we", "he", "she", "you", "es", "das", "dies", "wir", "sie", "er"}
)


@dataclass(frozen=True)
class Found:
    """An action or a decision: the sentence it is said in, who and when in its words, or empty."""

    sentence: Candidate
    kind: str
    owner: str = ""
    due: str = ""


def find_actions(candidates: Sequence[Candidate], *, most: int) -> list[Found]:
    """In the order of the document, at most so many."""
    found = [one for one in map(_judge, candidates) if one is not None]
    return found[:most]


def _judge(candidate: Candidate) -> Found | None:
    text = shown(candidate.text)
    if text.rstrip().endswith("?") and not _REQUEST.search(text):
        return None
    if _DECISION.search(text):
        return Found(candidate, "decision")
    due = _first(_DUE, text)
    speaker = _SPEAKER.match(text)
    if speaker is not None and _I_WILL.search(text):
        return Found(candidate, "action", speaker["who"], due)
    owner = _owner(text, due)
    if owner is not None:
        return Found(candidate, "action", owner, due)
    if _LABEL.match(text) or _REQUEST.search(text) or (_I_WILL.search(text) and due):
        return Found(candidate, "action", "", due)
    return None


def _owner(text: str, due: str) -> str | None:
    """Whose duty the sentence tells of, empty for nobody's by a day; None if it tells of none."""
    duty = _DUTY.search(text) or (_WILL_UNTIL.search(text) if due else None)
    if duty is None:
        return None
    if _PASSIVE.search(text, duty.start()):
        return "" if due else None
    who: str = duty["who"]
    return None if who.rsplit(maxsplit=1)[-1].casefold() in _NOBODY else who


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match.group().strip() if match is not None else ""
