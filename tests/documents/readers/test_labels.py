import io

import pypdf

from app.documents.reading import read
from app.documents.segments import SensitivityLabel
from tests.documents.files import paragraph, pdf_file, zip_file
from tests.documents.workbooks import workbook

_GUID, _OTHER = "11111111-2222-3333-4444-555555555555", "aaaaaaaa-2222-3333-4444-555555555555"
_SITE = "99999999-2222-3333-4444-555555555555"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_LABELS = "http://schemas.microsoft.com/office/2020/02/relationships/classificationlabels"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def _labelled(info: str, properties: str) -> bytes:
    package = "http://schemas.openxmlformats.org/package/2006"
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    return zip_file(
        {
            "[Content_Types].xml": (
                f'<Types xmlns="{package}/content-types"><Override PartName="/d.xml" ContentType="{main}"/></Types>'
            ).encode(),
            "_rels/.rels": (
                f'<Relationships xmlns="{package}/relationships">'
                f'<Relationship Id="a" Type="{_OFFICE}/officeDocument" Target="d.xml"/>'
                f'<Relationship Id="b" Type="{_OFFICE}/custom-properties" Target="docProps/custom.xml"/>'
                f'<Relationship Id="c" Type="{_LABELS}" Target="docMetadata/LabelInfo.xml"/></Relationships>'
            ).encode(),
            "d.xml": f'<w:document xmlns:w="{_WORD}"><w:body>{paragraph("text")}</w:body></w:document>'.encode(),
            "docProps/custom.xml": f"<Properties>{properties}</Properties>".encode(),
            "docMetadata/LabelInfo.xml": (
                '<l:labelList xmlns:l="http://schemas.microsoft.com/office/2020/mipLabelMetadata">'
                f"{info}</l:labelList>"
            ).encode(),
        }
    )


def _property(label: str, name: str, value: str) -> str:
    return f'<property name="MSIP_Label_{label}_{name}"><v>{value}</v></property>'


def test_both_places_of_an_office_file_tell_of_its_labels() -> None:
    info = (
        f'<l:label id="{{{_GUID}}}" enabled="1" method="Standard" siteId="{{{_SITE.upper()}}}" removed="0"/>'
        f'<l:label id="{{{_OTHER}}}" enabled="1" removed="1"/>'
    )
    named = _property(_GUID, "Name", "Strictly confidential") + _property(_GUID, "Enabled", "true")
    assert read("a.docx", _labelled(info, named)).labels == (
        SensitivityLabel(_GUID, _SITE, "Strictly confidential"),
        SensitivityLabel(_OTHER, is_enabled=False),
    )
    assert read("a.docx", _labelled("", named)).labels == (
        SensitivityLabel(_GUID, None, "Strictly confidential"),
    )


def test_labels_of_a_workbook_stand_among_its_properties() -> None:
    def fill(book: object) -> None:
        book.add_worksheet().write(0, 0, "text")  # type: ignore[attr-defined]
        book.set_custom_property(f"MSIP_Label_{_GUID}_Name", "General")  # type: ignore[attr-defined]
        book.set_custom_property(f"MSIP_Label_{_GUID}_SiteId", _SITE)  # type: ignore[attr-defined]
        book.set_custom_property("MSIP_Label_nonsense_Name", "General")  # type: ignore[attr-defined]

    assert read("a.xlsx", workbook(fill)).labels == (SensitivityLabel(_GUID, _SITE, "General"),)


def test_labels_of_a_pdf_stand_in_its_information() -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf_file([("Normal", "Text of the page.")])))
    writer.add_metadata({f"/MSIP_Label_{_GUID}_Name": "Geheim", f"/MSIP_Label_{_GUID}_Enabled": "true"})
    buffer = io.BytesIO()
    writer.write(buffer)
    assert read("a.pdf", buffer.getvalue()).labels == (SensitivityLabel(_GUID, None, "Geheim"),)
