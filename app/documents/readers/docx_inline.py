"""The text inside one paragraph: what a person sees on the page, and what hangs on it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from app.documents.readers.docx_styles import Styles
from app.documents.readers.xml import Element, attribute, child, name_of, on

_PRIVATE_USE = range(0xE000, 0xF900)


@dataclass
class Inline:
    """A paragraph's text; ids of its foot- and endnotes as (kind, id); contents of its text boxes."""

    text: str = ""
    notes: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[Element] = field(default_factory=list)


@dataclass
class _State:
    hidden_style: bool
    pieces: list[str] = field(default_factory=list)
    found: Inline = field(default_factory=Inline)
    fields: list[bool] = field(default_factory=list)
    """Open fields; true while their instruction is read, whose parts are not shown."""
    hidden: bool = False


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
            "w:del": self._removed,
            "w:moveFrom": self._removed,
            "w:ins": self._inserted,
            "w:moveTo": self._inserted,
            "w:sdt": self._control,
            "mc:AlternateContent": self._alternate,
            "w:txbxContent": lambda element, state: state.found.boxes.append(element),
            "pic:pic": lambda _element, _state: self._counts.update(images=1),
            "v:imagedata": lambda _element, _state: self._counts.update(images=1),
            "c:chart": lambda _element, _state: self._counts.update(charts=1),
            "dgm:relIds": lambda _element, _state: self._counts.update(diagrams=1),
            **dict.fromkeys(("w:tab", "w:ptab"), lambda _element, state: self._show("\t", state)),
            **dict.fromkeys(("w:br", "w:cr"), lambda _element, state: self._show("\n", state)),
            "w:noBreakHyphen": lambda _element, state: self._show("\u2011", state),
            # Properties, and the reading aid above a ruby's base text.
            **dict.fromkeys(("w:pPr", "w:rPr", "w:sdtPr", "w:rt", "w:rubyPr"), lambda _element, _state: None),
        }

    def read(self, paragraph: Element) -> Inline:
        """What the paragraph shows. Unknown elements are gone into, so that no text is lost in them."""
        state = _State(hidden_style=self._styles.paragraph_hidden(paragraph))
        self._children(paragraph, state)
        state.found.text = "".join(state.pieces)
        return state.found

    def _children(self, element: Element, state: _State) -> None:
        for each in element:
            visit = self._visits.get(name_of(each))
            if visit is not None:
                visit(each, state)
            elif len(each):
                self._children(each, state)

    def _show(self, text: str, state: _State) -> None:
        if not state.hidden and not any(state.fields):
            state.pieces.append(text)

    def _text(self, element: Element, state: _State) -> None:
        if state.hidden and element.text:
            self._counts["hidden_text"] += 1
        self._show(element.text or "", state)

    def _run(self, run: Element, state: _State) -> None:
        outside = state.hidden
        state.hidden = outside or self._styles.run_hidden(run, paragraph_hidden=state.hidden_style)
        self._children(run, state)
        state.hidden = outside

    def _symbol(self, element: Element, state: _State) -> None:
        """A character by number; those of private use mean something only in their font."""
        try:
            code = int(attribute(element, "w:char") or "", 16)
        except ValueError:
            return
        if code < 0xD800 and code not in _PRIVATE_USE:
            self._show(chr(code), state)

    def _field(self, element: Element, state: _State) -> None:
        match attribute(element, "w:fldCharType"):
            case "begin":
                state.fields.append(True)
            case "separate" if state.fields:
                state.fields[-1] = False
            case "end" if state.fields:
                state.fields.pop()
            case _:
                pass

    def _note(self, element: Element, state: _State) -> None:
        identity = attribute(element, "w:id")
        if identity is not None and not state.hidden:
            state.found.notes.append((name_of(element)[2:].removesuffix("Reference"), identity))

    def _removed(self, _element: Element, _state: _State) -> None:
        self._counts["tracked_changes"] += 1

    def _inserted(self, element: Element, state: _State) -> None:
        self._counts["tracked_changes"] += 1
        self._children(element, state)

    def _control(self, element: Element, state: _State) -> None:
        if is_placeholder(element):
            self._counts["placeholders"] += 1
            return
        content = child(element, "w:sdtContent")
        if content is not None:
            self._children(content, state)

    def _alternate(self, element: Element, state: _State) -> None:
        chosen = choice(element)
        if chosen is not None:
            self._children(chosen, state)


def choice(alternate: Element) -> Element | None:
    """The one version of an alternate content that is read: the first choice, else the fallback."""
    chosen = child(alternate, "mc:Choice")
    return child(alternate, "mc:Fallback") if chosen is None else chosen


def is_placeholder(control: Element) -> bool:
    """Whether a content control shows "click to enter text" only."""
    return on(child(control, "w:sdtPr", "w:showingPlcHdr"))
