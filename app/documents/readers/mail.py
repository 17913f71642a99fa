"""Mails as .eml: headers, what is written, what it quotes, and mails attached to it, one within the other.

The HTML version is read where there is one, because it is what people see. Attachments are named and counted,
not read: each is a file of its own.
"""

import email
import email.message
import email.policy
from email.header import decode_header, make_header

from app.documents.errors import TooComplex
from app.documents.readers.collecting import Collector
from app.documents.readers.labels import header_labels
from app.documents.readers.mail_text import Written, add_mail
from app.documents.segments import Extracted

MEDIA_TYPE = "message/rfc822"
_DEEPEST = 5
"""Mails in mails."""
_LONGEST_HEADER = 5_000
_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_BROKEN = (ValueError, LookupError, AttributeError, TypeError, IndexError)
"""What the standard library raises over headers and bodies that break the rules (also UnicodeError)."""


def read(content: bytes) -> Extracted:
    """Segments of an .eml. Raises: documents.errors."""
    collector = Collector()
    try:
        message = email.message_from_bytes(content, policy=email.policy.default)
        collector.labels = header_labels(_headers(message).get("msip_labels", ""))
        _add(message, collector, within="", depth=0)
    except RecursionError as error:
        raise TooComplex("The mail's parts lie too deep in one another; send what you need of it.") from error
    return collector.extracted(MEDIA_TYPE, nothing="The mail holds no text; send one that does.")


def _add(message: email.message.EmailMessage, collector: Collector, *, within: str, depth: int) -> None:
    headers = _headers(message)
    attached = list(_attachments(message))
    body, is_html = _body(message)
    collector.notes["headers_unreadable"] += sum(not value for value in headers.values())
    add_mail(
        Written(
            headers=tuple((name, headers[name.lower()]) for name in _SHOWN if headers.get(name.lower())),
            body=body,
            is_html=is_html,
            attachments=tuple(_name_of(each) for each in attached),
        ),
        collector,
        within=within,
        level=depth + 1,
    )
    for number, each in enumerate(attached, start=1):
        inner = _message_in(each)
        if inner is None:
            continue
        if depth + 1 >= _DEEPEST:
            collector.notes["mails_not_read"] += 1
        else:
            _add(inner, collector, within=f"{within}{number}/", depth=depth + 1)


def _headers(message: email.message.Message) -> dict[str, str]:
    """The first header of each name as text, whatever state it is in; names in lower case."""
    found: dict[str, str] = {}
    for name, raw in message.raw_items():
        if name.lower() in found:
            continue
        value = str(raw)[:_LONGEST_HEADER]
        try:
            value = str(make_header(decode_header(value)))
        except _BROKEN:
            value = value.encode("utf-8", "replace").decode("utf-8")
        found[name.lower()] = " ".join(_without_surrogates(value).split())
    return found


def _body(message: email.message.EmailMessage) -> tuple[str, bool]:
    """The text that is shown and whether it is HTML; "" if there is none."""
    try:
        part = message.get_body(("html", "plain"))
    except _BROKEN:
        part = None
    if part is None:
        part = next((each for each in message.walk() if each.get_content_type() == "text/plain"), None)
    if part is None or part.is_multipart():
        return "", False
    return _text(part), part.get_content_subtype() == "html"


def _text(part: email.message.Message) -> str:
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    try:
        said = part.get_content_charset() or "utf-8"
        return raw.decode(said)
    except _BROKEN:
        pass
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _attachments(message: email.message.EmailMessage) -> list[email.message.EmailMessage]:
    if message.get_content_maintype() != "multipart":
        return [message] if message.get_content_type() == "message/rfc822" else []
    try:
        return list(message.iter_attachments())
    except _BROKEN:
        return []


def _name_of(part: email.message.EmailMessage) -> str:
    try:
        name = part.get_filename()
    except _BROKEN:
        name = None
    inner = _message_in(part)
    if not name and inner is not None:
        name = _headers(inner).get("subject")
    return " ".join(_without_surrogates(str(name or part.get_content_type())).split())[:255]


def _message_in(part: email.message.Message) -> email.message.EmailMessage | None:
    if part.get_content_type() != "message/rfc822" or not part.is_multipart():
        return None
    inner = part.get_payload(0)
    return inner if isinstance(inner, email.message.EmailMessage) else None


def _without_surrogates(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
