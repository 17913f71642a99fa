"""The reading process: one document after another, under limits, until its parent's pipe ends.

Run as `python -m app.documents.extraction_child MEMORY_BYTES`. Its imports are few on purpose: it holds no
key, no setting and no connection, and starts in a fraction of a second.
"""

import contextlib
import json
import math
import os
import queue
import resource
import signal
import sys
import threading
import time
import traceback
from dataclasses import asdict
from types import TracebackType
from typing import Any, BinaryIO, NoReturn

from app.documents import frames
from app.documents.errors import DocumentError, TooComplex
from app.documents.operations import load_operations
from app.documents.reading import read
from app.documents.writing import apply, writable

_LOOK_SECONDS = 0.05
_Request = tuple[dict[str, Any], bytes, bytes]


def main() -> None:
    """Answer requests on standard input, on what was standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    # A library that prints must not break the frames, nor show content.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    memory_bytes = int(sys.argv[1])
    if not _limit(memory_bytes):
        threading.Thread(target=_watch_memory, args=(memory_bytes,), daemon=True).start()
    _tell_of_crashes(answers)
    requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
    # Its own thread, so that the end of the parent ends this process in the middle of a document too.
    threading.Thread(target=_receive, args=(sys.stdin.buffer, requests), daemon=True).start()
    answers.write(frames.frame(frames.READY, b""))
    answers.flush()
    while True:
        request, operations, content = requests.get()
        _allow_cpu(float(request["cpu_seconds"]))
        _answer(request, operations, content, answers)
        del content
        answers.flush()


def _answer(request: dict[str, Any], operations: bytes, content: bytes, answers: BinaryIO) -> None:
    try:
        if request["task"] == "write":
            wanted = json.loads(operations)
            made = apply(content, load_operations(wanted["operations"]), language=wanted["language"])
            answers.writelines(frames.produced_frames(made))
            return
        is_for_writing = request["task"] == "writable"
        extracted = writable(content) if is_for_writing else read(str(request["name"]), content)
    except DocumentError as error:
        answers.write(_error_frame(error))
    except (MemoryError, RecursionError):
        answers.write(
            _error_frame(
                TooComplex(
                    "The file needs more memory to read than a document may; split it and send the parts."
                )
            )
        )
    else:
        answers.writelines(frames.segment_frames(extracted.segments))
        answers.write(
            frames.json_frame(
                frames.DONE,
                {
                    "media_type": extracted.media_type,
                    "notes": dict(extracted.notes),
                    "labels": [asdict(label) for label in extracted.labels],
                },
            )
        )


def _error_frame(error: DocumentError) -> bytes:
    return frames.json_frame(frames.ERROR, {"code": error.code, "message": error.message})


def _receive(source: BinaryIO, requests: queue.SimpleQueue[_Request]) -> NoReturn:
    while True:
        request = json.loads(_body(source))
        operations = _body(source) if request["task"] == "write" else b""
        requests.put((request, operations, _body(source)))


def _body(source: BinaryIO) -> bytes:
    head = source.read(frames.HEAD.size)
    if len(head) == frames.HEAD.size:
        _, length = frames.HEAD.unpack(head)
        body = source.read(length)
        if len(body) == length:
            return body
    os._exit(0)


def _limit(memory_bytes: int) -> bool:
    """No core file (it would hold content), no file written, and at most that much address space.

    Whether the last could be set: macOS refuses it.
    """
    limited = False
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, memory_bytes),
    ):
        limited = False
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))
            limited = True
    return limited


def _watch_memory(memory_bytes: int) -> NoReturn:
    """End this process once it holds more memory than it may: where the system does not see to it.

    libxml2, pdfium and zlib let this thread run while they work.
    """
    while _resident_bytes() <= memory_bytes:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def _resident_bytes() -> int:
    """What this process holds; on macOS what it held at most, which is in bytes there (getrusage(2)).

    Linux hands that figure on from whoever started the process, so it says nothing there.
    """
    try:
        with open("/proc/self/statm", "rb") as pages:  # noqa: PTH123 (no pathlib in this process's short list of imports)
            return int(pages.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _allow_cpu(seconds: float) -> None:
    """Let this document have that much CPU time; beyond it the system ends the process (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    # A container may have set a limit of its own, which cannot be passed.
    soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _tell_of_crashes(answers: BinaryIO) -> None:
    """Report a bug by the error's type and place: its message may hold document text."""

    def tell(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
        place = traceback.extract_tb(trace)[-1] if trace is not None else None
        where = "" if place is None else f"{os.path.basename(place.filename)}:{place.lineno}"  # noqa: PTH119
        answers.write(frames.json_frame(frames.CRASH, {"error": kind.__name__, "where": where}))
        answers.flush()
        # An orderly end would wait for the thread that reads the pipe.
        os._exit(1)

    sys.excepthook = tell


if __name__ == "__main__":
    main()
