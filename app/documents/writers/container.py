"""A container with some parts replaced: the others byte for byte, all in their order and compression."""

import io
import shutil
import zipfile
from collections.abc import Mapping

from app.documents.preflight import open_zip

_COPY_BYTES = 1024 * 1024


def repack(content: bytes, changed: Mapping[str, bytes]) -> bytes:
    """The container `content` with these parts, by entry name. Raises: documents.errors."""
    if not changed:
        return content
    source = open_zip(content)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as container:
        container.comment = source.comment
        for entry in source.infolist():
            new = _like(entry)
            if entry.filename in changed:
                container.writestr(new, changed[entry.filename])
            elif entry.is_dir():
                container.writestr(new, b"")
            else:
                new.file_size = entry.file_size
                with source.open(entry) as old, container.open(new, "w") as part:
                    shutil.copyfileobj(old, part, _COPY_BYTES)
    return target.getvalue()


def _like(entry: zipfile.ZipInfo) -> zipfile.ZipInfo:
    new = zipfile.ZipInfo(entry.filename, entry.date_time)
    new.compress_type = entry.compress_type
    new.create_system = entry.create_system
    new.external_attr = entry.external_attr
    new.internal_attr = entry.internal_attr
    new.comment = entry.comment
    return new
