"""The text inside one paragraph: what a person sees on the page, and what hangs on it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from app.documents.readers.docx_styles import Styles
from app.documents.readers.docx_units import Role, Unit, is_link, open_links
from app.documents.readers.docx_unseen import is_unseen
from app.documents.readers.hiding import count_hidden
from app.documents.readers.xml import Element, attribute, child, name_of, on

_PRIVATE_USE = range(0xE000, 0xF900)
_VALUES = frozenset(
    {
        "w:dropDownList",
        "w:comboBox",
        "w:date",
        "w14:checkbox",
        "w:picture",
        "w:dataBinding",
        "w15:dataBinding",
    }
)
"""Content controls whose text Word takes from elsewhere: it is shown, and nobody's to write."""
_POINTS = frozenset(
    {
        "w:commentReference",
        "w:instrText",
        "w:permStart",
        "w:permEnd",
        *(
            f"w:{kind}Range{end}"
            for kind in (
                "moveFrom",
                "moveTo",
                "customXmlIns",
                "customXmlDel",
                "customXmlMoveFrom",
                "customXmlMoveTo",
            )
            for end in ("Start", "End")
        ),
    }
)
"""Marks that show nothing."""


@dataclass
class Inline:
    """A paragraph's text; ids of its foot- and endnotes as (kind, id); contents of its text boxes."""

    text: str = ""
    notes: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[Element] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    """Everything in the paragraph, one by one; their texts together are its text."""
    graphics: list[tuple[str, str]] = field(default_factory=list)
    """What is drawn there: ("chart" or "diagram", its relationship), ("description", its text)."""


@dataclass
class _State:
    paragraph: Element
    hidden_style: bool
    found: Inline = field(default_factory=Inline)
    fields: list[bool] = field(default_factory=list)
    """Open fields; true while their instruction is read, whose parts are not shown."""
    hidden: bool = False
    hidden_texts: list[str] = field(default_factory=list)
    run: Element | None = None
    chain: tuple[Element, ...] = ()
    """What the place is wrapped in and stays so: links, controls."""


