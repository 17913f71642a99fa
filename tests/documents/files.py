"""Files for tests: Word packages written by hand, hostile containers, PDFs."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Mapping

import pypdf
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer

TRANSITIONAL = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
_RELATIONSHIPS = {
    TRANSITIONAL: "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    STRICT: "http://purl.oclc.org/ooxml/officeDocument/relationships",
}
_WORD_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_EXTRA = (
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
)


def word_xml(tag: str, inner: str, *, namespace: str = TRANSITIONAL) -> bytes:
    """A part of a Word document with the usual namespaces on its root."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><w:{tag} xmlns:w="{namespace}" {_EXTRA}>{inner}</w:{tag}>'
    ).encode()


def word_file(
    body: str,
    *,
    namespace: str = TRANSITIONAL,
    parts: Mapping[str, tuple[str, bytes]] | None = None,
    main: str = "word/document.xml",
    content_type: str = _WORD_MAIN,
    packed: bool = True,
) -> bytes:
    """A .docx around a body. `parts` maps relationship kind to (part name, content)."""
    relationships = _RELATIONSHIPS[namespace]
    folder, _, leaf = main.rpartition("/")
    linked = "".join(
        f'<Relationship Id="r{number}" Type="{relationships}/{kind.split("#")[0]}" Target="/{name}"/>'
        for number, (kind, (name, _)) in enumerate((parts or {}).items())
    )
    package = "http://schemas.openxmlformats.org/package/2006"
    entries = {
        "[Content_Types].xml": (
            f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/{main}" ContentType="{content_type}"/></Types>'
        ).encode(),
        "_rels/.rels": (
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
            f'Type="{relationships}/officeDocument" Target="{main}"/></Relationships>'
        ).encode(),
        f"{folder}/_rels/{leaf}.rels": (
            f'<Relationships xmlns="{package}/relationships">{linked}</Relationships>'
        ).encode(),
        main: word_xml("document", f"<w:body>{body}</w:body>", namespace=namespace),
    }
    entries.update(dict((parts or {}).values()))
    return zip_file(entries, packed=packed)


def bulky_word_file(size_bytes: int) -> bytes:
    """A sound .docx of a sentence and a picture, which is all but a thousand bytes of that size."""
    picture = random.Random(size_bytes).randbytes(size_bytes - 2_000)
    return word_file(
        paragraph("The harbour was closed for three days."),
        parts={"image": ("word/media/image1.png", picture)},
        packed=False,
    )


def zip_file(entries: Mapping[str, bytes], *, packed: bool = True) -> bytes:
    """A container of these entries, deflated or as they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as container:
        for name, content in entries.items():
            container.writestr(name, content)
    return buffer.getvalue()


def many_entries(count: int, *, flags: int = 0, is_zip64: bool = False) -> bytes:
    """A container of that many empty entries, written by hand because zipfile takes seconds.

    With `is_zip64` only the record of zip64 says how many there are.
    """
    local, directory = bytearray(), bytearray()
    for number in range(count):
        name = b"%07d" % number
        place = len(local)
        local += struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, flags, 0, 0, 0, 0, 0, 0, len(name), 0) + name
        directory += (
            struct.pack(
                "<4s6H3L5H2L", b"PK\x01\x02", 20, 20, flags, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, place
            )
            + name
        )
    end = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), len(local), 0
    )
    if is_zip64:
        size, place = len(directory), len(local)
        record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, place)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, place + size, 1)
        full = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        end = record + locator + full
    return bytes(local + directory + end)


def paragraph(text: str, properties: str = "") -> str:
    """A `w:p` with one run."""
    return f'<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def pdf_file(*pages: list[tuple[str, str]]) -> bytes:
    """A PDF; each page is a list of (style name, text)."""
    styles = getSampleStyleSheet()
    flow: list[object] = []
    for page in pages:
        for style, text in page:
            flow += [Paragraph(text, styles[style]), Spacer(1, 12)]
        flow.append(PageBreak())
    buffer = io.BytesIO()
    SimpleDocTemplate(buffer).build(flow)
    return buffer.getvalue()


def encrypted_pdf(content: bytes) -> bytes:
    """The same PDF behind a password."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.encrypt("secret", algorithm="AES-256")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def encrypted_office_file() -> bytes:
    """The first sector of what Office writes when it encrypts, and the name of the stream."""
    return (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(480)
    )


def repetitive_pdf(pages: int, *, letters: int, same_object: bool) -> bytes:
    """A small PDF of many pages with the same content, in one page object or one for each."""
    text = zlib.compress(b"BT /F1 8 Tf 10 10 Td " + b"(a) Tj " * letters + b"ET", 9)
    numbers = [5] * pages if same_object else [*range(5, 5 + pages)]
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>/Contents 4 0 R>>"
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, kids),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(text), text),
        *(page for _ in dict.fromkeys(numbers)),
    ]
    content, table = b"%PDF-1.7\n", b"0000000000 65535 f \n"
    for number, each in enumerate(objects, start=1):
        table += b"%010d 00000 n \n" % len(content)
        content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    size = len(objects) + 1
    end = b"xref\n0 %d\n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
    return content + end % (size, table, size, len(content))
