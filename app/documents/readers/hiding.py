"""Text that is in a file and that nobody sees: hidden outright, in the colour of its ground, or far too small.

It is counted and not read. What is called white or too small errs on the side of reading: text that is left
out by mistake is lost to a member, text that is read by mistake still passes the checks of every answer.
"""

from collections import Counter
from collections.abc import Sequence

from app.documents.readers.xml import Element
from app.documents.suspicion import HIDDEN_NOTE, reads_like_instruction

SMALLEST_POINTS = 2.0
"""Text of this size or less is not read by people; the smallest print of contracts has 4."""
_WHITE = 0xFA
_LONGEST = 20_000


def count_hidden(notes: Counter[str], texts: Sequence[str]) -> None:
    """Count pieces of hidden text, and whether together they read like an instruction to a model."""
    shown = [text for text in texts if text.strip()]
    if not shown:
        return
    notes["hidden_text"] += len(shown)
    count_instructions(notes, "".join(shown))


def count_instructions(notes: Counter[str], text: str) -> None:
    """Count a text that is not read if it reads like an instruction to a model."""
    if reads_like_instruction(text[:_LONGEST]):
        notes[HIDDEN_NOTE] += 1


def text_within(element: Element) -> str:
    """The texts in an element of an Office file, put together."""
    return "".join(each.text or "" for each in element.iter("{*}t", "{*}text"))


def is_white(color: str | None) -> bool:
    """Whether a colour in six hexadecimal digits is white or all but white."""
    if color is None or len(color) != 6:
        return False
    try:
        return all(int(color[at : at + 2], 16) >= _WHITE for at in (0, 2, 4))
    except ValueError:
        return False
