"""Read one file with one reader and say what it cost: python one_reader.py READER FILE OUTPUT.

Runs in an interpreter of the peers' environment too, so it imports nothing of ours unless asked to. Imports are not
counted in the CPU time; the peak is the whole process's.
"""

import importlib
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _ours() -> Callable[[Path], str]:
    reading = importlib.import_module("app.documents.reading")

    def read(path: Path) -> str:
        segments = reading.read(path.name, path.read_bytes()).segments
        return "\n".join(segment.text for segment in segments)

    return read


def _markitdown() -> Callable[[Path], str]:
    converter: Any = importlib.import_module("markitdown").MarkItDown()
    return lambda path: str(converter.convert(str(path)).text_content)


def _kreuzberg() -> Callable[[Path], str]:
    kreuzberg: Any = importlib.import_module("kreuzberg")
    return lambda path: str(kreuzberg.extract_file_sync(str(path)).content)


_READERS = {"ours": _ours, "markitdown": _markitdown, "kreuzberg": _kreuzberg}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    """Of this process alone: `ru_maxrss` begins with what whoever started it had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Read, write the text out, print the figures as JSON."""
    name, path, output = sys.argv[1:]
    read = _READERS[name]()
    before = _cpu()
    text = read(Path(path))
    cpu = _cpu() - before
    Path(output).write_text(text, encoding="utf-8", errors="replace")
    sys.stdout.write(json.dumps({"cpu": cpu, "mb": _peak_mb(), "characters": len(text)}) + "\n")


if __name__ == "__main__":
    main()
