"""What a file really is: its first bytes and, for a container, what stands in it, against its name."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from app.documents import preflight
from app.documents.errors import (
    EmptyFile,
    EncryptedFile,
    MislabelledFile,
    UnreadableFile,
    UnsupportedFormat,
)
from app.documents.readers.limits import LONGEST_CHARACTER_BYTES, check_size
from app.documents.readers.package import Package

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAIL_STREAM = "__properties_version1.0".encode("utf-16-le")
"""A stream that every mail has (MS-OXMSG 2.4)."""
_PDF = b"%PDF-"
_PDF_HEADER_WITHIN = 1024
"""Other bytes may stand before a PDF's header (Adobe's implementation note 13)."""
_UNICODE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")


class Format(StrEnum):
    """A format that a reader takes."""

    DOCX = "docx"
    XLSX = "xlsx"
    PPTX = "pptx"
    PDF = "pdf"
    MARKDOWN = "md"
    TEXT = "txt"
    CSV = "csv"
    HTML = "html"
    EML = "eml"
    MSG = "msg"


_TAKEN = f"send {', '.join(f'.{each}' for each in list(Format)[:-1])} or .{list(Format)[-1]}"
_CONTAINERS = frozenset({Format.DOCX, Format.XLSX, Format.PPTX})
_TEXTS = frozenset({Format.MARKDOWN, Format.TEXT, Format.CSV, Format.HTML, Format.EML})
"""What any bytes of text could be: only the name tells which."""
_EXTENSIONS = {
    "docx": Format.DOCX,
    "xlsx": Format.XLSX,
    "pptx": Format.PPTX,
    "pdf": Format.PDF,
    "md": Format.MARKDOWN,
    "markdown": Format.MARKDOWN,
    "txt": Format.TEXT,
    "text": Format.TEXT,
    "csv": Format.CSV,
    "tsv": Format.CSV,
    "html": Format.HTML,
    "htm": Format.HTML,
    "eml": Format.EML,
    "msg": Format.MSG,
}


def is_readable_name(name: str) -> bool:
    """Whether a file of this name may be of a format that a reader takes."""
    return _extension(name) in _EXTENSIONS


_MEDIA_TYPES = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": Format.DOCX,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": Format.XLSX,
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": Format.PPTX,
    "application/pdf": Format.PDF,
    "text/markdown": Format.MARKDOWN,
    "text/x-markdown": Format.MARKDOWN,
    "text/plain": Format.TEXT,
    "text/csv": Format.CSV,
    "text/tab-separated-values": Format.CSV,
    "text/html": Format.HTML,
    "application/xhtml+xml": Format.HTML,
    "message/rfc822": Format.EML,
    "application/vnd.ms-outlook": Format.MSG,
}
_MEANS_ANY_TEXT = frozenset({"text/plain", "application/vnd.ms-excel"})
"""Declared of Markdown and of CSV by programs that do not know better; Windows calls the latter Excel's."""
_ANY_TYPE = "application/octet-stream"

_KNOWN_BINARY = (
    (b"{\\rtf", "a rich text file"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"II*\x00", "an image"),
    (b"MM\x00*", "an image"),
    (b"7z\xbc\xaf", "an archive"),
    (b"Rar!", "an archive"),
    (b"\x1f\x8b", "an archive"),
)


@dataclass(frozen=True)
class Sniffed:
    """The format to read as; `assumed` if the name had no extension."""

    format: Format
    assumed: bool = False


def check_claim(name: str, media_type: str | None, size_bytes: int) -> None:
    """Whether a file of this name, declared media type and size could be taken, before any byte of it is here.

    Raises: `UnsupportedFormat`, `MislabelledFile`, `TooComplex`.
    """
    check_length(name, size_bytes)
    extension = _extension(name)
    named = _EXTENSIONS.get(extension)
    if named is None and extension:
        raise UnsupportedFormat(f"Files that end in .{extension[:20]} cannot be read; {_TAKEN}.")
    declared = (media_type or _ANY_TYPE).partition(";")[0].strip().lower()
    if declared == _ANY_TYPE:
        return
    if declared in _MEANS_ANY_TEXT and named in _TEXTS:
        return
    meant = _MEDIA_TYPES.get(declared)
    if meant is None:
        raise UnsupportedFormat(f"Files of this media type cannot be read; {_TAKEN}.")
    if named is not None and named is not meant and not {named, meant} <= _TEXTS:
        raise MislabelledFile(
            f"The name ends in .{extension} and the media type is that of a .{meant} file; make them agree."
        )


