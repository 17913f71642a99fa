"""Reading documents in processes with limits, so that no file can harm or hold up the API.

Two processes, started ahead, answer one document at a time. One that exceeds its wall time, CPU
time or memory, or breaks, is ended and replaced; the event loop only ever waits for pipes. A group (a
tenant) has one at most, so that its files hold up nobody else's.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import app
from app.core.logging import get_logger
from app.documents import frames
from app.documents.answers import Answer, Crash, Read, Written
from app.documents.errors import (
    DocumentError,
    EmptyFile,
    ExtractionBusy,
    ExtractionTimedOut,
    FileTooLarge,
    TooComplex,
    UnreadableFile,
)
from app.documents.operations import Operation, Produced, dump_operations
from app.documents.segments import Extracted
from app.settings import Settings

T = TypeVar("T")
_log = get_logger(__name__)

_PROCESSES = 2
_LONGEST_WAIT_SECONDS = 60.0
_LONGEST_WAIT_IN_GROUP_SECONDS = 20.0
_DOCUMENTS_A_PROCESS = 200
"""Then it is replaced: what a library leaks does not add up."""
_CPU_SECONDS = 10.0
"""For a file of `_SMALL_BYTES` or less; sound ones of that size take a second or two."""
_SMALL_BYTES = 5 * 2**20
_CPU_SECONDS_A_BYTE = 1.0 / 2**20
_CHUNK = 256 * 1024
_ROOT = Path(app.__file__).parents[1]
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")


class Extractor:
    """The pool of reading processes. Use it on one event loop; close it there."""

    def __init__(self, settings: Settings) -> None:
        self.most_bytes = settings.max_upload_bytes
        self._seconds = settings.extraction_seconds
        self._memory = settings.extraction_memory_bytes
        self._ahead = settings.extraction_processes_ahead
        self._free: asyncio.Queue[_Child] = asyncio.Queue()
        self._children: set[_Child] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._turns: dict[object, asyncio.Lock] = {}
        self._callers: Counter[object] = Counter()
        self._closed = False

    def start(self) -> None:
        """Start in the background the processes that are to be there before the first document."""
        self._start(self._ahead - len(self._children) - len(self._starting))

    async def extract(self, name: str, content: bytes, *, group: object | None = None) -> Extracted:
        """The segments of a file. `name` counts for its extension only.

        Files of one `group` (hashable) are read one after another; None is no group. Raises:
        documents.errors, `ExtractionBusy` after 20 s behind the group's others or 60 s without a process.
        """
        return await self.extract_pieces(name, len(content), _whole(content), group=group)

    async def extract_pieces(
        self, name: str, size_bytes: int, pieces: AsyncIterable[bytes], *, group: object | None = None
    ) -> Extracted:
        """The same for a file of `size_bytes` that comes in pieces and is never whole in this process."""
        return await self._ask("read", name, size_bytes, pieces, group, Read())

    async def writable(self, content: bytes, *, group: object | None = None) -> Extracted:
        """Every text of an Office file that can be written: see `writing.writable`. Raises: as `extract`."""
        return await self._ask("writable", "", len(content), _whole(content), group, Read())

    async def produce(
        self,
        content: bytes,
        operations: Sequence[Operation],
        *,
        language: str | None = None,
        group: object | None = None,
    ) -> Produced:
        """The file with these operations applied: see `writing.apply`. Raises: as `extract`."""
        wanted = {"operations": dump_operations(operations), "language": language}
        asked = await asyncio.to_thread(lambda: json.dumps(wanted).encode())
        answer = Written(operations)
        return await self._ask("write", "", len(content), _whole(content), group, answer, asked)

    async def _ask(
        self,
        task: str,
        name: str,
        size_bytes: int,
        pieces: AsyncIterable[bytes],
        group: object | None,
        answer: Answer[T],
        operations: bytes | None = None,
    ) -> T:
        self._check_size(size_bytes)
        request = _request(task, name, _cpu_seconds(size_bytes, self._seconds))
        async with self._turn(group):
            return await self._answered(request, size_bytes, pieces, answer, operations)

    def _check_size(self, size_bytes: int) -> None:
        if not size_bytes:
            raise EmptyFile
        if size_bytes > self.most_bytes:
            raise FileTooLarge(
                f"The file has {size_bytes / 2**20:.1f} MiB and may have {self.most_bytes / 2**20:.0f};"
                " split it and send the parts."
            )

    async def _answered(
        self,
        request: bytes,
        size_bytes: int,
        pieces: AsyncIterable[bytes],
        answer: Answer[T],
        operations: bytes | None,
    ) -> T:
        child = await self._take()
        keep = False
        try:
            async with asyncio.timeout(self._seconds):
                await child.send(request, size_bytes, pieces, operations)
                try:
                    outcome = await child.answer(self._memory, answer)
                finally:
                    # An answer is whole even if it is a refusal; anything else leaves the pipe in disorder.
                    keep = child.answered
            return outcome
        except TimeoutError as error:
            raise ExtractionTimedOut from error
        except (EOFError, ConnectionError) as error:
            raise ExtractionBusy() if self._closed else await child.why() from error
        except _Disorder as error:
            # Whatever a file has made of the process, what it says counts for nothing.
            _log.error("reading process not believed", reason=str(error))
            raise UnreadableFile from error
        finally:
            if keep and child.documents < _DOCUMENTS_A_PROCESS:
                self._free.put_nowait(child)
            else:
                self._replace(child)

    @contextlib.asynccontextmanager
    async def _turn(self, group: object | None) -> AsyncIterator[None]:
        """Be the only one of the group, in the order of arrival. Raises: `ExtractionBusy`."""
        if group is None:
            yield
            return
        turn = self._turns.setdefault(group, asyncio.Lock())
        self._callers[group] += 1
        try:
            try:
                async with asyncio.timeout(_LONGEST_WAIT_IN_GROUP_SECONDS):
                    await turn.acquire()
            except TimeoutError as error:
                raise ExtractionBusy from error
            try:
                yield
            finally:
                turn.release()
        finally:
            self._callers[group] -= 1
            if not self._callers[group]:
                del self._callers[group], self._turns[group]

    async def close(self) -> None:
        """End the processes; what is being read is given up."""
        self._closed = True
        await asyncio.gather(*(child.end() for child in self._children))
        await asyncio.gather(*self._starting)
        await asyncio.gather(*(child.end() for child in self._children))
        self._children.clear()

    async def _take(self) -> "_Child":
        if self._closed:
            raise ExtractionBusy
        if self._free.empty():
            self._start(1)
        try:
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                while (child := await self._free.get()).ended:
                    self._replace(child)
        except TimeoutError as error:
            raise ExtractionBusy from error
        return child

    def _start(self, more: int) -> None:
        """Start so many more in the background, as far as there may be."""
        for _ in range(min(more, _PROCESSES - len(self._children) - len(self._starting))):
            self._replace(None)

    def _replace(self, old: "_Child | None") -> None:
        task = asyncio.create_task(self._renew(old), name="extraction-process")
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _renew(self, old: "_Child | None") -> None:
        if old is not None:
            self._children.discard(old)
            await old.end()
        if self._closed:
            return
        try:
            child = _Child(await _spawn(self._memory))
        except OSError as error:
            # The next document tries again.
            _log.warning("reading process does not start", error=type(error).__name__)
            return
        self._children.add(child)
        if await child.ready():
            self._free.put_nowait(child)
        else:
            self._children.discard(child)
            await child.end()
            _log.warning("reading process does not start", returncode=child.process.returncode)


class _Disorder(Exception):
    """A process said what none of ours says. The message is a rule's name."""


