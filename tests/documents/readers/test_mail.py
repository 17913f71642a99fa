import datetime as dt
from email.message import EmailMessage

import pytest

from app.documents.errors import NoText, UnreadableFile
from app.documents.readers import mail, outlook
from app.documents.segments import Extracted, OutlookAnchor, SensitivityLabel
from app.documents.sniff import Format, sniff
from tests.documents.mails import compound_file, outlook_mail
from tests.documents.mails import mail as made

_GUID, _SITE = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"


def _told(extracted: Extracted) -> list[tuple[str, str, str]]:
    found = []
    for segment in extracted.segments:
        assert isinstance(segment.anchor, OutlookAnchor)
        assert segment.text.startswith(segment.anchor.quote)
        found.append((segment.kind.value, segment.anchor.part, segment.text))
    return found


def test_headers_text_and_attachments_are_read_in_order() -> None:
    message = made(
        "Dear Ann,\n\nthe figures:\n12\n13\n\nBob",
        Subject="Zahlen für März",
        From_="Bob Müller <bob@example.com>",
        To="ann@example.com",
        Date="Tue, 03 Mar 2026 10:00:00 +0100",
        attachments=(("report.pdf", b"%PDF-"), ("data.xlsx", b"PK")),
    )
    extracted = mail.read(message.as_bytes())
    assert _told(extracted) == [
        ("heading", "headers", "Zahlen für März"),
        ("mail_part", "headers", "From: Bob Müller <bob@example.com>"),
        ("mail_part", "headers", "To: ann@example.com"),
        ("mail_part", "headers", "Date: Tue, 03 Mar 2026 10:00:00 +0100"),
        ("mail_part", "headers", "Attachments: report.pdf, data.xlsx"),
        ("paragraph", "body", "Dear Ann,"),
        ("paragraph", "body", "the figures:\n12\n13"),
        ("paragraph", "body", "Bob"),
    ]
    assert extracted.notes == {"attachments": 2}
    assert sniff("a.eml", message.as_bytes()).format is Format.EML


def test_the_html_version_is_read_because_people_see_it() -> None:
    message = made("other words", html="<h1>Shown</h1><p>Text<p hidden>secret", Subject="S")
    assert [text for _, _, text in _told(mail.read(message.as_bytes()))] == ["S", "Shown", "Text"]


def test_each_text_that_is_shown_is_read_and_files_of_text_are_not() -> None:
    parts = [made("First."), made(html="<p>Second"), made("Third.")]
    parts[2].add_header("Content-Disposition", "attachment", filename="third.txt")
    message = EmailMessage()
    message["Subject"] = "S"
    message.make_mixed()
    for part in parts:
        message.attach(part)
    assert [text for _, _, text in _told(mail.read(message.as_bytes()))] == [
        "S",
        "Attachments: third.txt",
        "First.",
        "Second",
    ]


def test_quoted_text_stands_below_the_line_that_says_whose_it_is() -> None:
    text = (
        "New words.\n\nOn Mon, 2 Mar 2026 at 10:00, Ann <ann@example.com> wrote:\n\n> Old words,\n> two lines.\n>\n"
        ">> Older words.\n\nMy answer.\n\n-----Original Message-----\n\nFrom the beginning."
    )
    extracted = mail.read(made(text, Subject="Re: S").as_bytes())
    wrote = "On Mon, 2 Mar 2026 at 10:00, Ann <ann@example.com> wrote:"
    assert [(each.kind.value, each.text, each.heading_path) for each in extracted.segments[1:]] == [
        ("paragraph", "New words.", ("Re: S",)),
        ("mail_part", wrote, ("Re: S", wrote)),
        ("paragraph", "Old words,\ntwo lines.", ("Re: S", wrote)),
        ("paragraph", "Older words.", ("Re: S", wrote)),
        ("paragraph", "My answer.", ("Re: S",)),
        ("mail_part", "-----Original Message-----", ("Re: S", "-----Original Message-----")),
        ("paragraph", "From the beginning.", ("Re: S", "-----Original Message-----")),
    ]
    assert extracted.notes == {"quoted_paragraphs": 5}