def check_length(name: str, size_bytes: int) -> None:
    """Refuse a text of so many bytes that no encoding makes them few enough characters. Raises: `TooComplex`."""
    if _EXTENSIONS.get(_extension(name)) in _TEXTS:
        check_size(0, size_bytes // LONGEST_CHARACTER_BYTES)


def check_piece(name: str, content: bytes, *, first: bool, last: bool) -> None:
    """What the first or last bytes of a file that is on its way already rule out.

    A few fields of fixed size are looked at, nothing is parsed. Raises: `TooComplex`.
    """
    if first:
        preflight.check_beginning(content)
    if last and _EXTENSIONS.get(_extension(name)) in _CONTAINERS:
        preflight.check_end(content)


def _extension(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).suffix.lstrip(".").lower()


def sniff(name: str, content: bytes) -> Sniffed:
    """The format of `content`, which must be what the extension of `name` says.

    Raises: `EmptyFile`, `EncryptedFile`, `MislabelledFile`, `UnsupportedFormat`, `UnreadableFile`,
    `TooComplex`.
    """
    if not content:
        raise EmptyFile
    extension = _extension(name)
    named = _EXTENSIONS.get(extension)
    actual = _compound_file(content) or _container(content) or _pdf(content, named)
    if actual is None:
        return _plain(content, named, extension)
    if not extension:
        return Sniffed(actual, assumed=True)
    if named is not actual:
        raise MislabelledFile(
            f"The name ends in .{extension} and the content is a .{actual} file;"
            f" rename it to end in .{actual} and send it again."
        )
    return Sniffed(actual)


def _compound_file(content: bytes) -> Format | None:
    """A mail in an OLE container. Office encrypts into one too, and wrote all files so before 2007."""
    if not content.startswith(_OLE):
        return None
    if "EncryptedPackage".encode("utf-16-le") in content:
        raise EncryptedFile(
            "The file is password protected or under rights management; remove the protection in its"
            " program and send it again."
        )
    if _MAIL_STREAM in content:
        return Format.MSG
    raise UnsupportedFormat(f"This is a file of Office 97-2003; save it anew and {_TAKEN}.")


def _container(content: bytes) -> Format | None:
    if not content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None
    package = Package(content)
    kind = package.main_content_type()
    match kind:
        case None:
            raise UnsupportedFormat(f"This is an archive, not a document; unpack it and {_TAKEN}.")
        case _ if "macroEnabled" in kind or package.holds_macros():
            raise UnsupportedFormat("This file holds macros; save it as one without and send that.")
        case _ if "wordprocessingml.document.main" in kind:
            return Format.DOCX
        case _ if "spreadsheetml.sheet.main" in kind:
            return Format.XLSX
        case _ if "presentationml.presentation.main" in kind or "presentationml.slideshow.main" in kind:
            return Format.PPTX
        case _:
            raise UnsupportedFormat(f"This is an Office file of a kind that cannot be read; {_TAKEN}.")


def _pdf(content: bytes, named: Format | None) -> Format | None:
    within = _PDF_HEADER_WITHIN if named is Format.PDF else len(_PDF)
    return Format.PDF if _PDF in content[:within] else None


def _plain(content: bytes, named: Format | None, extension: str) -> Sniffed:
    for magic, what in _KNOWN_BINARY:
        if content.startswith(magic):
            raise UnsupportedFormat(f"This is {what}, which cannot be read; {_TAKEN}.")
    if b"\x00" in content and not content.startswith(_UNICODE_MARKS):
        if named is not None and named not in _TEXTS:
            raise UnreadableFile
        raise UnreadableFile(
            "The file is not plain text (it holds zero bytes); save it as UTF-8 text and send that."
        )
    if named is not None and named not in _TEXTS:
        raise MislabelledFile(
            f"The name ends in .{extension} and the content is not a .{named} file;"
            " if it is plain text, rename it to end in .txt, else save it anew in its program."
        )
    if named is None and extension:
        raise UnsupportedFormat(f"Files that end in .{extension[:20]} cannot be read; {_TAKEN}.")
    return Sniffed(named or Format.TEXT, assumed=named is None)
