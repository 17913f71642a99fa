"""The hostile corpus: files that try to hurt whoever opens them, made here so that none has to be kept.

`CORPUS` says of each what the door answers: a status and an error code, or 201 where the file is harmless
to us and why.
"""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pypdf

from tests.documents.files import (
    encrypted_office_file,
    encrypted_pdf,
    many_entries,
    paragraph,
    pdf_file,
    repetitive_pdf,
    word_file,
    zip_file,
)

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True)
class Hostile:
    """A file and what the door answers. `code` is "" where it is taken: `harmless` says why it may be."""

    kind: str
    name: str
    make: Callable[[], bytes]
    status: int
    code: str = ""
    harmless: str = ""


def _word(main: bytes) -> bytes:
    return word_file("", parts={"x": ("word/document.xml", main)})


def _dtd(encoding: str, entities: str, use: str = "&a;") -> bytes:
    declared = f'<?xml version="1.0" encoding="{encoding}"?>'
    return _word(f"{declared}<!DOCTYPE x [{entities}]><x>{use}</x>".encode(encoding))


def _laughs() -> str:
    return '<!ENTITY a0 "lol">' + "".join(
        f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">' for number in range(1, 10)
    )


def flat_bomb() -> bytes:
    """100 MiB of zeros in the main part."""
    return _word(b"<w/>" + bytes(100 * 2**20))


def nested_bomb() -> bytes:
    """Zips in zips, five levels; only something that unpacks archives in archives would feel it."""
    content = zip_file({"a.txt": bytes(10 * 2**20)})
    for _ in range(5):
        content = zip_file({f"{number}.zip": content for number in range(10)})
    return content


def nested_bomb_inside() -> bytes:
    """The same as a picture of an otherwise sound document."""
    return word_file(paragraph("Sound."), parts={"image": ("word/media/image1.zip", nested_bomb())})


def overlapping_bomb() -> bytes:
    """Fifield's idea: every entry of the directory shows the one kernel of zeros."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    size = 2**20 - 1
    packed = kernel.compress(bytes(size)) + kernel.flush()
    sums = zlib.crc32(bytes(size))
    name = b"[Content_Types].xml"
    local = (
        struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, sums, len(packed), size, len(name), 0) + name
    )
    directory = b""
    for number in range(400):
        shown = name if not number else b"%019d" % number
        directory += (
            struct.pack(
                "<4s6H3L5H2L",
                b"PK\x01\x02",
                20,
                20,
                0,
                8,
                0,
                0,
                sums,
                len(packed),
                size,
                len(shown),
                0,
                0,
                0,
                0,
                0,
                0,
            )
            + shown
        )
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 400, 400, len(directory), len(local) + len(packed), 0)
    return local + packed + directory + end


def lying_sizes() -> bytes:
    """A part that says it has 1,000 bytes and unpacks to 60 MiB."""
    content = bytearray(_word(b"<w/>" + b" " * 60 * 2**20))
    size = struct.pack("<L", 4 + 60 * 2**20)
    return bytes(content.replace(size, struct.pack("<L", 1000)))


def _quadratic() -> bytes:
    return _dtd("utf-8", f'<!ENTITY a "{"a" * 50_000}">', "&a;" * 50_000)


def _deep(levels: int) -> bytes:
    return word_file("<w:sdt><w:sdtContent>" * levels + "</w:sdtContent></w:sdt>" * levels)


def _macro_hidden() -> bytes:
    return word_file(paragraph("a"), parts={"vbaProject": ("word/vbaProject.bin", _OLE + bytes(504))})


def _ole_embedded() -> bytes:
    return word_file(
        paragraph("a"), parts={"oleObject": ("word/embeddings/oleObject1.bin", _OLE + bytes(2000))}
    )


def _zip_encrypted() -> bytes:
    content = bytearray(word_file(paragraph("a")))
    at = -1
    while (at := content.find(b"PK\x01\x02", at + 1)) >= 0:
        content[at + 8] |= 1
    return bytes(content)


def _path_names() -> bytes:
    buffer = io.BytesIO(word_file(paragraph("a")))
    with zipfile.ZipFile(buffer, "a") as container:
        for name in ("../../../etc/cron.d/x", "/etc/passwd", "C:\\x.txt", "a" * 10_000):
            container.writestr(name, b"x")
    return buffer.getvalue()


def _external() -> bytes:
    relationships = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        b'attachedTemplate" Target="http://127.0.0.1:9/evil.dotm" TargetMode="External"/></Relationships>'
    )
    return word_file(paragraph("a"), parts={"x": ("word/_rels/settings.xml.rels", relationships)})


def _formulas() -> bytes:
    cells = "".join(
        f"<w:tc>{paragraph(text)}</w:tc>"
        for text in ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", '=HYPERLINK("http://127.0.0.1:9")')
    )
    return word_file(f"<w:tbl><w:tr>{cells}</w:tr></w:tbl>")


def _includes() -> bytes:
    return word_file(
        '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
        + paragraph("a")
    )


def _pdf_pages() -> bytes:
    return repetitive_pdf(5_001, letters=1, same_object=False)


def _pdf_bomb() -> bytes:
    """A page whose content unpacks to 400 MB of nothing to read."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 2**20) for _ in range(400)) + packer.flush()
    return _pdf_with_content(packed, b"/Filter/FlateDecode")