@dataclass(eq=False)
class _Child:
    """One reading process."""

    process: asyncio.subprocess.Process
    documents: int = 0
    answered: bool = False
    """Whether the document that it was sent last has been answered for."""
    crash: dict[str, Any] = field(default_factory=dict)
    pipe: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever reads from the process."""

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None

    async def ready(self) -> bool:
        """Wait until its imports are done, which no document's time should pay for; false if it ended."""
        try:
            await self._receive()
        except (EOFError, _Disorder):
            return False
        return True

    async def answer(self, most_bytes: int, answer: Answer[T]) -> T:
        """What became of the document that was sent, in at most so many bytes.

        Raises: documents.errors, EOFError, ConnectionError, `_Disorder`.
        """
        left = most_bytes
        while True:
            kind, body = await self._receive()
            left -= len(body)
            if left < 0:
                raise _Disorder("too many bytes")
            try:
                if kind == frames.SEGMENTS:
                    ended = await asyncio.to_thread(answer.hear, kind, body)
                else:
                    ended = answer.hear(kind, body)
            except Crash as error:
                self.crash = dict(error.told)
                raise
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise _Disorder(type(error).__name__) from None
            if ended is None:
                continue
            self.answered = True
            if isinstance(ended, DocumentError):
                raise ended
            return ended

    async def why(self) -> DocumentError:
        """The error that says why the process ended by itself."""
        code = await self.process.wait()
        _log.warning("reading process ended", returncode=code, **self.crash)
        if code == -signal.SIGXCPU:
            return ExtractionTimedOut()
        if code < 0:
            return TooComplex(
                "The file could not be read within the memory that a document may need;"
                " save it anew in its program, or split it and send the parts."
            )
        return UnreadableFile()

    async def end(self) -> None:
        """Kill the process and wait until its pipes are closed."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        if self.process.stdin is not None:
            self.process.stdin.close()
            with contextlib.suppress(ConnectionError):
                await self.process.stdin.wait_closed()
        # Whoever reads is told of the end first; what is left must be read for the pipe to close.
        async with self.pipe:
            while self.process.stdout is not None and await self.process.stdout.read(_CHUNK):
                pass
        await self.process.wait()

    async def send(
        self,
        request: bytes,
        size_bytes: int,
        pieces: AsyncIterable[bytes],
        operations: bytes | None,
    ) -> None:
        """Send one document. Raises: EOFError, ConnectionError, ValueError if it is not of that size."""
        pipe = self.process.stdin
        if pipe is None:
            raise EOFError
        self.documents += 1
        self.answered = False
        pipe.write(request)
        if operations is not None:
            pipe.write(frames.frame(frames.OPERATIONS, operations))
            await pipe.drain()
        pipe.write(frames.HEAD.pack(frames.CONTENT, size_bytes))
        left = size_bytes
        async for piece in pieces:
            left -= len(piece)
            if left < 0:
                break
            view = memoryview(piece)
            for start in range(0, len(view), _CHUNK):
                pipe.write(view[start : start + _CHUNK])
                await pipe.drain()
        if left:
            raise ValueError(f"the file has {size_bytes - left} bytes instead of {size_bytes}")

    async def _receive(self) -> tuple[bytes, bytes]:
        pipe = self.process.stdout
        if pipe is None:
            raise EOFError
        async with self.pipe:
            kind, length = frames.HEAD.unpack(await pipe.readexactly(frames.HEAD.size))
            if length > frames.longest(kind):
                raise _Disorder("frame")
            return kind, await pipe.readexactly(length)


def _request(task: str, name: str, cpu_seconds: float) -> bytes:
    suffix = Path(name.replace("\\", "/")).suffix
    told = {"task": task, "name": f"document{suffix}", "cpu_seconds": cpu_seconds}
    return frames.json_frame(frames.REQUEST, told)


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _cpu_seconds(size_bytes: int, most: float) -> float:
    """CPU time that a file may take: a second more for each MiB above the small ones."""
    return min(most, _CPU_SECONDS + max(0, size_bytes - _SMALL_BYTES) * _CPU_SECONDS_A_BYTE)


async def _spawn(memory_bytes: int) -> asyncio.subprocess.Process:
    # Its own session: Ctrl-C in a terminal is for the API, which ends it. No setting or key is passed on.
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.documents.extraction_child",
        str(memory_bytes),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=_ROOT,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        start_new_session=True,
    )
