"""A client of the add-in door, as the task pane is one: signs in, uploads, submits, follows, reads.

Blocking on purpose: it serves one command on a terminal. Every failure is a `ClientError` whose `body`
has the shape of the door's own errors.
"""

import json
import mimetypes
import ssl
import stat
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from app.jobs.states import FINAL_JOB_STATES

_TIMEOUT = httpx.Timeout(120.0, connect=5.0)
_STREAM_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_TRIES = 6
_LONGEST_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.2
_BUSY = frozenset({429, 503})
_FINAL_STATES = frozenset(state.value for state in FINAL_JOB_STATES)


class ClientError(Exception):
    """Something went wrong on the way; `code` and `message` are for people and programs."""

    def __init__(self, code: str, message: str, *, target: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.job_id: str | None = None
        self.state: str | None = None
        self.status = 1
        """Exit status of the command."""
        self.body: dict[str, Any] = {
            "code": code,
            "message": message,
            "target": target,
            "details": [],
            **more,
        }


@dataclass(frozen=True)
class ServerEvent:
    """One event of a job's stream."""

    type: str
    body: Mapping[str, Any]
    id: str = ""


@dataclass
class _Frame:
    """The lines of one event while they arrive."""

    type: str = "message"
    id: str = ""
    data: list[str] = field(default_factory=list)


class Client:
    """The add-in door for one signed-in person."""

    def __init__(self, api: str, token: str, *, ca: Path | None = None) -> None:
        verify = ssl.create_default_context(cafile=str(ca)) if ca is not None else True
        self._http = httpx.Client(
            base_url=f"{api}/addin/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT,
            verify=verify,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def upload(self, path: Path) -> dict[str, Any]:
        """Send a file; gives the document. Raises: `ClientError`."""
        check_file(path)
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"

        def send() -> httpx.Response:
            with path.open("rb") as content:
                return self._http.post(
                    "/documents",
                    params={"name": path.name},
                    content=content,
                    headers={"Content-Type": media_type},
                )

        return self._ask(send)

    def submit(
        self,
        task_type: str,
        *,
        documents: Sequence[str] = (),
        text: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        host: str = "word",
        lane: str | None = None,
    ) -> dict[str, Any]:
        """Submit a job over uploaded documents or a text; gives the job. Raises: `ClientError`."""
        sources = {"documents": list(documents), **({"text": text} if text is not None else {})}
        body = {
            "task_type": task_type,
            "parameters": dict(parameters or {}),
            "host": host,
            "input": sources,
            **({"lane": lane} if lane is not None else {}),
        }
        # One key for all tries: a request whose answer was lost is not accepted twice.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self._ask(lambda: self._http.post("/jobs", json=body, headers=headers))

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as it stands. Raises: `ClientError`."""
        return self._ask(lambda: self._http.get(f"/jobs/{job_id}"))

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Ask to cancel the job. Raises: `ClientError`."""
        return self._ask(lambda: self._http.post(f"/jobs/{job_id}/cancel"))

    def file(self, job_id: str) -> bytes:
        """The file that the job has made. Raises: `ClientError`."""
        return self._asked(lambda: self._http.get(f"/jobs/{job_id}/file")).content

    def follow(self, job_id: str) -> Iterator[ServerEvent]:
        """The job's events until it ends, resumed where the connection broke. Raises: `ClientError`."""
        last_id = ""
        while True:
            try:
                for event in self._stream(job_id, last_id):
                    last_id = event.id or last_id
                    yield event
                    if event.type in {"result", "error"}:
                        return
            except httpx.HTTPError:
                # Whether the door is gone for good is for the next request to say.
                pass
            if self.job(job_id)["state"] in _FINAL_STATES:
                return
            _pause(_POLL_SECONDS)

    def finished(self, job_id: str) -> dict[str, Any]:
        """The job once it is in a final state. Raises: `ClientError`."""
        while (job := self.job(job_id))["state"] not in _FINAL_STATES:
            _pause(_POLL_SECONDS)
        return job

    def _stream(self, job_id: str, last_id: str) -> Iterator[ServerEvent]:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        with self._http.stream(
            "GET", f"/jobs/{job_id}/events", headers=headers, timeout=_STREAM_TIMEOUT
        ) as response:
            if response.status_code in _BUSY:
                _pause(_retry_after(response))
                return
            if response.status_code != httpx.codes.OK:
                response.read()
                raise _refused(response)
            yield from parse_events(response.iter_lines())

    def _ask(self, send: Callable[[], httpx.Response]) -> dict[str, Any]:
        """The JSON that comes back. Raises: `ClientError`."""
        answer: dict[str, Any] = self._asked(send).json()
        return answer

    def _asked(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """Send, and again while the door is busy or out of reach. Raises: `ClientError`."""
        attempt = 1
        while True:
            try:
                response = send()
            except httpx.TransportError as error:
                if attempt == _TRIES:
                    url = self._http.base_url
                    raise ClientError(
                        "api_unreachable",
                        f"the API at {url.host}:{url.port} does not answer ({type(error).__name__});"
                        " `switchboard doctor` says what is wrong",
                    ) from error
                _pause(_POLL_SECONDS * attempt)
            else:
                if response.status_code not in _BUSY or attempt == _TRIES:
                    if response.is_error:
                        raise _refused(response)
                    return response
                _pause(_retry_after(response))
            attempt += 1


def check_file(path: Path) -> None:
    """Raises: `ClientError` when there is no such file to read."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
            return
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ClientError("file_not_found", f"there is no file {path}", target=str(path)) from error
    except OSError as error:
        raise ClientError(
            "file_unreadable", f"{path} cannot be read: {error.strerror}", target=str(path)
        ) from error
    # Opening a pipe or a device could wait for ever.
    what = "is a folder" if stat.S_ISDIR(mode) else "is a pipe or a device, not a file"
    raise ClientError("file_unreadable", f"{path} {what}; name a document", target=str(path))


def parse_events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    """The events of a text/event-stream (WHATWG HTML, section 9.2.6); comments are heartbeats."""
    frame = _Frame()
    for line in lines:
        if not line:
            if frame.data:
                yield ServerEvent(frame.type, _json("\n".join(frame.data)), frame.id)
            frame = _Frame()
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                frame.type = value
            case "id":
                frame.id = value
            case "data":
                frame.data.append(value)
            case _:
                pass


def _json(data: str) -> Mapping[str, Any]:
    try:
        body = json.loads(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _refused(response: httpx.Response) -> ClientError:
    """The door's own error, or a plain one when something else answered."""
    try:
        body = dict(response.json()["error"])
        error = ClientError(str(body["code"]), str(body["message"]), target=body.get("target"))
        error.body = body
    except (ValueError, KeyError, TypeError):
        return ClientError("unexpected_answer", f"the API answered {response.status_code} without saying why")
    return error


def _retry_after(response: httpx.Response) -> float:
    try:
        asked = float(response.headers.get("Retry-After", "1"))
    except ValueError:
        asked = 1.0
    return min(max(asked, _POLL_SECONDS), _LONGEST_WAIT_SECONDS)


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)
