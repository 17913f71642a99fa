"""Runs of a segment out of the items that a reader finds in its paragraphs, whatever the format.

Text of the same formatting is one run. The formatting that most of a paragraph has is its usual one and
needs no tag, unless that is in a link, a control or the like; what stands out, and what is opaque, is numbered through the segment in reading order.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from app.documents.segments import Run, RunKind


@dataclass(frozen=True, slots=True)
class Item:
    """Something in a paragraph: text with its formatting (`key`), or an opaque thing with what it shows."""

    text: str
    kind: RunKind = RunKind.TEXT
    key: Hashable = None
    source: object = None
    """What a writer needs to find it again."""
    is_within: bool = False
    """Whether it stands in a link, a control or the like, where text of a place of its own has no business."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run and what it was made of. `paragraph` counts those of the segment from 0; a joint opens its own."""

    run: Run
    items: tuple[Item, ...]
    paragraph: int

    @property
    def lead(self) -> Item:
        """The item whose formatting it has: white space takes that of the text beside it."""
        return _lead(self.items)


def stretches(
    paragraphs: Sequence[Sequence[Item]], joints: Sequence[str] = ("",), *, collapse: bool = False
) -> list[Stretch]:
    """The stretches of a segment of these paragraphs; their texts together are its text, ends stripped.

    `joints` holds what is shown before each paragraph. With `collapse` white space within a paragraph
    is shown as single spaces, as in the row of a table.
    """
    if len(paragraphs) == 1 and not joints[0] and len(paragraphs[0]) == 1:
        # Most paragraphs of a long document.
        (item,) = paragraphs[0]
        if item.kind is RunKind.TEXT and item.text.strip():
            text = " ".join(item.text.split()) if collapse else item.text.strip()
            return [Stretch(Run(text), (replace(item, text=text),), 0)]
    rows: list[tuple[int, Item]] = []
    for number, (items, joint) in enumerate(zip(paragraphs, joints, strict=True)):
        if number or joint:
            rows.append((number, Item(joint, RunKind.JOINT)))
        rows += [(number, item) for item in (_collapsed(items) if collapse else items)]
    texts = _stripped([item.text for _, item in rows])
    shown = [
        (number, item if text == item.text else replace(item, text=text))
        for (number, item), text in zip(rows, texts, strict=True)
        if text or item.kind is not RunKind.TEXT
    ]
    return _numbered(_merged(shown))


def runs_of(found: Sequence[Stretch]) -> tuple[Run, ...]:
    """The runs to keep with a segment: none where there is nothing but usual text."""
    if all(stretch.run.tag == 0 for stretch in found):
        return ()
    return tuple(stretch.run for stretch in found)


def shown_text(parts: Sequence[Run]) -> str:
    """What a reader sees of these runs."""
    return "".join(run.text for run in parts)


def joined(pieces: Sequence[Run]) -> Iterator[Run]:
    """These runs without empty text, neighbours of one tag together."""
    held: Run | None = None
    for piece in pieces:
        if piece.kind is RunKind.TEXT and not piece.text:
            continue
        if held is not None and piece.kind is held.kind is RunKind.TEXT and piece.tag == held.tag:
            held = Run(held.text + piece.text, held.tag)
            continue
        if held is not None:
            yield held
        held = piece
    if held is not None:
        yield held


def _merged(rows: Sequence[tuple[int, Item]]) -> list[tuple[int, list[Item]]]:
    """Neighbours of the same formatting together. White space goes with the text beside it."""
    merged: list[tuple[int, list[Item]]] = []
    for number, item in rows:
        before = merged[-1] if merged else None
        if (
            before is not None
            and before[0] == number
            and item.kind is RunKind.TEXT
            and before[1][-1].kind is RunKind.TEXT
            and (item.text.isspace() or _lead(before[1]).text.isspace() or item.key == _lead(before[1]).key)
        ):
            before[1].append(item)
        else:
            merged.append((number, [item]))
    return merged


def _lead(items: Sequence[Item]) -> Item:
    return next((item for item in items if not item.text.isspace()), items[0])


def _numbered(merged: Sequence[tuple[int, list[Item]]]) -> list[Stretch]:
    letters: dict[int, dict[Hashable, tuple[bool, int]]] = {}
    for number, items in merged:
        if items[0].kind is RunKind.TEXT:
            looks, lead = letters.setdefault(number, {}), _lead(items)
            _, before = looks.get(lead.key, (False, 0))
            # Untagged text of an answer would fall into a link that were usual.
            looks[lead.key] = not lead.is_within, before + sum(len(item.text) for item in items)
    usual = {number: max(looks, key=looks.__getitem__) for number, looks in letters.items()}
    found: list[Stretch] = []
    tag = 0
    for number, items in merged:
        first = _lead(items)
        text = "".join(item.text for item in items)
        plain = first.kind is RunKind.TEXT and (first.key == usual[number] or text.isspace())
        tag += not plain
        run = Run(text, 0 if plain else tag, first.kind)
        found.append(Stretch(run, tuple(items), number))
    return found


def _collapsed(items: Sequence[Item]) -> list[Item]:
    """The items with each run of white space shown as one space, and none at the ends."""
    whole = "".join(item.text for item in items)
    if whole == " ".join(whole.split()):
        return list(items)
    texts = _stripped([item.text for item in items])
    found: list[Item] = []
    after_space = False
    for item, text in zip(items, texts, strict=True):
        words = text.split()
        shown = " ".join(words)
        if text[:1].isspace() and not after_space:
            shown = f" {shown}"
        if words and text[-1].isspace():
            shown += " "
        if shown:
            after_space = shown.endswith(" ")
        found.append(replace(item, text=shown))
    return found


def _stripped(texts: list[str]) -> list[str]:
    texts = list(texts)
    for number, text in enumerate(texts):
        texts[number] = text.lstrip()
        if texts[number]:
            break
    for number in reversed(range(len(texts))):
        texts[number] = texts[number].rstrip()
        if texts[number]:
            break
    return texts