def _pdf_chain() -> bytes:
    """The same under two filters: 400 kB become 400 bytes."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 2**20) for _ in range(400)) + packer.flush()
    return _pdf_with_content(zlib.compress(packed, 9), b"/Filter[/FlateDecode/FlateDecode]")


def _pdf_with_content(packed: bytes, filters: bytes) -> bytes:
    content = repetitive_pdf(1, letters=1, same_object=True)
    start = content.index(b"4 0 obj")
    end = content.index(b"endobj", start)
    stream = b"4 0 obj\n<</Length %d%s>>stream\n%s\nendstream\n" % (len(packed), filters, packed)
    # The places in its table are now wrong; readers rebuild it.
    return content[:start] + stream + content[end:]


def _pdf_xref_loop() -> bytes:
    content = pdf_file([("Normal", "a")])
    at = content.rindex(b"startxref")
    place = content[at:].split()[1]
    return content[:at].replace(b"trailer\n<<", b"trailer\n<< /Prev " + place) + content[at:]


def _pdf_page_loop() -> bytes:
    content = repetitive_pdf(2, letters=1, same_object=True)
    return content.replace(b"5 0 R 5 0 R", b"2 0 R 2 0 R")


def _pdf_script() -> bytes:
    """What runs when it is opened, and a program attached."""
    content = repetitive_pdf(1, letters=1, same_object=True).replace(
        b"/Type/Catalog", b"/Type/Catalog/OpenAction<</S/JavaScript/JS(app.launchURL\\(1\\))>>"
    )
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.add_attachment("evil.exe", b"MZ" + bytes(100))
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _exe() -> bytes:
    return b"MZ\x90\x00" + random.Random(1).randbytes(4096)


def _noise() -> bytes:
    return random.Random(2).randbytes(2**20).replace(b"\x00", b"\x01")


_TOO_COMPLEX = (413, "too_complex")
_UNREADABLE = (422, "unreadable_file")
_UNSUPPORTED = (422, "unsupported_format")
_ENCRYPTED = (422, "encrypted_file")
_MISLABELLED = (422, "mislabelled_file")
_TEXT = "it stays text"
_UNOPENED = "no reader opens it"

CORPUS: tuple[Hostile, ...] = (
    Hostile("zip bomb, flat", "a.docx", flat_bomb, *_TOO_COMPLEX),
    Hostile("zip bomb, nested", "a.docx", nested_bomb, *_UNSUPPORTED),
    Hostile("zip bomb, nested in a picture", "a.docx", nested_bomb_inside, 201, harmless=_UNOPENED),
    Hostile("zip bomb, overlapping", "a.docx", overlapping_bomb, *_UNREADABLE),
    Hostile("zip bomb, false sizes", "a.docx", lying_sizes, *_UNREADABLE),
    Hostile("10^6 parts", "a.docx", lambda: many_entries(1_000_000), *_TOO_COMPLEX),
    Hostile("DTD, a billion laughs", "a.docx", lambda: _dtd("utf-8", _laughs(), "&a9;"), *_UNREADABLE),
    Hostile("DTD, quadratic", "a.docx", _quadratic, *_UNREADABLE),
    Hostile("XXE", "a.docx", lambda: _dtd("utf-8", '<!ENTITY a SYSTEM "file:///etc/passwd">'), *_UNREADABLE),
    Hostile(
        "XXE in UTF-16",
        "a.docx",
        lambda: _dtd("utf-16", '<!ENTITY a SYSTEM "file:///etc/passwd">'),
        *_UNREADABLE,
    ),
    Hostile("XXE in UTF-7", "a.docx", lambda: _dtd("utf-7", '<!ENTITY a SYSTEM "file:///x">'), *_UNREADABLE),
    Hostile(
        "external parameter entity",
        "a.docx",
        lambda: _dtd("utf-8", '<!ENTITY % a SYSTEM "http://127.0.0.1:9/x.dtd"> %a;', ""),
        *_UNREADABLE,
    ),
    Hostile("XInclude", "a.docx", _includes, 201, harmless=_UNOPENED),
    Hostile("external template", "a.docx", _external, 201, harmless=_UNOPENED),
    Hostile("deep nesting", "a.docx", lambda: _deep(10_000), *_TOO_COMPLEX),
    Hostile(
        "macros, .docm",
        "a.docm",
        lambda: word_file("", content_type="application/vnd.ms-word.document.macroEnabled.main+xml"),
        *_UNSUPPORTED,
    ),
    Hostile("macros in a .docx", "a.docx", _macro_hidden, *_UNSUPPORTED),
    Hostile("OLE, legacy .doc", "a.doc", lambda: _OLE + bytes(4096), *_UNSUPPORTED),
    Hostile("OLE object in a .docx", "a.docx", _ole_embedded, 201, harmless=_UNOPENED),
    Hostile("encrypted Office file", "a.docx", encrypted_office_file, *_ENCRYPTED),
    Hostile("encrypted PDF", "a.pdf", lambda: encrypted_pdf(pdf_file([("Normal", "a")])), *_ENCRYPTED),
    Hostile("encrypted zip entries", "a.docx", _zip_encrypted, *_ENCRYPTED),
    Hostile("exe as .docx", "a.docx", _exe, *_UNREADABLE),
    Hostile("exe as .txt", "a.txt", _exe, *_UNREADABLE),
    Hostile("docx as .pdf", "a.pdf", lambda: word_file(paragraph("a")), *_MISLABELLED),
    Hostile("pdf as .docx", "a.docx", lambda: pdf_file([("Normal", "a")]), *_MISLABELLED),
    Hostile("truncated docx", "a.docx", lambda: word_file(paragraph("a"))[:-30], *_UNREADABLE),
    Hostile("truncated pdf", "a.pdf", lambda: pdf_file([("Normal", "a")])[:300], *_UNREADABLE),
    Hostile("path-like part names", "a.docx", _path_names, 201, harmless="no part is written anywhere"),
    Hostile("path-like file name", "../../a.txt", lambda: b"a", 201, harmless="shown as a.txt"),
    Hostile("NUL in the file name", "a\x00.exe\x00.txt", lambda: b"a", 201, harmless="shown as a.exe.txt"),
    Hostile("file name of 10 kB", "a" * 10_240 + ".txt", lambda: b"a", 422, "malformed"),
    Hostile("formula cells", "a.docx", _formulas, 201, harmless=_TEXT),
    Hostile("formulas in CSV as .txt", "a.txt", lambda: b"=cmd|' /C calc'!A0,+1\n", 201, harmless=_TEXT),
    Hostile("PDF of 5,001 pages", "a.pdf", _pdf_pages, *_TOO_COMPLEX),
    Hostile(
        "PDF, a page 2,000 times",
        "a.pdf",
        lambda: repetitive_pdf(2_000, letters=5_000, same_object=True),
        *_TOO_COMPLEX,
    ),
    Hostile("PDF bomb, 400 MB", "a.pdf", _pdf_bomb, *_TOO_COMPLEX),
    Hostile("PDF bomb, two filters", "a.pdf", _pdf_chain, *_TOO_COMPLEX),
    Hostile("PDF, xref loop", "a.pdf", _pdf_xref_loop, 201, harmless="the loop is cut"),
    Hostile("PDF, page tree loop", "a.pdf", _pdf_page_loop, *_UNREADABLE),
    Hostile("PDF with script and attachment", "a.pdf", _pdf_script, 201, harmless=_UNOPENED),
    Hostile("one line of 20 MB", "a.txt", lambda: b"a" * (20 * 2**20), *_TOO_COMPLEX),
    Hostile("one line of 90 MB", "a.txt", lambda: b"a" * (90 * 2**20), *_TOO_COMPLEX),
    Hostile("one line of 2 MB", "a.txt", lambda: b"a" * (2 * 2**20), 201, harmless="cut into pieces"),
    Hostile(
        "invalid UTF-8", "a.txt", lambda: b"caf\xe9 \xff\xfe\xc3\x28 text", 201, harmless="guessed, and noted"
    ),
    Hostile("noise as .txt", "a.txt", _noise, *_UNREADABLE),
)
