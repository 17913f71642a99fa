"""Words that stand for content, and the search for them in everything that is kept anywhere.

A word is random letters, so that it is found only where this test's content is. The search knows the
word in upper and lower case, in UTF-8 and UTF-16; as it is written also as hexadecimal and base64.
"""

import base64
import io
import logging
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import redis as synchronous

_LETTERS = "bcdfghjklmnpqrstvwxz"
_COLUMNS = """
SELECT quote_ident(c.relname), c.relname, quote_ident(a.attname), a.attname
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace,
                             'pg_toast'::regnamespace)
ORDER BY 2, 4
"""
"""Of every table that is not Postgres's own, whatever we know of it."""

Finding = tuple[str, str]
"""Where, and which kind of content."""


def word() -> str:
    """A word that nobody has used before."""
    return "Q" + "".join(secrets.choice(_LETTERS) for _ in range(13))


@dataclass
class Canaries:
    """Values to look for, by the kind of content that they stand for."""

    values: dict[str, list[str | bytes]] = field(default_factory=dict)

    def add(self, kind: str, value: str | bytes) -> None:
        """Look for this value, too. To be called before the first search."""
        self.values.setdefault(kind, []).append(value)

    def in_bytes(self, content: bytes, *, but: Iterable[str] = (), encoded: bool = True) -> set[str]:
        """The kinds of content that are in there, in any form; without `encoded` only as text."""
        lower = content.lower()
        return {
            kind
            for kind, forms in self._forms.items()
            if kind not in but
            and (
                any(form in lower for form in forms.text)
                or (
                    encoded
                    and (
                        any(form in lower for form in forms.hexadecimal)
                        or any(form in content for form in forms.base64)
                    )
                )
            )
        }

    @cached_property
    def _forms(self) -> Mapping[str, "_Forms"]:
        found = {kind: _Forms() for kind in self.values}
        for kind, values in self.values.items():
            for plain in (form for value in values for form in _plain(value)):
                found[kind].text.add(plain.lower())
                found[kind].hexadecimal.add(plain.hex().encode())
                found[kind].base64.update(_base64(plain))
        return found


@dataclass(frozen=True)
class _Forms:
    text: set[bytes] = field(default_factory=set)
    hexadecimal: set[bytes] = field(default_factory=set)
    base64: set[bytes] = field(default_factory=set)


def in_tables(canaries: Canaries, url: str) -> set[Finding]:
    """Where in the database of this URL, a superuser's: `table.column` and kind."""
    found: set[Finding] = set()
    with psycopg.connect(url) as connection:
        columns = connection.execute(_COLUMNS).fetchall()
        assert len(columns) > 250, "these are not all of our columns"
        for table, table_name, column, column_name in columns:
            # In Postgres's binary form: text, bytes and JSON as they are, nothing escaped.
            statement = f"COPY (SELECT {column} FROM {table}) TO STDOUT (FORMAT binary)"
            with connection.cursor().copy(statement.encode()) as copy:
                content = b"".join(bytes(piece) for piece in copy)
            found |= {(f"{table_name}.{column_name}", kind) for kind in canaries.in_bytes(content)}
    return found


def in_redis(canaries: Canaries, url: str) -> tuple[set[Finding], set[str]]:
    """Where in Redis, and the first part of the name of every key that was looked at."""
    found: set[Finding] = set()
    seen: set[str] = set()
    with synchronous.Redis.from_url(url) as client:
        for key in client.scan_iter(count=1000):
            family = key.decode().partition(":")[0]
            seen.add(family)
            content = b"\n".join([key, *_leaves(_value(client, key))])
            found |= {(family, kind) for kind in canaries.in_bytes(content)}
    return found, seen


def in_files(
    canaries: Canaries, *folders: Path, but: Iterable[str] = (), encoded: bool = True
) -> tuple[set[Finding], int]:
    """Where in these files and everything under these folders, and how many files were read."""
    found: set[Finding] = set()
    files = [one for folder in folders for one in ([folder] if folder.is_file() else folder.rglob("*"))]
    read = 0
    for file in files:
        try:
            content = file.read_bytes() if file.is_file() else b""
        except FileNotFoundError:
            # Its process has removed it meanwhile.
            continue
        read += bool(content)
        found |= {(file.name, kind) for kind in canaries.in_bytes(content, but=but, encoded=encoded)}
    return found, read


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """What this process logs meanwhile, as it would be written."""
    root, written = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(root.handlers[0].formatter)
    root.addHandler(handler)
    try:
        yield written
    finally:
        root.removeHandler(handler)


def _plain(value: str | bytes) -> list[bytes]:
    if isinstance(value, bytes):
        return [value]
    return [value.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")]


def _base64(plain: bytes) -> list[bytes]:
    """As it stands inside a longer value, whatever comes before: three alignments, edges cut off."""
    forms = []
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + plain + bytes(2)).rstrip(b"=")
        inner = encoded[4 if before else 0 : 4 * ((before + len(plain)) // 3)]
        forms += [inner, inner.translate(bytes.maketrans(b"+/", b"-_"))]
    return forms


def _value(client: "synchronous.Redis", key: bytes) -> Any:
    # Not DUMP: that may compress.
    readers: dict[bytes, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
        b"stream": lambda name: [client.xrange(name), client.xinfo_groups(name)],
        b"none": lambda _: b"",
    }
    kind: Any = client.type(key)
    return readers[kind](key)


def _leaves(value: Any) -> Iterator[bytes]:
    match value:
        case bytes():
            yield value
        case dict():
            for pair in value.items():
                yield from _leaves(pair)
        case list() | tuple() | set():
            for one in value:
                yield from _leaves(one)
        case _:
            yield str(value).encode()
