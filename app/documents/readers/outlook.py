"""Mails as .msg, the form in which Outlook saves one: read like an .eml, from its properties.

What stands only as rich text is counted and not read; Outlook writes the plain text beside it.
"""

import io

from olefile import OleFileIO
from olefile.olefile import STGTY_STREAM, OleFileError
from oxmsg import Message
from oxmsg.domain import constants
from oxmsg.properties import Properties
from oxmsg.storage import Storage

from app.documents.errors import TooComplex, UnreadableFile
from app.documents.readers.collecting import Collector
from app.documents.readers.labels import header_labels
from app.documents.readers.mail_text import Body, Written, add_mail
from app.documents.segments import Extracted

MEDIA_TYPE = "application/vnd.ms-outlook"
_MOST_ENTRIES = 20_000
_DEEPEST = 5
_BROKEN = (OleFileError, OSError, ValueError, LookupError, AttributeError, TypeError, AssertionError)
"""What olefile and oxmsg raise over damaged files (also struct's and Unicode's errors)."""
_CONTAINER_HEADER, _INNER_HEADER, _PART_HEADER = 32, 24, 8
"""Where properties begin in a stream: of a file, of a mail in a mail, of an attachment (MS-OXMSG 2.4)."""
_IN_A_STORAGE = "__substg1.0_3701000D"
_RICH_TEXT = 0x1009


def read(content: bytes) -> Extracted:
    """Segments of a .msg. Raises: documents.errors."""
    collector = Collector()
    try:
        with OleFileIO(io.BytesIO(content)) as container:
            _check(container, len(content))
            root = Storage.from_ole(container)
        properties = Properties(root, properties_header_offset=_CONTAINER_HEADER)
        transport = Message(root).message_headers
        labels = next((value for name, value in transport.items() if name.lower() == "msip_labels"), "")
        collector.labels = header_labels(" ".join(labels.split()))
        _add(root, properties, collector, within="", depth=0)
    except RecursionError as error:
        raise TooComplex("The mail's parts lie too deep in one another; send what you need of it.") from error
    except _BROKEN as error:
        raise UnreadableFile from error
    return collector.extracted(MEDIA_TYPE, nothing="The mail holds no text; send one that does.")


def _check(container: OleFileIO, size: int) -> None:
    """Streams may share sectors, and then come to any size; no sound file's do. Raises: `TooComplex`."""
    entries = [entry for entry in container.direntries if entry is not None]
    streams = sum(entry.size for entry in entries if entry.entry_type == STGTY_STREAM)
    if len(entries) > _MOST_ENTRIES or streams > 2 * size:
        raise TooComplex("The mail unpacks to far more than its size, as harmful files do; save it anew.")


def _add(storage: Storage, properties: Properties, collector: Collector, *, within: str, depth: int) -> None:
    html = _html(properties)
    body = properties.str_prop_value(constants.PID_BODY) or ""
    if not html and not body and properties.binary_prop_value(_RICH_TEXT):
        collector.notes["rich_text_not_read"] += 1
    attached = list(storage.iter_attachment_storages())
    parts = [Properties(each, properties_header_offset=_PART_HEADER) for each in attached]
    add_mail(
        Written(
            headers=_headers(properties),
            bodies=(Body(html or body, is_html=bool(html)),),
            attachments=tuple(_name(each) for each in parts),
        ),
        collector,
        within=within,
        level=depth + 1,
    )
    for number, each in enumerate(attached, start=1):
        inner = next((one for one in each.storages if one.name == _IN_A_STORAGE), None)
        if inner is None:
            continue
        if depth + 1 >= _DEEPEST:
            collector.notes["mails_not_read"] += 1
            continue
        found = Properties(inner, properties_header_offset=_INNER_HEADER)
        _add(inner, found, collector, within=f"{within}{number}/", depth=depth + 1)


def _html(properties: Properties) -> str:
    raw = properties.binary_prop_value(constants.PID_HTML)
    if not raw:
        return properties.str_prop_value(constants.PID_BODY_HTML) or ""
    try:
        return raw.decode(properties.body_encoding)
    except (UnicodeDecodeError, LookupError):
        return raw.decode("utf-8", "replace")


def _headers(properties: Properties) -> tuple[tuple[str, str], ...]:
    name = properties.str_prop_value(constants.PID_SENDER_NAME) or ""
    address = (
        properties.str_prop_value(constants.PID_SENDER_SMTP_ADDRESS)
        or properties.str_prop_value(constants.PID_SENDER_EMAIL_ADDRESS)
        or ""
    )
    sent = properties.date_prop_value(constants.PID_CLIENT_SUBMIT_TIME)
    found = (
        ("From", f"{name} <{address}>" if "@" in address and address != name else name or address),
        ("To", properties.str_prop_value(constants.PID_DISPLAY_TO) or ""),
        ("Cc", properties.str_prop_value(constants.PID_DISPLAY_CC) or ""),
        ("Date", "" if sent is None else sent.isoformat(" ", "seconds")),
        ("Subject", properties.str_prop_value(constants.PID_SUBJECT) or ""),
    )
    cleaned = ((header, " ".join(value.replace("\x00", " ").split())) for header, value in found)
    return tuple((header, value) for header, value in cleaned if value)


def _name(part: Properties) -> str:
    name = (
        part.str_prop_value(constants.PID_ATTACH_LONG_FILENAME)
        or part.str_prop_value(constants.PID_ATTACH_FILENAME)
        or part.str_prop_value(constants.PID_DISPLAY_NAME)
        or "attachment"
    )
    return " ".join(name.replace("\x00", " ").split())[:255]
