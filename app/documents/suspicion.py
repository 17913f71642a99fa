"""What in a document reads as if it were meant for the model and not for a reader.

A hint for people and for the audit record, not a defence: nothing is refused because of it, and what it
misses is held back by the checks of the answer (`app/copilot/checks.py`). It looks for few things that
ordinary documents hardly ever hold; docs/injection.md has the figures.

| kind | found |
|---|---|
| hidden_instruction | hidden text that reads like an instruction; the readers count it |
| instruction | an order to a model, in thirteen languages, also in look-alike letters, letter by letter, in base64 |
| chat_template | the marks by which chat models tell turns apart |
| invisible_characters | text in tag characters, overrides of direction, words with many characters of no width |
| address_with_placeholder | an address that is to be filled with something |
"""

import base64
import binascii
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.documents.segments import Extracted, Segment

HIDDEN_NOTE = "hidden_instructions"
"""How readers call hidden text that `reads_like_instruction` in their notes."""
_BATCH = 64
_MOST_CHARACTERS = 4_000_000
"""Of a document that are looked at."""


class FindingKind(StrEnum):
    """See the table above."""

    HIDDEN_INSTRUCTION = "hidden_instruction"
    INSTRUCTION = "instruction"
    CHAT_TEMPLATE = "chat_template"
    INVISIBLE_CHARACTERS = "invisible_characters"
    ADDRESS_WITH_PLACEHOLDER = "address_with_placeholder"


@dataclass(frozen=True)
class Finding:
    """How many segments hold something of a kind, and the first of them; none for hidden text and names."""

    kind: FindingKind
    count: int
    segment: int | None = None


