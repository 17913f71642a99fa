"""A vendor over real loopback HTTP whose behaviour is scripted per model; it speaks three vendors' protocols.

In a test: `async with ScriptedVendor() as vendor:` on the test's loop, or `with vendor.on_thread():`.
As a process: `python -m tests.scripted_vendor --port N`, then `POST /script` with
`{"model": NAME or "*", "behaviours": [...], "always": false}` and `GET /seen`.

A model's queue is used up one behaviour a request; then what is set by `always`, then the default: an answer
in the shape of the request's schema that quotes the document faithfully.
"""

import argparse
import asyncio
import contextlib
import json
import re
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from tests.wire_formats import WIRE_FORMATS, Asked, Behaviour, WireFormat

_BLOCK = re.compile(r"\[(B\d+)\]\s*(.+?)(?=\n*\[B\d+\]|\Z)", re.DOTALL)
_KINDS = {"<": "text/html", "d": "text/event-stream"}
"""Of a body that is given as it is, by how it begins."""
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


def quote_document(asked: Asked) -> str:
    """A faithful answer: the first words of up to three blocks, each quoted; a text part by part as it is."""
    text = "\n".join(message["content"] for message in asked.messages if message["role"] == "user")
    if asked.schema is None:
        return "A plain answer."
    if "parts" in asked.schema.get("properties", {}):
        parts = [{"id": block, "text": content.strip()} for block, content in _BLOCK.findall(text)]
        return json.dumps({"parts": parts}, ensure_ascii=False)
    sentences = []
    for block, content in _BLOCK.findall(text)[:3]:
        quote = re.split(r"(?<=[.!?])\s", content.strip())[0]
        sentences.append({"citations": [{"block": block, "quote": quote}], "text": quote})
    return json.dumps({"sentences": sentences}, ensure_ascii=False)


