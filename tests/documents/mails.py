"""Mails for tests: .eml by the standard library, .msg by a small writer of compound files."""

import datetime as dt
import email.policy
import struct
from collections.abc import Mapping
from email.message import EmailMessage
from itertools import pairwise

_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
Tree = Mapping[str, "bytes | Tree"]


def mail(
    text: str = "",
    *,
    html: str = "",
    attachments: tuple[EmailMessage | tuple[str, bytes], ...] = (),
    **headers: str,
) -> EmailMessage:
    """A mail; headers as keywords ("From" is `from_`)."""
    message = EmailMessage(policy=email.policy.SMTP)
    for name, value in headers.items():
        message[name.rstrip("_").replace("_", "-")] = value
    if text:
        message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html") if text else message.set_content(html, subtype="html")
    for each in attachments:
        if isinstance(each, EmailMessage):
            message.add_attachment(each)
        else:
            message.add_attachment(each[1], maintype="application", subtype="octet-stream", filename=each[0])
    return message


def outlook_mail(
    texts: Mapping[int, str],
    *,
    html: bytes = b"",
    sent: dt.datetime | None = None,
    attachments: tuple[tuple[str, "Tree | bytes"], ...] = (),
    is_inner: bool = False,
) -> Tree:
    """The storages of a mail as Outlook saves it. `texts` by property id; an attachment is bytes or a mail."""
    fixed = b""
    if sent is not None:
        ticks = int((sent - dt.datetime(1601, 1, 1, tzinfo=dt.UTC)).total_seconds()) * 10**7
        fixed = struct.pack("<HHIQ", 0x0040, 0x0039, 6, ticks)
    tree: dict[str, bytes | Tree] = {
        "__properties_version1.0": bytes(24 if is_inner else 32)
        + fixed
        + _properties(texts, {0x1013: html} if html else {}),
        **_streams(texts, {0x1013: html} if html else {}),
    }
    for number, (name, content) in enumerate(attachments):
        named = {0x3707: name}
        data = {0x3701: content} if isinstance(content, bytes) else {}
        storage: dict[str, bytes | Tree] = {
            "__properties_version1.0": bytes(8)
            + struct.pack("<HHIQ", 0x0003, 0x3705, 6, 1 if data else 5)
            + _properties(named, data),
            **_streams(named, data),
        }
        if not isinstance(content, bytes):
            storage["__substg1.0_3701000D"] = content
        tree[f"__attach_version1.0_#{number:08X}"] = storage
    return tree


def _properties(texts: Mapping[int, str], binaries: Mapping[int, bytes]) -> bytes:
    found = b""
    for identity, text in texts.items():
        found += struct.pack("<HHIII", 0x001F, identity, 6, len(text.encode("utf-16-le")) + 2, 0)
    for identity, content in binaries.items():
        found += struct.pack("<HHIII", 0x0102, identity, 6, len(content), 0)
    return found


def _streams(texts: Mapping[int, str], binaries: Mapping[int, bytes]) -> dict[str, bytes]:
    return {
        **{f"__substg1.0_{identity:04X}001F": text.encode("utf-16-le") for identity, text in texts.items()},
        **{f"__substg1.0_{identity:04X}0102": content for identity, content in binaries.items()},
    }


def compound_file(tree: Tree) -> bytes:
    """A compound file of these storages and streams (MS-CFB, version 3)."""
    entries: list[tuple[str, int, int, bytes]] = []
    """Name, kind, child, content; siblings hang in a row to the right."""
    siblings: list[int] = []

    def add(name: str, node: "bytes | Tree", kind: int) -> int:
        at = len(entries)
        entries.append((name, kind, _NONE, node if isinstance(node, bytes) else b""))
        siblings.append(_NONE)
        if not isinstance(node, bytes):
            children = [
                add(each, node[each], 2 if isinstance(node[each], bytes) else 1) for each in sorted(node)
            ]
            for one, following in pairwise(children):
                siblings[one] = following
            entries[at] = (name, kind, children[0] if children else _NONE, b"")
        return at

    add("Root Entry", tree, 5)
    sectors: list[bytes] = []
    fat: list[int] = []
    mini, mini_fat = b"", list[int]()

    def store(content: bytes) -> int:
        count = max(1, -(-len(content) // _SECTOR))
        first = len(sectors)
        for number in range(count):
            sectors.append(content[number * _SECTOR : (number + 1) * _SECTOR].ljust(_SECTOR, b"\0"))
            fat.append(first + number + 1 if number + 1 < count else _END)
        return first

    places: list[int] = []
    for _, kind, _, content in entries:
        if kind != 2 or not content:
            places.append(_END)
        elif len(content) >= _CUTOFF:
            places.append(store(content))
        else:
            count = -(-len(content) // _MINI)
            places.append(len(mini_fat))
            mini_fat += [*range(len(mini_fat) + 1, len(mini_fat) + count), _END]
            mini += content.ljust(count * _MINI, b"\0")
    mini_start = store(mini) if mini else _END
    packed = struct.pack(f"<{len(mini_fat)}I", *mini_fat)
    mini_fat_start = store(packed.ljust(-(-len(packed) // _SECTOR) * _SECTOR, b"\xff")) if mini else _END
    directory = b""
    for at, (name, kind, child, content) in enumerate(entries):
        raw = name.encode("utf-16-le") + b"\0\0"
        size, place = (len(mini), mini_start) if at == 0 else (len(content), places[at])
        directory += raw.ljust(64, b"\0") + struct.pack("<HBB", len(raw), kind, 1)
        directory += (
            struct.pack("<III", _NONE, siblings[at], child) + bytes(36) + struct.pack("<IQ", place, size)
        )
    directory_start = store(directory)
    fat_sectors = -(-(len(fat) + 1) // (_SECTOR // 4 - 1))
    fat_start = len(sectors)
    table = fat + [_FAT] * fat_sectors
    raw_fat = struct.pack(f"<{len(table)}I", *table).ljust(fat_sectors * _SECTOR, b"\xff")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack(
        "<IIIIIIIIII",
        0,
        fat_sectors,
        directory_start,
        0,
        _CUTOFF,
        mini_fat_start,
        1 if not mini else -(-len(packed) // _SECTOR),
        _END,
        0,
        fat_start,
    )
    rest = [fat_start + number for number in range(1, fat_sectors)]
    header += struct.pack(f"<{len(rest)}I", *rest)
    return header.ljust(_SECTOR, b"\xff") + b"".join(sectors) + raw_fat
