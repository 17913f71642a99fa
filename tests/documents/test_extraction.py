"""The reading processes: real ones, with real limits."""

import asyncio
import gc
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic, thread_time

import psutil
import pytest

import app
from app.documents import extraction, frames
from app.documents.errors import (
    EmptyFile,
    ExtractionBusy,
    ExtractionTimedOut,
    FileTooLarge,
    MislabelledFile,
    NoText,
    TooComplex,
)
from app.documents.extraction import Extractor
from app.documents.reading import read
from app.documents.segments import load_segments
from app.settings import Settings
from app.vocabulary import Environment
from tests.documents.files import paragraph, pdf_file, repetitive_pdf, word_file
from tests.processes import until

_SLOW = b"A line of its own.\n\n" * 150_000


def _settings(**limits: float) -> Settings:
    return Settings(env=Environment.DEVELOPMENT).model_copy(update=limits)


@pytest.fixture
async def extractor() -> AsyncIterator[Extractor]:
    pool = Extractor(_settings())
    pool.start()
    yield pool
    await pool.close()


async def test_what_comes_back_is_what_the_reader_found(extractor: Extractor) -> None:
    for name, content in (
        ("a.docx", word_file("".join(paragraph(f"Paragraph {number}") for number in range(1_234)))),
        ("b.pdf", pdf_file([("Title", "Title"), ("Normal", "Body.")])),
        ("c.md", "# Ü\n\n😀 text".encode()),
        ("d.txt", b"x" * 300_000),
    ):
        assert await extractor.extract(name, content) == read(name, content)


async def test_many_at_once_each_get_their_own(extractor: Extractor) -> None:
    found = await asyncio.gather(*(extractor.extract("a.txt", f"text {n}".encode()) for n in range(20)))
    assert [extracted.segments[0].text for extracted in found] == [f"text {n}" for n in range(20)]


async def test_refusals_come_back_as_errors_and_the_process_goes_on(extractor: Extractor) -> None:
    with pytest.raises(MislabelledFile, match=r"end in \.docx"):
        await extractor.extract("a.txt", word_file(paragraph("a")))
    with pytest.raises(NoText, match="text layer"):
        await extractor.extract("a.pdf", pdf_file([]))
    with pytest.raises(EmptyFile):
        await extractor.extract("a.txt", b"")
    assert sum(child.documents for child in extractor._children) == 2


async def test_more_bytes_than_an_upload_may_have_reach_no_process() -> None:
    extractor = Extractor(_settings(max_upload_bytes=2**20))
    with pytest.raises(FileTooLarge, match="may have 1;"):
        await extractor.extract("a.txt", bytes(2**20 + 1))
    assert not extractor._children


async def test_a_file_that_takes_too_long_is_stopped_and_the_next_is_read() -> None:
    extractor = Extractor(_settings(extraction_seconds=0.5))
    with pytest.raises(ExtractionTimedOut, match="too long"):
        await extractor.extract("a.txt", _SLOW)
    assert (await extractor.extract("a.txt", b"next")).segments[0].text == "next"
    assert (await extractor.extract("a.txt", b"again")).segments[0].text == "again"
    await extractor.close()


async def test_a_file_that_needs_too_much_memory_is_refused_and_the_next_is_read() -> None:
    words = random.Random(1)
    body = "".join(f"<w:p><w:r><w:t>{words.random()}</w:t></w:r></w:p>" for _ in range(200_000))
    extractor = Extractor(_settings(extraction_memory_bytes=180 * 2**20))
    with pytest.raises(TooComplex, match="memory"):
        await extractor.extract("a.docx", word_file(body))
    assert (await extractor.extract("a.txt", b"next")).segments[0].text == "next"
    await extractor.close()