class ScriptedVendor:
    """The server; `seen` holds the body of every chat request, in order."""

    def __init__(self, *, respond: Callable[[Asked], str] = quote_document) -> None:
        self.respond = respond
        self.seen: list[dict[str, Any]] = []
        self.asked: list[Asked] = []
        """The same in one form for all protocols."""
        self.headers: list[dict[str, str]] = []
        self.abandoned = 0
        """Requests whose client closed the socket before the answer was over."""
        self.arrived = asyncio.Condition()
        self._queues: defaultdict[str, deque[Behaviour]] = defaultdict(deque)
        self._always: dict[str, Behaviour] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def base_url(self) -> str:
        """What a provider's row needs, for OpenAI's protocol."""
        return f"{self.origin}/v1"

    @property
    def origin(self) -> str:
        """The same for vendors whose clients add the rest."""
        return f"http://127.0.0.1:{self.port}"

    def hits(self, model: str) -> int:
        """Requests that asked for a model."""
        return sum(asked.model == model for asked in self.asked)

    def script(self, model: str, *behaviours: Behaviour) -> None:
        """Append to a model's queue."""
        self._queues[model].extend(behaviours)

    def always(self, model: str, behaviour: Behaviour | None) -> None:
        """What a model does when its queue is empty; `*` stands for every model."""
        if behaviour is None:
            self._always.pop(model, None)
        else:
            self._always[model] = behaviour

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that requests change has become true (same loop only)."""
        async with self.arrived, asyncio.timeout(10):
            await self.arrived.wait_for(condition)

    async def start(self, port: int = 0) -> None:
        """Listen on loopback."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @contextlib.contextmanager
    def on_thread(self) -> Iterator[Self]:
        """Serve from a thread of its own, for tests that start processes or measure CPU time."""
        ready, loop = threading.Event(), asyncio.new_event_loop()
        stopping = asyncio.Event()

        async def serve() -> None:
            await self.start()
            ready.set()
            await stopping.wait()
            await self.stop()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
        thread.start()
        ready.wait(10)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stopping.set)
            thread.join(10)
            loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request_line, *lines = head.strip().split("\r\n")
        method, path, _ = request_line.split(" ", 2)
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        if method == "POST" and path != "/script":
            body = json.loads(raw)
            for wire in WIRE_FORMATS:
                asked = wire.asked(path, headers, body)
                if asked is not None:
                    return await self._chat(Exchange(wire, asked, body), headers, reader, writer)
        await _send(writer, 200, self._control(method, path, raw))
        return True

    def _control(self, method: str, path: str, raw: bytes) -> Any:
        if method == "POST" and path == "/script":
            given = json.loads(raw)
            behaviours = [Behaviour(**one) for one in given["behaviours"]]
            if given.get("always"):
                self.always(given["model"], behaviours[0])
            else:
                self.script(given["model"], *behaviours)
            return {}
        if path == "/hits":
            return Counter(asked.model for asked in self.asked)
        if path == "/seen":
            return {"seen": self.seen, "abandoned": self.abandoned}
        if path.endswith("/models"):
            return {"object": "list", "data": [{"id": name} for name in ["scripted", *self._always]]}
        return {"status": "ok"}

    def _next(self, model: str) -> Behaviour:
        queue = self._queues[model] or self._queues["*"]
        if queue:
            return queue.popleft()
        return self._always.get(model) or self._always.get("*") or Behaviour()

    async def _chat(
        self,
        exchange: "Exchange",
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        async with self.arrived:
            self.seen.append(exchange.body)
            self.asked.append(exchange.asked)
            self.headers.append(headers)
            self.arrived.notify_all()
        behaviour = self._next(exchange.asked.model)
        # A client that goes away is seen as the end of its stream; nothing is pipelined on these connections.
        gone = asyncio.ensure_future(reader.read(1))
        answering = asyncio.ensure_future(self._answer(exchange, behaviour, writer))
        try:
            await asyncio.wait({gone, answering}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done() or answering.exception() is not None:
                async with self.arrived:
                    self.abandoned += 1
                    self.arrived.notify_all()
                return False
            return answering.result() and not gone.done()
        finally:
            for task in (gone, answering):
                task.cancel()
            await asyncio.gather(gone, answering, return_exceptions=True)

    async def _answer(self, exchange: "Exchange", behaviour: Behaviour, writer: asyncio.StreamWriter) -> bool:
        if behaviour.stall:
            await asyncio.Event().wait()
        if behaviour.delay_seconds:
            await asyncio.sleep(behaviour.delay_seconds)
        wire, asked = exchange.wire, exchange.asked
        if behaviour.body is not None or behaviour.status != 200:
            body = behaviour.body
            if body is None:
                body = wire.error(behaviour.status, "scripted", "scripted")
            await _send(writer, behaviour.status, body, behaviour.headers)
            return True
        if behaviour.answer is None:
            behaviour = replace(behaviour, answer=self.respond(asked))
        if behaviour.counted:
            given = sum(len(message["content"]) for message in asked.messages)
            behaviour = replace(behaviour, usage=(given // 4, len(behaviour.answer or "") // 4))
        if asked.stream:
            return await _stream(writer, wire.events(asked, behaviour), behaviour)
        completion = wire.completion(asked, behaviour)
        if behaviour.cut_body_after is not None:
            await _send(writer, 200, completion, cut_after=behaviour.cut_body_after)
            return False
        if behaviour.stall_after is not None:
            await _send(writer, 200, completion, cut_after=len(json.dumps(completion)) // 2)
            await asyncio.Event().wait()
        await _send(writer, 200, completion, behaviour.headers)
        return True


@dataclass(frozen=True)
class Exchange:
    """One request: its protocol, what it asks in one form for all, and its body as it came."""

    wire: WireFormat
    asked: Asked
    body: dict[str, Any]


async def _send(
    writer: asyncio.StreamWriter,
    status: int,
    body: Any,
    headers: dict[str, str] | None = None,
    *,
    cut_after: int | None = None,
) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Scripted')}"]
    kind = _KINDS.get(body[:1], "application/json") if isinstance(body, str) else "application/json"
    lines += [f"{name}: {value}" for name, value in {"Content-Type": kind, **(headers or {})}.items()]
    lines += [f"Content-Length: {len(raw)}", "", ""]
    writer.write("\r\n".join(lines).encode() + (raw if cut_after is None else raw[:cut_after]))
    await writer.drain()


async def _stream(writer: asyncio.StreamWriter, events: list[str], behaviour: Behaviour) -> bool:
    """Chunks of a few characters; True when the stream ended as it should."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    if behaviour.end_stream_after is not None:
        events = events[: behaviour.end_stream_after]
    sent = 0
    for number, event in enumerate(events):
        if number == behaviour.stall_after:
            await asyncio.Event().wait()
        raw = f"{event}\n\n".encode()
        chunk = f"{len(raw):x}\r\n".encode() + raw + b"\r\n"
        if behaviour.cut_body_after is not None and sent + len(raw) > behaviour.cut_body_after:
            writer.write(chunk[: len(chunk) // 2])
            await writer.drain()
            return False
        sent += len(raw)
        writer.write(chunk)
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


async def _main(port: int) -> None:
    vendor = ScriptedVendor()
    await vendor.start(port)
    print(f"ready {vendor.base_url}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve a scripted vendor on loopback.")
    parser.add_argument("--port", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args().port))
