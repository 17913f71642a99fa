"""A stand-in for the add-in door on loopback: real HTTP, answers from a list, remembers what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """One answer; `cut` closes the connection in the middle of the body."""

    body: str | dict[str, Any]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class Door:
    """The door; `answers` are given in turn for each "METHOD /path", the last one for ever."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    api: str = ""

    def answer(self, place: str) -> Answer:
        waiting = self.answers.get(place, [Answer({"error": {"code": "not_found", "message": place}}, 404)])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


def events(*pairs: tuple[str, dict[str, Any]], first: int = 1) -> str:
    """A text/event-stream with ids e.1, e.2, ... and a heartbeat between."""
    frames = [
        f"event: {name}\nid: e.{number}\ndata: {json.dumps(body)}\n\n: ping\n\n"
        for number, (name, body) in enumerate(pairs, first)
    ]
    return "".join(frames)


@contextmanager
def opened() -> Iterator[Door]:
    """A door on a free port."""
    door = Door()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            door.asked.append(Asked(self.command, self.path, headers, self.rfile.read(length)))
            given = door.answer(f"{self.command} {self.path.partition('?')[0]}")
            content = (given.body if isinstance(given.body, str) else json.dumps(given.body)).encode()
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content) + (100 if given.cut else 0)))
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = given.cut

        do_GET = do_POST = _handle  # noqa: N815 - the base class's names

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        door.api = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield door
        finally:
            server.shutdown()
            thread.join()