_RULES_EN = r"(?:instruction|rule|prompt|guideline|direction|command)"
_INSTRUCTIONS = (
    (
        rf"\b(?:ignor|disregard|forget|overrid|bypass|neglect)\w*\W(?:\S+\s+){{0,3}}?"
        rf"(?:all|any|the|these|those|your|my|previous|prior|earlier|above)\s(?:\S+\s+){{0,3}}?{_RULES_EN}"
    ),
    (
        r"\b(?:repeat|reveal|print|show|output|recite|disclose|copy)\W(?:\S+\s+){0,4}?"
        r"(?:system prompt|your (?:prompt|instructions|rules)|(?:secret|separating) mark|mark that separates)"
    ),
    r"\byou are now\W(?:\S+\s+){0,4}?(?:assistant|model|mode|dan|bot|agent|unrestricted)\b",
    r"\b(?:note|message|instruction|order)s? (?:to|for) (?:the |any |all )?(?:ai|llm|assistant|language model|chatbot|model)s?\b",
    r"\b(?:ai|llm|language model|chatbot) (?:assistant|model|system)?s?\W{0,3}(?:must|should|shall|please|when)\b",
    r"\b(?:append|add|attach|include|insert|end)\W(?:\S+\s+){0,8}?(?:your|every|each) (?:answer|summary|reply|response|translation)",
    r"\b(?:end|begin|start) (?:your|every|each) (?:answer|summary|reply|response|translation)s? with\b",
    r"\b(?:answer|reply|respond) (?:only|solely) (?:in|with)\b",
    r"\bwhen(?:ever)? (?:you are |someone is )?asked\W(?:\S+\s+){0,10}?(?:say|answer|reply|respond|append|add|output)\b",
    r"\b(?:translate|summari[sz]e) this\W(?:\S+\s+){0,3}?then (?:output|print|send|add|append|write|do)\b",
    r"\b(?:do not|don't|never) (?:tell|mention|reveal|show)\W(?:\S+\s+){0,4}?(?:to )?the (?:user|reader)\b",
    r"\binstead of the (?:format|schema|summary|translation|answer)\b",
    # German, Dutch
    r"\b(?:ignorier|vergiss|vergessen sie|missacht|übergeh|negeer|vergeet)\w*\W(?:\S+\s+){0,6}?\w*(?:anweisung|regel|vorgabe|prompt|instructies)",
    # French, Spanish, Portuguese, Italian
    r"\b(?:ignor|oubli|olvid|esqueç|dimentic|désobé)\w*\W(?:\S+\s+){0,6}?(?:instruction|consigne|règle|instruccion|regla|instruç|regra|istruzion|regol)",
    # Polish, Turkish
    r"\bzignoruj\w*\W(?:\S+\s+){0,6}?(?:instrukcj|poleceni|zasad)",
    r"(?:talimat|kural)\S*\W(?:\S+\s+){0,3}?(?:yok say|unut|göz ardı)",
    # Russian, Chinese, Japanese, Arabic
    r"\b(?:про)?(?:игнорируй|забудь)\w*\W(?:\S+\s+){0,6}?(?:инструкци|указани|правил|команд)",
    r"(?:忽略|无视|忘记|忽視|無視).{0,12}(?:指令|指示|提示|规则|規則)",
    r"(?:指示|命令|プロンプト).{0,12}(?:無視|忘れ)",
    r"تجاهل\w*\W(?:\S+\s+){0,6}?\S*(?:تعليمات|أوامر|قواعد)",
)
_INSTRUCTION = re.compile("|".join(_INSTRUCTIONS))
_STEMS = (
    *("ignor", "disregard", "forget", "overrid", "bypass", "neglect", "system prompt", "your prompt"),
    *(
        "your instr",
        "your rules",
        " mark",
        "you are now",
        " ai",
        " llm",
        "language model",
        "chatbot",
        "assistant",
    ),
    *("(ai", "for model", "to model", "your answer", "your summ", "your repl", "your resp", "your transl"),
    *("every answer", "each answer", "every summ", "each summ", "every repl", "every resp", "each re"),
    *("only in", "only with", "solely ", "asked", "translate this", "summarize this", "summarise this"),
    *(
        "the user",
        "the reader",
        "instead of the",
        "vergiss",
        "vergessen sie",
        "missacht",
        "übergeh",
        "negeer",
    ),
    *("vergeet", "oubli", "olvid", "esqueç", "dimentic", "désobé", "talimat", "kural", "忽", "无视", "無視"),
    *("忘", "игнорируй", "забудь", "تجاهل"),
)
"""One of these is in whatever the patterns match: looking for them is far cheaper."""
_TEMPLATE = re.compile(
    r"<\|[a-z_]{2,24}\|>|\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>|\{\{#?system\}\}|<(?:system|assistant)>"
    r"|(?:^|\n)\s*#{2,4}\s*(?:system|instruction|assistant)\s*:|(?:^|\n)\s*(?:system|assistant)\s*:\s*\S"
    r"|\bbegin system (?:prompt|message)\b"
)
_TEMPLATE_STEMS = ("<|", "inst]", "sys>>", "_of_turn", "{{", "system", "assistant")
_PLACEHOLDER = re.compile(
    r"https?://[^\s<>\"')\]]*(?:[?&][\w.-]{1,30}=(?=[\s\"')\]<,.]|$)|[?&=/](?:\{|\[|<|\$\{|%7b)[\w\s.-]{2,60}"
    r"|=[A-Z]{3,}(?:[\s_+-][A-Z]{2,})+)"
)
_TAGS = re.compile(
    "(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0020-\U000e007e]{3,}|\U0001f3f4[\U000e0020-\U000e007e]{7,}"
)
"""Flags are written so, in six characters at most."""
_OVERRIDES = re.compile("[\u202d\u202e]")
_NO_WIDTH = re.compile("(?<=[A-Za-z])[\u200b\u200c\u200d\u2060\ufeff](?=[A-Za-z])")
_MOST_NO_WIDTH = 3
_BASE64 = re.compile(
    r"(?<![\w+/=])(?:[A-Za-z0-9+/]{4}){8,400}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?![\w+/=])"
)
_SPELT = re.compile(r"(?<!\w)(?:\w[ .\-]{1,3}){7,}\w(?!\w)")
_LOOK_ALIKE = str.maketrans("аеорсухіјѕԁһкмтвнгοαενρτικ", "aeopcyxijsdhkmtbhroaevptik")
_MIXED = re.compile("[a-z][\u0370-\u03ff\u0400-\u052f]|[\u0370-\u03ff\u0400-\u052f][a-z]")


