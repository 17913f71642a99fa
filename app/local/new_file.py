"""A file that is there only when it is whole."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def new_file(path: Path) -> Iterator[IO[str]]:
    """Text in UTF-8 for a new file at `path`, which appears when the block ends well, and else not at all.

    Raises: `FileExistsError` before the block if there is a file already, and after it if there is one by then.
    """
    with _whole(path) as scratch, scratch.open("x", encoding="utf-8") as lines:
        yield lines


@contextmanager
def new_bytes(path: Path) -> Iterator[IO[bytes]]:
    """As `new_file`, for bytes."""
    with _whole(path) as scratch, scratch.open("xb") as content:
        yield content


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Where to write meanwhile."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield scratch
        # Taken by an empty file first: a rename would put ours over somebody else's.
        path.touch(exist_ok=False)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
