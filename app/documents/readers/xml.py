"""Parsing of Office XML: no DTD, no entities, no network, and names that hold in both dialects.

A transitional and a strict file have the same elements in different namespaces; `name_of` gives
both the same short name ("w:p"), so that readers know one.
"""

import io
from collections.abc import Iterator

from lxml import etree

from app.documents.errors import TooComplex, UnreadableFile

_PREFIXES = {
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main": "w",
    "http://purl.oclc.org/ooxml/wordprocessingml/main": "w",
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships": "r",
    "http://purl.oclc.org/ooxml/officeDocument/relationships": "r",
    "http://schemas.openxmlformats.org/officeDocument/2006/math": "m",
    "http://purl.oclc.org/ooxml/officeDocument/math": "m",
    "http://schemas.openxmlformats.org/markup-compatibility/2006": "mc",
    "http://schemas.microsoft.com/office/word/2010/wordml": "w14",
    "http://schemas.openxmlformats.org/drawingml/2006/main": "a",
    "http://purl.oclc.org/ooxml/drawingml/main": "a",
    "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing": "wp",
    "http://purl.oclc.org/ooxml/drawingml/wordprocessingDrawing": "wp",
    "http://schemas.openxmlformats.org/drawingml/2006/chart": "c",
    "http://purl.oclc.org/ooxml/drawingml/chart": "c",
    "http://schemas.openxmlformats.org/drawingml/2006/diagram": "dgm",
    "http://purl.oclc.org/ooxml/drawingml/diagram": "dgm",
    "http://schemas.openxmlformats.org/drawingml/2006/picture": "pic",
    "http://purl.oclc.org/ooxml/drawingml/picture": "pic",
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main": "x",
    "http://purl.oclc.org/ooxml/spreadsheetml/main": "x",
    "http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing": "xdr",
    "http://purl.oclc.org/ooxml/drawingml/spreadsheetDrawing": "xdr",
    "http://schemas.openxmlformats.org/presentationml/2006/main": "p",
    "http://purl.oclc.org/ooxml/presentationml/main": "p",
    "urn:schemas-microsoft-com:vml": "v",
}
_ENCODINGS = frozenset({"UTF-8", "UTF8", "UTF-16", "UTF-16LE", "UTF-16BE", "US-ASCII", "ASCII"})
"""What the packaging standard allows (ECMA-376 part 2); others could hide a DTD from the search below."""
_DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))

# libxml2's codes, xmlParserErrors in xmlerror.h.
_ERR_NO_MEMORY = 2
_ERR_RESOURCE_LIMIT = 114

Element = etree._Element  # noqa: SLF001 (lxml has no public name for it)


class _Names(dict[str, str]):
    """Short names by qualified name, worked out once each."""

    def __missing__(self, tag: object) -> str:
        if not isinstance(tag, str):
            # A comment or a processing instruction, where they are kept.
            return "?:"
        namespace, _, local = tag[1:].rpartition("}")
        prefix = _PREFIXES.get(namespace)
        name = f"{prefix}:{local}" if prefix else f"?:{local}"
        # Hostile files may invent names without end.
        if len(self) < 10_000:
            self[tag] = name
        return name


_NAMES = _Names()
_ATTRIBUTES: dict[str, tuple[str, ...]] = {}


def parse(content: bytes, *, whole: bool = False) -> Element:
    """The root of a part. Raises: `UnreadableFile` for a DTD or bad XML, `TooComplex` for too deep a one.

    With `whole` comments and processing instructions are kept, for a part that is written again.
    """
    refuse_doctype(content)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=not whole,
        remove_pis=not whole,
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise _refusal(error) from error
    information = root.getroottree().docinfo
    if information.internalDTD is not None:
        raise _dtd()
    if (information.encoding or "UTF-8").upper() not in _ENCODINGS:
        raise UnreadableFile("A part of the file is in an encoding that Office does not write; save it anew.")
    return root


def walk(content: bytes, local: str) -> Iterator[Element]:
    """The elements of that local name, each when it is whole, then forgotten. Raises: as `parse`."""
    refuse_doctype(content)
    found = etree.iterparse(
        io.BytesIO(content),
        events=("end",),
        tag="{*}" + local,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        for _, element in found:
            yield element
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise _refusal(error) from error


def refuse_doctype(content: bytes) -> None:
    """Refuse a part in which a document type is declared, for parsers that are not ours. Raises: `UnreadableFile`."""
    if any(doctype in content for doctype in _DOCTYPES):
        raise _dtd()


def name_of(element: Element) -> str:
    """The short name: "w:p" in both dialects, "?:local" in a namespace that readers do not know."""
    return _NAMES[element.tag]


def attribute(element: Element, name: str) -> str | None:
    """The value of an attribute by short name ("w:val"), in either dialect."""
    for qualified in _qualified(name):
        value = element.get(qualified)
        if value is not None:
            return value
    return None


def whole_number(text: str | None) -> int | None:
    """What an id, a count or a size says; None for what is none, and for more digits than any of them has."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 12 else None


def child(element: Element, *names: str) -> Element | None:
    """The first child of that name, then its first child of the next, and so on."""
    found = element
    for name in names:
        # Of all that readers call, this is called most: a plain loop takes half the time.
        for each in found:
            if _NAMES[each.tag] == name:
                found = each
                break
        else:
            return None
    return found


def on(element: Element | None) -> bool:
    """Whether a toggle property is there and not switched off (`<w:vanish w:val="0"/>`)."""
    return element is not None and attribute(element, "w:val") not in {"0", "false", "off"}


def _qualified(name: str) -> tuple[str, ...]:
    if name not in _ATTRIBUTES:
        prefix, _, local = name.partition(":")
        _ATTRIBUTES[name] = tuple(f"{{{uri}}}{local}" for uri, short in _PREFIXES.items() if short == prefix)
    return _ATTRIBUTES[name]


def _dtd() -> UnreadableFile:
    return UnreadableFile(
        "The file declares a document type, which Office never writes and harmful files do;"
        " save it anew in its program and send that."
    )


def _refusal(error: etree.XMLSyntaxError) -> UnreadableFile | TooComplex:
    code = getattr(error, "code", None)
    if code == _ERR_NO_MEMORY:
        # libxml2 tells of exhausted memory as of bad XML.
        raise MemoryError from error
    # libxml2's own limits: depth 256, a text node of 10 MB.
    said = str(error.msg)
    if code == _ERR_RESOURCE_LIMIT or "Excessive depth" in said or "huge" in said.lower():
        return TooComplex(
            "The file is nested deeper, or holds longer texts, than any document needs; simplify it."
        )
    return UnreadableFile()
