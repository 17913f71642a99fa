"""Styles of a Word document: what a style says of headings, lists and hidden text along its basedOn chain."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.documents.readers.xml import Element, attribute, child, name_of, on, whole_number

_HEADING_NAME = re.compile(r"heading ([1-9])")
_BODY_TEXT = 9
"""The outline level that says "no heading"."""


@dataclass(frozen=True)
class _Style:
    name: str
    based_on: str | None
    outline: int | None
    numbered: bool | None
    hidden: bool | None
    shaded: bool


class Styles:
    """The styles part, or none."""

    def __init__(self, root: Element | None) -> None:
        self._styles: dict[str, _Style] = {}
        self._default: str | None = None
        self._levels: dict[str | None, int | None] = {}
        for style in () if root is None else root.iter():
            if name_of(style) == "w:style":
                self._add(style)

    def heading_level(self, paragraph: Element) -> int | None:
        """0 for the title, 1 to 9 for headings, `None` for body text."""
        properties = child(paragraph, "w:pPr")
        if properties is None:
            return self._style_level(None)
        direct = _outline(properties)
        if direct is not None:
            return None if direct == _BODY_TEXT else direct + 1
        return self._style_level(_value(child(properties, "w:pStyle")))

    def is_list_item(self, paragraph: Element) -> bool:
        """Whether the paragraph is numbered or has a bullet; numbering 0 takes a style's away."""
        properties = child(paragraph, "w:pPr")
        if properties is None:
            return False
        direct = _numbered(properties)
        if direct is not None:
            return direct
        chain = self._chain(_value(child(properties, "w:pStyle")))
        return next((style.numbered for style in chain if style.numbered is not None), False)

    def paragraph_hidden(self, paragraph: Element) -> bool:
        """Whether the paragraph's style hides its text."""
        return self._hidden(_value(child(paragraph, "w:pPr", "w:pStyle")))

    def paragraph_shaded(self, paragraph: Element) -> bool:
        """Whether the paragraph's style may put a colour behind its text."""
        return any(style.shaded for style in self._chain(_value(child(paragraph, "w:pPr", "w:pStyle"))))

    def run_hidden(self, run: Element, *, paragraph_hidden: bool) -> bool:
        """Whether a run is hidden: by itself, else by its style, else by the paragraph's."""
        properties = child(run, "w:rPr")
        if properties is None:
            return paragraph_hidden
        direct = child(properties, "w:vanish")
        if direct is not None:
            return on(direct)
        style = _value(child(properties, "w:rStyle"))
        return self._hidden(style) if style is not None and self._hidden(style) else paragraph_hidden

    def _add(self, style: Element) -> None:
        identity = attribute(style, "w:styleId")
        if identity is None:
            return
        properties = child(style, "w:pPr")
        vanish = child(style, "w:rPr", "w:vanish")
        self._styles[identity] = _Style(
            name=(_value(child(style, "w:name")) or "").lower(),
            based_on=_value(child(style, "w:basedOn")),
            outline=None if properties is None else _outline(properties),
            numbered=None if properties is None else _numbered(properties),
            hidden=None if vanish is None else on(vanish),
            shaded=any(child(style, properties, "w:shd") is not None for properties in ("w:pPr", "w:rPr")),
        )
        if attribute(style, "w:type") == "paragraph" and attribute(style, "w:default") in {"1", "true", "on"}:
            self._default = identity

    def _chain(self, identity: str | None) -> Iterator[_Style]:
        """The style and those it is based on; a circle ends."""
        seen: set[str] = set()
        identity = identity or self._default
        while identity is not None and identity not in seen and identity in self._styles:
            seen.add(identity)
            yield self._styles[identity]
            identity = self._styles[identity].based_on

    def _style_level(self, identity: str | None) -> int | None:
        if identity not in self._levels:
            self._levels[identity] = next(
                (level for level in map(_level, self._chain(identity)) if level is not None), None
            )
        level = self._levels[identity]
        return None if level is None or level > _BODY_TEXT else level

    def _hidden(self, identity: str | None) -> bool:
        return bool(
            next((style.hidden for style in self._chain(identity) if style.hidden is not None), False)
        )


def _level(style: _Style) -> int | None:
    """What one style says itself: a level, beyond the last for "body text", or nothing."""
    if style.outline is not None:
        return style.outline + 1
    heading = _HEADING_NAME.fullmatch(style.name)
    if heading is not None:
        return int(heading.group(1))
    return 0 if style.name == "title" else None


def _value(element: Element | None) -> str | None:
    return None if element is None else attribute(element, "w:val")


def _number(element: Element | None) -> int | None:
    return whole_number(_value(element))


def _outline(properties: Element) -> int | None:
    level = _number(child(properties, "w:outlineLvl"))
    return level if level is None or level <= _BODY_TEXT else None


def _numbered(properties: Element) -> bool | None:
    numbering = child(properties, "w:numPr")
    if numbering is None:
        return None
    identity = _value(child(numbering, "w:numId"))
    return None if identity is None else identity != "0"
