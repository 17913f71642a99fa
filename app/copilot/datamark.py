"""Datamarking: document text carries a mark that whoever wrote the document cannot know.

A model is told that marked text is data, so an instruction hidden in a document stands out from ours
(spotlighting, arXiv 2403.14720; delimiters alone failed there). The mark is keyed per tenant and
text and does not occur in the text, so it comes out again without a trace; the same text gets the
same mark, so that results can be reused.

Marked is every fourth word, where the paper marks each: a mark costs about two tokens, so each word
would triple the bill, and no instruction of more than four words stays unmarked.
"""

import hashlib
import hmac
import re

_ALPHABET = "^~|¦¬¤¶°±¨†‡◊≈√∆"
_EVERY = 4
# After white space, or after a CJK stop where there is none.
_PLACES = re.compile(r"\s+|[。、！？，；：]")
# Inside what a chat template could read as its own.
_CONTROLS = re.compile(r"<(?=[|/])|\[(?=/?INST)")
_TRIES_PER_LENGTH = 32


def mark_for(key: bytes, text: str) -> str:
    """The mark of a text: two or more rare characters that do not stand in it together.

    `key` is the tenant's; the same key and text give the same mark.
    """
    content = text.encode("utf-8", "surrogatepass")
    for attempt in range(10_000):
        digest = hmac.digest(key, b"%d|" % attempt + content, hashlib.sha256)
        length = 2 + attempt // _TRIES_PER_LENGTH
        mark = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:length])
        if mark not in text:
            return mark
    raise AssertionError("a text cannot hold every mark")


def put_marks(text: str, mark: str) -> str:
    """The text with the mark at its beginning and at every fourth word, never splitting a word."""
    count = 0

    def place(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return match.group() + (mark if count % _EVERY == 0 else "")

    return mark + _PLACES.sub(place, _CONTROLS.sub(lambda match: match.group() + mark, text))


def remove_marks(text: str, mark: str) -> str:
    """What `put_marks` was given."""
    return text.replace(mark, "") if mark else text


def remove_from_answer(answer: str, mark: str) -> str:
    """A model's answer without the marks that it copied, also where its JSON writes them as escapes."""
    if not mark:
        return answer
    each = "".join(rf"(?:{re.escape(one)}|\\u(?i:{ord(one):04x}))" for one in mark)
    return re.sub(each, "", answer)
