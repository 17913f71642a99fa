"""The text of a cell: a shared or an inline string, plain or in runs of its own formatting."""

import re
from collections.abc import Sequence
from copy import deepcopy

from lxml import etree

from app.documents.readers.xml import Element, child, name_of
from app.documents.runs import Item, Stretch
from app.documents.segments import Run, RunKind
from app.documents.writers.pieces import clean

_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_LINES = re.compile("(\n)")


def items(string: Element) -> list[Item]:
    """The items of an `x:si` or `x:is`; the source of each is the properties of its run, if it has any."""
    found: list[Item] = []
    for each in string:
        match name_of(each):
            case "x:t":
                found += _lines(each.text or "", None)
            case "x:r":
                text = child(each, "x:t")
                found += _lines("" if text is None else text.text or "", child(each, "x:rPr"))
            case _:
                pass
    return found


def rewrite(string: Element, source: Sequence[Stretch], runs: Sequence[Run]) -> None:
    """Put `runs` in place of the string's; what tells how the old text is spoken goes with it."""
    raw = "".join(item.text for item in items(string))
    looks = {each.run.tag: each.lead.source for each in reversed(source)}
    parts: list[tuple[object, str]] = [(None, "")]
    for run in runs:
        look = looks.get(run.tag)
        if run.kind is not RunKind.TEXT and parts[-1][1]:
            look = parts[-1][0]
        if look is parts[-1][0]:
            parts[-1] = look, parts[-1][1] + run.text
        else:
            parts.append((look, run.text))
    parts = [part for part in parts if part[1]] or [(None, "")]
    parts[0] = parts[0][0], raw[: len(raw) - len(raw.lstrip())] + parts[0][1]
    parts[-1] = parts[-1][0], parts[-1][1] + raw[len(raw.rstrip()) :]
    kept = [each for each in string if name_of(each) not in {"x:t", "x:r", "x:rPh", "x:phoneticPr"}]
    string[:] = []
    namespace = etree.QName(string).namespace
    for look, text in parts:
        holder = string
        if isinstance(look, etree._Element) or len(parts) > 1:  # noqa: SLF001 (lxml has no public name for it)
            holder = etree.SubElement(string, f"{{{namespace}}}r")
        if isinstance(look, etree._Element):  # noqa: SLF001 (lxml has no public name for it)
            holder.append(deepcopy(look))
            holder[0].tail = None
        element = etree.SubElement(holder, f"{{{namespace}}}t")
        element.text = clean(text)
        element.set(_SPACE, "preserve")
    string.extend(kept)


def _lines(text: str, look: Element | None) -> list[Item]:
    key = b"" if look is None else etree.tostring(look, with_tail=False)
    return [
        Item(part, RunKind.BREAK, source=look) if part == "\n" else Item(part, key=key, source=look)
        for part in _LINES.split(text)
        if part
    ]