def look(extracted: Extracted, *, name: str = "") -> tuple[Finding, ...]:
    """What is found in a document, in its notes and its name, by kind."""
    counts: Counter[FindingKind] = Counter()
    first: dict[FindingKind, int] = {}
    for segment in _suspects(extracted.segments):
        for kind in kinds(segment.text):
            counts[kind] += 1
            first.setdefault(kind, segment.index)
    if kinds(name):
        counts[FindingKind.INSTRUCTION] += 1
    counts[FindingKind.HIDDEN_INSTRUCTION] += extracted.notes.get(HIDDEN_NOTE, 0)
    return tuple(Finding(kind, counts[kind], first.get(kind)) for kind in FindingKind if counts[kind])


def totals(findings: Sequence[Finding]) -> Mapping[str, int]:
    """How many of each kind."""
    counts: Counter[str] = Counter()
    for finding in findings:
        counts[finding.kind] += finding.count
    return dict(sorted(counts.items()))


def reads_like_instruction(text: str) -> bool:
    """Whether a text is an order to a model, or marked as a turn of one."""
    return not {FindingKind.INSTRUCTION, FindingKind.CHAT_TEMPLATE}.isdisjoint(kinds(text))


def kinds(text: str) -> set[FindingKind]:
    """What one text holds."""
    found: set[FindingKind] = set()
    lowered = text.lower()
    forms = [lowered, *(decoded.lower() for decoded in _decoded(text))]
    if any(_orders(form) for form in forms):
        found.add(FindingKind.INSTRUCTION)
    if any(_TEMPLATE.search(form) for form in forms if any(stem in form for stem in _TEMPLATE_STEMS)):
        found.add(FindingKind.CHAT_TEMPLATE)
    if not text.isascii() and _is_invisible(text):
        found.add(FindingKind.INVISIBLE_CHARACTERS)
    if "://" in text and _PLACEHOLDER.search(text):
        found.add(FindingKind.ADDRESS_WITH_PLACEHOLDER)
    return found


def _orders(text: str) -> bool:
    return any(stem in f" {text}" for stem in _STEMS) and _INSTRUCTION.search(text) is not None


def _suspects(segments: Sequence[Segment]) -> list[Segment]:
    """Segments worth a look: most of a document is put aside in batches, by their plainest signs."""
    found: list[Segment] = []
    characters = 0
    for start in range(0, len(segments), _BATCH):
        batch = segments[start : start + _BATCH]
        together = "\n".join(each.text for each in batch)
        characters += len(together)
        if characters > _MOST_CHARACTERS:
            break
        if _may_hold(together):
            found += batch
    return found


def _may_hold(text: str) -> bool:
    lowered = text.lower()
    return (
        "://" in text
        or any(stem in lowered for stem in (*_STEMS, *_TEMPLATE_STEMS))
        or (not text.isascii() and (_is_invisible(text) or _MIXED.search(lowered) is not None))
        or _SPELT.search(text) is not None
        or _BASE64.search(text) is not None
    )


def _is_invisible(text: str) -> bool:
    return (
        _TAGS.search(text) is not None
        or _OVERRIDES.search(text) is not None
        or len(_NO_WIDTH.findall(text)) >= _MOST_NO_WIDTH
    )


def _decoded(text: str) -> list[str]:
    """What the text says to whoever takes the trouble to read it."""
    found: list[str] = []
    if not text.isascii():
        found += [
            "".join(chr(ord(each) - 0xE0000) for each in match.group().lstrip("\U0001f3f4"))
            for match in _TAGS.finditer(text)
        ]
        plain = "".join(
            each for each in unicodedata.normalize("NFKC", text) if unicodedata.category(each) != "Cf"
        )
        found.append(plain)
        if _MIXED.search(plain.lower()):
            found.append(plain.lower().translate(_LOOK_ALIKE))
    if _SPELT.search(text):
        found.append(_SPELT.sub(_spelt_out, text))
    for match in _BASE64.finditer(text):
        try:
            found.append(base64.b64decode(match.group(), validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            continue
    return found


def _spelt_out(match: re.Match[str]) -> str:
    """The words; two spaces or more part them."""
    return " ".join(re.sub(r"[ .\-]", "", word) for word in re.split(r" {2,}", match.group()))
