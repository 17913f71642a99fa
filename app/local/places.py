"""Where something stands in the documents of a job, in words for a terminal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def document_name(citation: Mapping[str, Any], documents: Sequence[str]) -> str | None:
    """Which of the documents a citation is from."""
    index = citation.get("document")
    return documents[index] if isinstance(index, int) and 0 <= index < len(documents) else None


def source(citation: Mapping[str, Any], documents: Sequence[str]) -> str:
    """The place of a citation, after the name of its document where there are several."""
    name = document_name(citation, documents) if len(documents) > 1 else None
    where = place(citation.get("anchor") or {})
    return where if name is None else f"{name}, {where}"


def sources(citations: Sequence[Mapping[str, Any]], documents: Sequence[str]) -> str:
    """The places of several citations, each once."""
    return "; ".join(dict.fromkeys(source(one, documents) for one in citations))


def place(anchor: Mapping[str, Any]) -> str:
    """Where an anchor points, in words."""
    words = _WORDS.get(str(anchor.get("type")))
    return "in the document" if words is None else words(anchor)


def _word(anchor: Mapping[str, Any]) -> str:
    part = str(anchor.get("part", "")).rpartition("/")[2].removesuffix(".xml")
    paragraph = f"paragraph {_counted(anchor.get('ordinal'))}"
    return paragraph if part in {"", "document"} else f"{part}, {paragraph}"


def _cells(anchor: Mapping[str, Any]) -> str:
    sheet = anchor.get("worksheet")
    return f"{sheet}!{anchor.get('a1')}" if sheet else str(anchor.get("a1"))


def _slide(anchor: Mapping[str, Any]) -> str:
    part = f"{anchor['part']} of " if anchor.get("part") else ""
    return f"{part}slide id {anchor.get('slide_id')}, paragraph {_counted(anchor.get('paragraph'))}"


def _mail(anchor: Mapping[str, Any]) -> str:
    """Before the last slash stand the numbers of the attached mails around it."""
    around, _, name = str(anchor.get("part", "")).rpartition("/")
    return f"{name} of attached mail {around}" if around else f"{name} of the mail"


def _counted(position: object) -> int:
    """As people count: from 1."""
    return (position if isinstance(position, int) else 0) + 1


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "word": _word,
    "pdf": lambda anchor: f"page {anchor.get('page')}",
    "text": lambda anchor: f"line {anchor.get('line')}",
    "excel": _cells,
    "powerpoint": _slide,
    "outlook": _mail,
    "pane": lambda anchor: str(anchor.get("client_ref")),
}
