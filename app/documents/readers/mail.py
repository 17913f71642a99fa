"""Mails as .eml: headers, what is written, what it quotes, and mails attached to it, one within the other.

The HTML version is read where there is one, because it is what people see. Attachments are named and counted,
not read: each is a file of its own.
"""

import email
import email.message
import email.policy
from collections.abc import Iterator
from email.header import decode_header, make_header

from app.documents.errors import TooComplex
from app.documents.readers.collecting import Collector
from app.documents.readers.labels import header_labels
from app.documents.readers.mail_text import Body, Written, add_mail
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
    parts = list(_parts(message))
    attached = [each for each in parts if not _is_text(each)]
    collector.notes["headers_unreadable"] += sum(not value for value in headers.values())
    add_mail(
        Written(
            headers=tuple((name, headers[name.lower()]) for name in _SHOWN if headers.get(name.lower())),
            bodies=tuple(
                Body(_text(each), is_html=each.get_content_subtype() == "html")
                for each in parts
                if _is_text(each)
            ),
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


def _parts(part: email.message.MIMEPart) -> Iterator[email.message.MIMEPart]:
    """What a mail is made of, in order: of alternatives the HTML, else the plain text."""
    children = list(part.iter_parts()) if _is_multipart(part) else []
    if not children:
        yield part
        return
    if part.get_content_subtype() == "alternative":
        held = {kind: each for each in reversed(children) for kind in _kinds(each)}
        children = [held.get("text/html") or held.get("text/plain") or children[-1]]
    for each in children:
        yield from _parts(each)


def _is_multipart(part: email.message.Message) -> bool:
    return part.get_content_maintype() == "multipart" and part.is_multipart()


def _kinds(part: email.message.Message) -> set[str]:
    return {each.get_content_type() for each in part.walk()}


def _is_text(part: email.message.MIMEPart) -> bool:
    """Whether a part is shown with the mail: text that is no file."""
    try:
        is_file = part.is_attachment() or part.get_filename() is not None
    except _BROKEN:
        is_file = False
    shown = (
        part.get_content_type() in {"text/plain", "text/html"} or part.get_content_maintype() == "multipart"
    )
    return shown and not is_file


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


def _name_of(part: email.message.MIMEPart) -> str:
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
