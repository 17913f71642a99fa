"""An Office package: parts found by relationships, as the standard asks, never by their usual names."""

from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import dirname, join, normpath
from urllib.parse import unquote

from app.documents.errors import UnreadableFile
from app.documents.preflight import open_zip, read_part, stream_part
from app.documents.readers.xml import Element, parse

_MACRO_PARTS = frozenset({"vbaproject.bin", "vbadata.xml", "vbaprojectsignature.bin"})


@dataclass(frozen=True)
class Relationship:
    """`kind` is the last word of the type, the same in both dialects ("header"); `part` a name in the package."""

    id: str
    kind: str
    part: str


class Package:
    """The parts of a zip container that passed the preflight. Names carry no leading slash.

    With `whole` each part is parsed once, comments in its XML included, so that it can be written again.
    """

    def __init__(self, content: bytes, *, whole: bool = False) -> None:
        self._whole = whole
        self._roots: dict[str, Element] = {}
        self._container = open_zip(content)
        # Part names are compared without case, and some writers use backslashes.
        self._names = {
            _key(entry.filename): entry.filename for entry in self._container.infolist() if not entry.is_dir()
        }

    def has(self, part: str) -> bool:
        """Whether the package holds that part."""
        return _key(part) in self._names

    def holds_macros(self) -> bool:
        """Whether a macro project lies in the package, whatever the package says of itself."""
        return any(name.rpartition("/")[2] in _MACRO_PARTS for name in self._names)

    def is_signed(self) -> bool:
        """Whether somebody signed the package; the signature ends with any change."""
        return any(each.kind == "origin" for each in self.relationships())

    def xml(self, part: str) -> Element:
        """The root of a part. Raises: `UnreadableFile`, `TooComplex`."""
        name = self._names.get(_key(part))
        if name is None:
            raise UnreadableFile("A part of the file is missing; save it anew in its program and send that.")
        if not self._whole:
            return parse(read_part(self._container, name))
        if name not in self._roots:
            self._roots[name] = parse(read_part(self._container, name), whole=True)
        return self._roots[name]

    def content(self, part: str) -> bytes:
        """The bytes of a part. Raises: `UnreadableFile`, `TooComplex`."""
        return read_part(self._container, self._names[_key(part)])

    def entry_name(self, part: str) -> str:
        """The name of a part's entry in the container, letter for letter."""
        return self._names[_key(part)]

    def stream(self, part: str, size: int = 2**20) -> Iterator[bytes]:
        """A part's bytes piece by piece. Raises: `UnreadableFile`, `TooComplex`."""
        return stream_part(self._container, self._names[_key(part)], size)

    def size(self, part: str) -> int:
        """What the directory says that the part unpacks to, in bytes."""
        return self._container.getinfo(self._names[_key(part)]).file_size

    def parts(self) -> list[str]:
        """The names of all parts."""
        return list(self._names.values())

    def relationships(self, part: str = "") -> list[Relationship]:
        """Where `part` points to inside the package; "" is the package itself."""
        folder = dirname(part)
        listing = join(folder, "_rels", f"{part[len(folder) :].lstrip('/')}.rels")
        if not self.has(listing):
            return []
        return [
            Relationship(
                id=each.get("Id", ""),
                kind=each.get("Type", "").rsplit("/", 1)[-1],
                part=_resolve(folder, each.get("Target", "")),
            )
            for each in self.xml(listing)
            if each.get("TargetMode") != "External"
        ]

    def main_part(self) -> str | None:
        """The name of the document's main part, if there is one."""
        return next(
            (
                each.part
                for each in self.relationships()
                if each.kind == "officeDocument" and self.has(each.part)
            ),
            None,
        )

    def main_content_type(self) -> str | None:
        """The content type of the main part; `None` if this is no Office package."""
        main = self.main_part() if self.has("[Content_Types].xml") else None
        if main is None:
            return None
        types = list(self.xml("[Content_Types].xml"))
        for each in types:
            if _key(each.get("PartName", "").lstrip("/")) == _key(main):
                return each.get("ContentType", "")
        extension = main.rpartition(".")[2].lower()
        for each in types:
            if each.get("Extension", "").lower() == extension:
                return each.get("ContentType", "")
        return ""


def _key(name: str) -> str:
    return name.replace("\\", "/").lower()


def _resolve(folder: str, target: str) -> str:
    path = unquote(target.partition("#")[0]).replace("\\", "/")
    return normpath(join("/", folder, path)).lstrip("/")