async def test_memory_is_bounded_where_the_system_sets_no_limit_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on macOS, which refuses RLIMIT_AS."""
    script = (
        "import resource\n"
        "set_limit = resource.setrlimit\n"
        "def refuse(what, limits):\n"
        "    if what == resource.RLIMIT_AS:\n"
        "        raise ValueError('current limit exceeds maximum limit')\n"
        "    set_limit(what, limits)\n"
        "resource.setrlimit = refuse\n"
        "from app.documents.extraction_child import main\n"
        "main()\n"
    )
    started: list[asyncio.subprocess.Process] = []

    async def spawn(memory_bytes: int) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            script,
            str(memory_bytes),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=extraction._ROOT,
        )
        started.append(process)
        return process

    monkeypatch.setattr(extraction, "_spawn", spawn)
    words = random.Random(1)
    body = "".join(f"<w:p><w:r><w:t>{words.random()}</w:t></w:r></w:p>" for _ in range(200_000))
    extractor = Extractor(_settings(extraction_memory_bytes=100 * 2**20))
    with pytest.raises(TooComplex, match="memory"):
        await extractor.extract("a.docx", word_file(body))
    assert -9 in [process.returncode for process in started]
    assert (await extractor.extract("a.txt", b"next")).segments[0].text == "next"
    await extractor.close()


async def test_the_limits_of_a_process_are_in_force(extractor: Extractor) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux shows another process's limits")
    await extractor.extract("a.txt", b"text")
    memory = _settings().extraction_memory_bytes

    async def limited() -> bool:
        # A child sets its limits itself, before it reads anything: a spare one may just be starting.
        held = [psutil.Process(child.process.pid).rlimit(psutil.RLIMIT_AS) for child in extractor._children]
        return all(one == (memory, memory) for one in held)

    await until(limited)
    for child in extractor._children:
        process = psutil.Process(child.process.pid)
        assert process.rlimit(psutil.RLIMIT_FSIZE) == process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    cpu = [psutil.Process(child.process.pid).rlimit(psutil.RLIMIT_CPU)[0] for child in extractor._children]
    assert min(cpu) <= 13


async def test_a_file_that_comes_in_pieces_is_read_as_one(extractor: Extractor) -> None:
    content = word_file("".join(paragraph(f"Paragraph {number}") for number in range(500)))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 999):
            yield content[start : start + 999]

    assert await extractor.extract_pieces("a.docx", len(content), pieces()) == read("a.docx", content)
    for size in (len(content) - 1, len(content) + 1):
        with pytest.raises(ValueError, match="bytes instead of"):
            await extractor.extract_pieces("a.docx", size, pieces())
    assert (await extractor.extract("a.txt", b"next")).segments[0].text == "next"


async def test_a_small_file_may_not_take_the_time_of_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "_CPU_SECONDS", 0.5)
    extractor = Extractor(_settings())
    before = monotonic()
    with pytest.raises(ExtractionTimedOut):
        await extractor.extract("a.pdf", repetitive_pdf(2_000, letters=5_000, same_object=False))
    assert monotonic() - before < 30
    await extractor.close()


def test_the_time_grows_with_the_file_up_to_the_setting() -> None:
    allowed = [extraction._cpu_seconds(size * 2**20, 60.0) for size in (0, 5, 6, 25, 100)]
    assert allowed == [10.0, 10.0, 11.0, 30.0, 60.0]
    assert extraction._cpu_seconds(2**20, 0.5) == 0.5


async def test_a_group_has_one_process_and_leaves_the_other(extractor: Extractor) -> None:
    slow = [asyncio.create_task(extractor.extract("a.txt", _SLOW, group="one")) for _ in range(3)]
    for group in ("two", None, "two"):
        assert (await extractor.extract("a.txt", b"text", group=group)).segments[0].text == "text"
    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    assert (await extractor.extract("a.txt", b"next", group="one")).segments[0].text == "next"
    assert not extractor._turns
    assert not extractor._callers


async def test_who_waits_too_long_behind_its_group_is_told(
    extractor: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "_LONGEST_WAIT_IN_GROUP_SECONDS", 0.05)
    slow = asyncio.create_task(extractor.extract("a.txt", _SLOW, group="one"))
    # What waits for the loop before the call has its turn after it.
    await asyncio.sleep(0)
    with pytest.raises(ExtractionBusy):
        await extractor.extract("a.txt", b"text", group="one")
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    assert not extractor._turns


async def test_a_process_that_died_is_replaced(extractor: Extractor) -> None:
    for child in [await extractor._free.get(), await extractor._free.get()]:
        child.process.kill()
        await child.process.wait()
        extractor._free.put_nowait(child)
    assert (await extractor.extract("a.txt", b"next")).segments[0].text == "next"


async def test_a_caller_who_leaves_frees_the_process(extractor: Extractor) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await asyncio.gather(*(extractor.extract("a.txt", _SLOW) for _ in range(3)))
    assert (await extractor.extract("a.txt", b"next")).segments[0].text == "next"


async def test_the_loop_turns_while_a_long_document_is_read(extractor: Extractor) -> None:
    content = word_file("".join(paragraph(f"Paragraph {number} of many") for number in range(20_000)))
    before = thread_time()
    expected = read("a.docx", content)
    in_this_thread = thread_time() - before
    # Time the loop's thread worked between two turns: what threads and processes beside it take is not its doing.
    pauses: list[float] = []

    async def tick() -> None:
        while True:
            before = thread_time()
            await asyncio.sleep(0.002)
            pauses.append(thread_time() - before)

    # What earlier tests left in this process is not to be looked through by the garbage collector meanwhile.
    gc.collect()
    gc.freeze()
    try:
        ticking = asyncio.create_task(tick())
        assert await extractor.extract("a.docx", content) == expected
        ticking.cancel()
    finally:
        gc.unfreeze()
    assert len(pauses) > 5
    assert max(pauses) < in_this_thread / 2


async def test_after_close_nothing_is_left_and_nothing_is_taken() -> None:
    extractor = Extractor(_settings())
    await extractor.extract("a.txt", b"text")
    processes = [psutil.Process(child.process.pid) for child in extractor._children]
    await extractor.close()
    assert not any(process.is_running() for process in processes)
    with pytest.raises(ExtractionBusy):
        await extractor.extract("a.txt", b"text")


async def test_close_gives_up_what_is_being_read() -> None:
    extractor = Extractor(_settings())
    await extractor.extract("a.txt", b"text")
    reading = asyncio.create_task(extractor.extract("a.txt", _SLOW))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(reading), 0.2)
    await extractor.close()
    with pytest.raises(ExtractionBusy):
        await reading
    assert not extractor._children


async def test_close_right_after_start_leaves_nothing() -> None:
    extractor = Extractor(_settings())
    extractor.start()
    await extractor.close()
    assert not extractor._children


async def test_a_process_gets_no_setting_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    extractor = Extractor(_settings())
    await extractor.extract("a.txt", b"text")
    for child in extractor._children:
        assert "secret" not in str(psutil.Process(child.process.pid).environ())
    await extractor.close()


def test_the_processes_end_with_a_parent_that_is_killed() -> None:
    script = (
        "import asyncio, os, signal\n"
        "from app.documents.extraction import Extractor\n"
        "from app.settings import Settings\n"
        "async def main():\n"
        "    extractor = Extractor(Settings(env='development'))\n"
        "    await extractor.extract('a.txt', b'text')\n"
        "    print(*(child.process.pid for child in extractor._children), flush=True)\n"
        "    asyncio.create_task(extractor.extract('a.txt', b'A line.\\n\\n' * 190_000))\n"
        "    while not sum(child.documents for child in extractor._children) == 2:\n"
        "        await asyncio.sleep(0)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    root = Path(app.__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30, cwd=root
    )
    pids = [int(pid) for pid in ended.stdout.split()]
    assert pids
    for pid in pids:
        try:
            psutil.Process(pid).wait(timeout=10)
        except psutil.NoSuchProcess:
            continue


def test_frames_hold_all_segments_in_order() -> None:
    extracted = read("a.txt", b"\n\n".join(b"%d" % number * 50 for number in range(3_000)))
    loaded = []
    for each in frames.segment_frames(extracted.segments):
        kind, length = frames.HEAD.unpack(each[: frames.HEAD.size])
        assert (kind, length) == (frames.SEGMENTS, len(each) - frames.HEAD.size)
        loaded += [segment.text for segment in load_segments(each[frames.HEAD.size :])]
    assert loaded == [segment.text for segment in extracted.segments]
