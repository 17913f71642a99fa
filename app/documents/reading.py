"""From a file's bytes to segments: find out what it is, then the reader for it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from app.documents.readers import delimited, docx, html, mail, markdown, outlook, pdf, pptx, text, xlsx
from app.documents.segments import Extracted
from app.documents.sniff import Format, sniff

_READERS: Mapping[Format, Callable[[bytes], Extracted]] = {
    Format.DOCX: docx.read,
    Format.XLSX: xlsx.read,
    Format.PPTX: pptx.read,
    Format.PDF: pdf.read,
    Format.MARKDOWN: markdown.read,
    Format.TEXT: text.read,
    Format.CSV: delimited.read,
    Format.HTML: html.read,
    Format.EML: mail.read,
    Format.MSG: outlook.read,
}


def read(name: str, content: bytes) -> Extracted:
    """The segments of a file. Only for a process with limits: see `Extractor`. Raises: documents.errors."""
    sniffed = sniff(name, content)
    extracted = _READERS[sniffed.format](content)
    if sniffed.assumed:
        return replace(extracted, notes={**extracted.notes, "format_assumed": 1})
    return extracted