class InlineReader:
    """Reads paragraphs; counts in `counts` what it leaves out or takes in a certain way."""

    def __init__(self, styles: Styles, counts: Counter[str]) -> None:
        self._styles = styles
        self._counts = counts
        self._visits: dict[str, Callable[[Element, _State], None]] = {
            "w:t": self._text,
            "m:t": self._text,
            "a:t": self._text,
            "w:r": self._run,
            "w:sym": self._symbol,
            "w:fldChar": self._field,
            "w:footnoteReference": self._note,
            "w:endnoteReference": self._note,
            "w:fldSimple": self._simple_field,
            "w:del": self._removed,
            "w:moveFrom": self._removed,
            "w:ins": self._inserted,
            "w:moveTo": self._inserted,
            "w:sdt": self._control,
            "mc:AlternateContent": self._alternate,
            "w:txbxContent": lambda element, state: state.found.boxes.append(element),
            "pic:pic": lambda _element, _state: self._counts.update(images=1),
            "v:imagedata": lambda _element, _state: self._counts.update(images=1),
            "c:chart": lambda element, state: _draw("chart", attribute(element, "r:id"), state),
            "dgm:relIds": lambda element, state: _draw("diagram", attribute(element, "r:dm"), state),
            "wp:docPr": lambda element, state: _draw("description", element.get("descr"), state),
            **dict.fromkeys(("w:tab", "w:ptab"), lambda e, state: self._show(e, "\t", Role.TAB, state)),
            **dict.fromkeys(("w:br", "w:cr"), lambda e, state: self._show(e, "\n", Role.BREAK, state)),
            "w:noBreakHyphen": lambda element, state: self._show(element, "\u2011", Role.TEXT, state),
            **dict.fromkeys(("w:hyperlink", "w:smartTag", "w:customXml", "w:dir", "w:bdo"), self._wrapper),
            **dict.fromkeys(("w:bookmarkStart", "w:commentRangeStart"), self._mark(Role.START)),
            **dict.fromkeys(("w:bookmarkEnd", "w:commentRangeEnd"), self._mark(Role.END)),
            **dict.fromkeys(_POINTS, self._mark(Role.POINT)),
            **dict.fromkeys(
                ("w:proofErr", "w:lastRenderedPageBreak", "w:softHyphen"), self._mark(Role.STALE)
            ),
            # Properties, and the reading aid above a ruby's base text.
            **dict.fromkeys(("w:pPr", "w:rPr", "w:sdtPr", "w:rt", "w:rubyPr"), lambda _element, _state: None),
        }

    def read(self, paragraph: Element) -> Inline:
        """What the paragraph shows. Unknown elements are gone into, so that no text is lost in them."""
        state = _State(paragraph, hidden_style=self._styles.paragraph_hidden(paragraph))
        self._children(paragraph, state)
        open_links(state.found.units)
        count_hidden(self._counts, state.hidden_texts)
        state.found.text = "".join(unit.text for unit in state.found.units)
        return state.found

    def _children(self, element: Element, state: _State) -> None:
        for each in element:
            visit = self._visits.get(name_of(each))
            if visit is not None:
                visit(each, state)
            else:
                self._object(each, state)

    def _show(self, element: Element, text: str, role: Role, state: _State) -> None:
        shown = not state.hidden and not any(state.fields)
        state.found.units.append(
            Unit(element, state.run, state.chain, text if shown else "", role if shown else Role.POINT)
        )

    def _mark(self, role: Role) -> Callable[[Element, _State], None]:
        def add(element: Element, state: _State) -> None:
            state.found.units.append(Unit(element, state.run, state.chain, "", role))

        return add

    def _object(self, element: Element, state: _State) -> None:
        """Something that is kept as it is, with all it shows."""
        self._whole(element, element, state)

    def _whole(self, element: Element, inside: Element | None, state: _State) -> None:
        start = len(state.found.units)
        if inside is not None:
            self._children(inside, state)
        text = "".join(unit.text for unit in state.found.units[start:])
        del state.found.units[start:]
        self._show(element, text, Role.OBJECT if text or not _floats(element) else Role.POINT, state)

    def _text(self, element: Element, state: _State) -> None:
        if state.hidden and element.text:
            state.hidden_texts.append(element.text)
        self._show(element, element.text or "", Role.TEXT, state)

    def _run(self, run: Element, state: _State) -> None:
        outside, around = state.hidden, state.run
        state.hidden = (
            outside
            or self._styles.run_hidden(run, paragraph_hidden=state.hidden_style)
            or is_unseen(run, state.paragraph, self._styles)
        )
        state.run = run
        self._children(run, state)
        state.hidden, state.run = outside, around

    def _wrapper(self, element: Element, state: _State) -> None:
        self._within(element, element, state)

    def _within(self, wrapper: Element, inside: Element, state: _State) -> None:
        before = len(state.found.units)
        outside = state.chain
        state.chain = (*outside, wrapper)
        self._children(inside, state)
        state.chain = outside
        if len(state.found.units) == before:
            state.found.units.append(Unit(wrapper, state.run, outside, "", Role.POINT))

    def _symbol(self, element: Element, state: _State) -> None:
        """A character by number; those of private use mean something only in their font."""
        try:
            code = int(attribute(element, "w:char") or "", 16)
        except ValueError:
            code = _PRIVATE_USE.start
        shown = code < 0xD800 and code not in _PRIVATE_USE
        self._show(element, chr(code) if shown else "", Role.OBJECT, state)

    def _field(self, element: Element, state: _State) -> None:
        role = Role.POINT
        match attribute(element, "w:fldCharType"):
            case "begin":
                state.fields.append(True)
                role = Role.BEGIN
            case "separate" if state.fields:
                state.fields[-1] = False
            case "end" if state.fields:
                state.fields.pop()
                role = Role.FINISH
            case _:
                pass
        state.found.units.append(Unit(element, state.run, state.chain, "", role))

    def _simple_field(self, element: Element, state: _State) -> None:
        (self._wrapper if is_link(attribute(element, "w:instr") or "") else self._object)(element, state)

    def _note(self, element: Element, state: _State) -> None:
        identity = attribute(element, "w:id")
        if identity is not None and not state.hidden:
            state.found.notes.append((name_of(element)[2:].removesuffix("Reference"), identity))
        self._show(element, "", Role.NOTE, state)

    def _removed(self, element: Element, state: _State) -> None:
        self._counts["tracked_changes"] += 1
        state.found.units.append(Unit(element, state.run, state.chain, "", Role.REMOVED))

    def _inserted(self, element: Element, state: _State) -> None:
        self._counts["tracked_changes"] += 1
        self._children(element, state)

    def _control(self, element: Element, state: _State) -> None:
        if is_placeholder(element):
            self._counts["placeholders"] += 1
            self._show(element, "", Role.OBJECT, state)
            return
        content = child(element, "w:sdtContent")
        properties = child(element, "w:sdtPr")
        if content is None or any(
            name_of(each) in _VALUES for each in (() if properties is None else properties)
        ):
            self._object(element, state)
            return
        self._within(element, content, state)

    def _alternate(self, element: Element, state: _State) -> None:
        """One version of it is read; it is kept whole."""
        self._whole(element, choice(element), state)


def _floats(element: Element) -> bool:
    """Whether it is a picture or shape beside the text, whose place in it nobody sees."""
    return len(element) > 0 and next(element.iter("{*}anchor"), None) is not None


def _draw(what: str, value: str | None, state: _State) -> None:
    if value and not state.hidden:
        state.found.graphics.append((what, value))


def choice(alternate: Element) -> Element | None:
    """The one version of an alternate content that is read: the first choice, else the fallback."""
    chosen = child(alternate, "mc:Choice")
    return child(alternate, "mc:Fallback") if chosen is None else chosen


def is_placeholder(control: Element) -> bool:
    """Whether a content control shows "click to enter text" only."""
    return on(child(control, "w:sdtPr", "w:showingPlcHdr"))