@pytest.mark.parametrize(
    "quoted",
    [
        "<div class='gmail_quote'><p>Old</p></div>",
        "<blockquote type=cite>Old</blockquote>",
        "<div id=divRplyFwdMsg></div><p>Old</p>",
        "<p><b>Von:</b> Ann<br><b>Gesendet:</b> Montag</p><p>Old</p>",
    ],
)
def test_quotes_of_html_mails_are_recognised(quoted: str) -> None:
    extracted = mail.read(made(html=f"<p>New</p>{quoted}", Subject="S").as_bytes())
    assert extracted.segments[1].heading_path == ("S",)
    assert extracted.segments[-1].text == "Old"
    assert len(extracted.segments[-1].heading_path) == 2


def test_mails_in_mails_are_read_below_the_outer_and_not_without_end() -> None:
    message = made("Innermost.", Subject="0")
    for number in range(1, 8):
        message = made(f"Level {number}.", Subject=str(number), attachments=(message,))
    extracted = mail.read(message.as_bytes())
    assert _told(extracted)[:4] == [
        ("heading", "headers", "7"),
        ("mail_part", "headers", "Attachments: 6"),
        ("paragraph", "body", "Level 7."),
        ("heading", "1/headers", "6"),
    ]
    assert extracted.segments[-1].heading_path == ("7", "6", "5", "4", "3")
    assert extracted.notes == {"attachments": 5, "mails_not_read": 1}


def test_broken_headers_and_charsets_are_read_as_well_as_they_can_be() -> None:
    content = (
        b"From: =?utf-8?q?broken\r\nTo: \xff\xfe <x>, \r\nSubject: =?x-unknown?b?YQ==?= tail\r\n"
        b"Content-Type: text/plain; charset=x-unknown\r\n\r\ncaf\xe9 text\r\n"
    )
    extracted = mail.read(content)
    assert extracted.segments[-1].text == "café text"
    assert extracted.segments[0].text.endswith("tail")


def test_a_label_is_read_from_the_header_of_its_name() -> None:
    value = (
        f"MSIP_Label_{_GUID}_Enabled=True; MSIP_Label_{_GUID}_SiteId={_SITE}; MSIP_Label_{_GUID}_Name=Secret;"
    )
    message = made("text")
    message["msip_labels"] = value
    assert mail.read(message.as_bytes()).labels == (SensitivityLabel(_GUID, _SITE, "Secret"),)
    properties = {0x1000: "text", 0x007D: f"msip_labels: {value}\r\nTo: a@example.com\r\n\r\n"}
    assert outlook.read(compound_file(outlook_mail(properties))).labels == (
        SensitivityLabel(_GUID, _SITE, "Secret"),
    )


def test_a_mail_saved_by_outlook_reads_like_another() -> None:
    inner = outlook_mail({0x0037: "Inner", 0x1000: "Inside."}, is_inner=True)
    content = compound_file(
        outlook_mail(
            {
                0x0037: "Zahlen",
                0x0C1A: "Bob Müller",
                0x5D01: "bob@example.com",
                0x0E04: "Ann",
                0x1000: "x" * 5_000,
            },
            html="<p>Größe <b>zählt</b></p><blockquote type=cite>Old</blockquote>".encode("iso-8859-15"),
            sent=dt.datetime(2026, 3, 3, 9, tzinfo=dt.UTC),
            attachments=(("report.pdf", b"%PDF-" * 2_000), ("Inner", inner)),
        )
    )
    assert sniff("a.msg", content).format is Format.MSG
    extracted = outlook.read(content)
    assert _told(extracted) == [
        ("heading", "headers", "Zahlen"),
        ("mail_part", "headers", "From: Bob Müller <bob@example.com>"),
        ("mail_part", "headers", "To: Ann"),
        ("mail_part", "headers", "Date: 2026-03-03 09:00:00+00:00"),
        ("mail_part", "headers", "Attachments: report.pdf, Inner"),
        ("paragraph", "body", "Größe zählt"),
        ("paragraph", "body", "Old"),
        ("heading", "2/headers", "Inner"),
        ("paragraph", "2/body", "Inside."),
    ]
    assert extracted.notes == {"attachments": 2, "quoted_paragraphs": 1}


def test_damaged_and_empty_mails_are_refused_in_words() -> None:
    content = compound_file(outlook_mail({0x1000: "text"}))
    for damaged in (content[:600], content[:-700], content[:1024] + bytes(len(content) - 1024)):
        with pytest.raises((UnreadableFile, NoText)):
            outlook.read(damaged)
    with pytest.raises(NoText):
        mail.read(b"\r\n\r\n")
