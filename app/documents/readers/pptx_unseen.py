"""Runs on a slide that nobody sees: minute, clear, or in the colour of what is behind them.

What is behind is known where the shape has one colour, or none and the slide has one; any other text is read.
"""

from collections.abc import Collection

from app.documents.readers.hiding import SMALLEST_POINTS, is_white
from app.documents.readers.package import Package
from app.documents.readers.pptx_shapes import Shape
from app.documents.readers.xml import Element, child, name_of, whole_number

_SMALLEST_HUNDREDTHS = int(100 * SMALLEST_POINTS)
_FILLS = frozenset({"a:gradFill", "a:blipFill", "a:pattFill", "a:grpFill"})
_WHITE = "FFFFFF"


class UnseenRuns:
    """Tells of the runs of one slide."""

    def __init__(self, package: Package, slide: str) -> None:
        self._package = package
        self._slide = slide
        self._themed: dict[str, str] | None = None

    def of(self, paragraph: Element, shape: Shape | None) -> list[Element]:
        """The runs of a paragraph that are not seen; without a shape only those that are minute or clear."""
        found: list[Element] = []
        for run in paragraph:
            properties = child(run, "a:rPr") if name_of(run) == "a:r" else None
            if properties is None:
                continue
            fill = child(properties, "a:solidFill")
            if _is_minute(properties) or _is_clear(fill):
                found.append(run)
            elif shape is not None and fill is not None:
                color = self._color(fill)
                if color is not None and color == self._ground(shape):
                    found.append(run)
        return found

    def _ground(self, shape: Shape) -> str | None:
        """The one colour behind a shape's text; none where it is not known."""
        properties = child(shape.element, "p:spPr")
        if properties is not None:
            own = child(properties, "a:solidFill")
            if own is not None:
                return self._color(own)
            if any(name_of(each) in _FILLS for each in properties):
                return None
            filled_by_style = child(shape.element, "p:style", "a:fillRef")
            if child(properties, "a:noFill") is None and filled_by_style is not None:
                return None
        # A placeholder may take a fill from its layout.
        return self._background() if not shape.placeholder else None

    def _background(self) -> str | None:
        part: str | None = self._slide
        for above in ("slideLayout", "slideMaster", ""):
            if part is None:
                return None
            background = child(self._package.xml(part), "p:cSld", "p:bg")
            if background is not None:
                told = child(background, "p:bgRef")
                own = child(background, "p:bgPr", "a:solidFill")
                return self._color(told) if told is not None else None if own is None else self._color(own)
            part = self._related(part, above)
        return None

    def _color(self, holder: Element) -> str | None:
        """The colour in six digits; none where it is worked out of another or not known."""
        for each in holder:
            if len(each):
                return None
            match name_of(each):
                case "a:srgbClr":
                    return _plain(each.get("val", ""))
                case "a:schemeClr":
                    return self._theme().get(each.get("val", ""))
                case "a:sysClr":
                    return _plain(each.get("lastClr", ""))
                case _:
                    return None
        return None

    def _theme(self) -> dict[str, str]:
        if self._themed is None:
            self._themed = self._read_theme()
        return self._themed

    def _read_theme(self) -> dict[str, str]:
        """The theme's colours by their names, and by those under which the master uses them."""
        layout = self._related(self._slide, "slideLayout")
        master = None if layout is None else self._related(layout, "slideMaster")
        theme = None if master is None else self._related(master, "theme")
        if master is None or theme is None:
            return {}
        scheme = child(self._package.xml(theme), "a:themeElements", "a:clrScheme")
        colors: dict[str, str] = {}
        for each in () if scheme is None else scheme:
            value = next(iter(each), None)
            if value is not None:
                colors[name_of(each)[2:]] = _plain(value.get("lastClr") or value.get("val") or "")
        used = child(self._package.xml(master), "p:clrMap")
        aliases = {} if used is None else {str(name): str(value) for name, value in used.attrib.items()}
        return colors | {name: colors[value] for name, value in aliases.items() if value in colors}

    def _related(self, part: str, kind: str) -> str | None:
        return next(
            (
                each.part
                for each in self._package.relationships(part)
                if each.kind == kind and self._package.has(each.part)
            ),
            None,
        )


def text_of_runs(runs: Collection[Element]) -> list[str]:
    """What these runs say, each."""
    return ["".join(each.text or "" for each in run.iter("{*}t")) for run in runs]


def _is_minute(properties: Element) -> bool:
    size = whole_number(properties.get("sz"))
    return size is not None and size <= _SMALLEST_HUNDREDTHS


def _is_clear(fill: Element | None) -> bool:
    color = None if fill is None else next(iter(fill), None)
    alpha = None if color is None else child(color, "a:alpha")
    return alpha is not None and alpha.get("val") == "0"


def _plain(color: str) -> str:
    return _WHITE if is_white(color) else color.upper()
