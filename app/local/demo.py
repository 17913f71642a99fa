"""`switchboard run` and `switchboard demo`: one document task from a terminal, over the same door as Office."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from app.copilot.catalog import task_types
from app.copilot.types import InlineKind, Inputs
from app.local.client import Client, ClientError, ServerEvent, check_file
from app.local.display import Log, cleaned, state_in_words
from app.local.guarded import ServiceFailed
from app.local.parameters import parse_parameters
from app.local.places import document_name
from app.local.running import Running, find_running, in_use, log_file, read_running, retire, watch_parent
from app.local.saving import check_output, save_file
from app.local.signing_in import is_development, token, who
from app.local.state import State, StateLocked
from app.local.supervisor import StopRequested, Supervisor, seed_file

SAMPLES = Path(__file__).with_name("samples")
SAMPLE = SAMPLES / "memo.docx"

_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.2

Watch = Callable[[ServerEvent], None]


@dataclass(frozen=True)
class Task:
    """What to do, as the command line says it."""

    task_type: str
    files: Sequence[Path] = ()
    text: str | None = None
    text_from: str = "--text"
    parameters: Sequence[str] = ()
    lane: str | None = None
    output: Path | None = None
    """Where to save the file that the job makes; else it goes beside the document."""
    tenant: str | None = None
    user: str | None = None
    offline: bool = False


@dataclass
class Progress:
    """What to call while the task goes on; `phase` gets a short sentence, `event` what the stream says."""

    phase: Callable[[str], None] = lambda _sentence: None
    ask: Callable[[str], None] = lambda _sentence: None
    """Gets what the person has to do elsewhere before it goes on: it must be shown."""
    event: Watch = lambda _event: None
    done: Callable[[dict[str, Any], float], None] = lambda _job, _seconds: None
    """Gets the finished job, and its seconds from submission, before the system is stopped again."""
    announcements: list[str] = field(default_factory=list)
    saved: Path | None = None
    """Where the file that the job made is, by the time that it is done."""
    job_id: str | None = None
    state: str | None = None
    interruption: str = "interrupted"

    def told(self, error: ClientError) -> ClientError:
        """The error with the job it is about, safe for a terminal."""
        error.job_id, error.state = self.job_id, self.state
        # Names of files and words of the API may hold what a terminal obeys.
        error.body = cleaned(error.body)
        return error


def perform(task: Task, progress: Progress) -> None:
    """Do the task on the running system, or on one started for its duration.

    Raises: `ClientError` for everything that goes wrong on the way, the job's own failure included; its
    `body` is safe for a terminal.
    """
    with telling(progress):
        _perform(task, progress)


@contextmanager
def telling(progress: Progress) -> Iterator[None]:
    """Every end that is no success becomes a `ClientError` with the job it is about."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        failure = ClientError("interrupted", progress.interruption)
        failure.status = end.code if isinstance(end, SystemExit) and isinstance(end.code, int) else 130
        raise progress.told(failure) from None
    except ClientError as error:
        progress.told(error)
        raise


def _perform(task: Task, progress: Progress) -> None:
    parameters = check(task)
    if read_running(State.default()) is None:
        # A wrong name is told before a whole system starts for it.
        who(seed_file(os.environ), task.tenant, task.user, development=is_development(os.environ))
    with system(progress, offline=task.offline) as running:
        person = who(Path(running.seed), task.tenant, task.user, development=running.ca is not None)
        if person is not None:
            progress.phase(f"signing in as {person.name} of {person.tenant}")
        with Client(running.api, token(running, person, task.tenant, progress.ask)) as client:
            documents = []
            for file in task.files:
                progress.phase(f"sending {file.name}")
                documents.append(_sent(client, file))
            progress.phase("submitting")
            began = time.monotonic()
            job = client.submit(
                task.task_type, documents=documents, text=task.text, parameters=parameters, lane=task.lane
            )
            progress.job_id, progress.state = str(job["id"]), str(job["state"])
            job = _followed(client, progress.job_id, progress)
            seconds = time.monotonic() - began
            folder = task.files[0].parent if task.files else Path()
            progress.saved = save_file(client, job, output=task.output, folder=folder)
        progress.done(job, seconds)


def _sent(client: Client, file: Path) -> str:
    """The id of the uploaded file. Raises: `ClientError` naming the file."""
    try:
        return str(client.upload(file)["id"])
    except ClientError as error:
        if error.code != "api_unreachable" and str(file) not in error.body["message"]:
            error.body |= {"message": f"{file}: {error.body['message']}", "target": str(file)}
        raise


def check(task: Task) -> dict[str, Any]:
    """Find what is wrong before anything starts; gives the parameters. Raises: `ClientError`."""
    known = task_types()
    if task.task_type not in known:
        raise ClientError(
            "unknown_task_type",
            f"there is no task type {task.task_type!r}; there is: {', '.join(sorted(known))}",
            target="task_type",
        )
    for file in task.files:
        check_file(file)
    _check_input(task, known[task.task_type].inputs)
    parameters = parse_parameters(task.parameters, known[task.task_type].parameters)
    if task.output is not None:
        if parameters.get("output") != "file":
            raise ClientError(
                "no_file",
                "--output saves the file that a job makes; ask for one with --param output=file",
                target="output",
            )
        check_output(task.output)
    return parameters


def _check_input(task: Task, inputs: Inputs) -> None:
    if task.text is not None:
        if task.files:
            raise ClientError(
                "too_much_to_read", "give either files or a text with --text, not both", target="input"
            )
        if not task.text.strip():
            how = "has nothing but white space" if task.text else "is empty"
            raise ClientError(
                "nothing_to_read", f"{task.text_from} {how}; give a text, or name a file", target="input"
            )
    elif not task.files and inputs.least:
        how = "name a file, or give a text with --text" if inputs.text else "name a file"
        raise ClientError("nothing_to_read", how, target="input")
    inline: InlineKind | None = None if task.text is None else "text"
    wrong = inputs.wrong(len(task.files) or int(inline is not None), inline)
    if wrong is not None:
        raise ClientError("wrong_input", f"{task.task_type} {wrong}", target="input")


@contextmanager
def system(progress: Progress, *, offline: bool) -> Iterator[Running]:
    """The addresses of a running system; one is started, and stopped again, when none runs here.

    Raises: `ClientError`.
    """
    state = State.default()
    try:
        state.ensure()
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            with ExitStack() as stack:
                stack.enter_context(in_use(state))
                running = find_running(state)
                if running is not None:
                    if offline:
                        refuse_vendors(running)
                    yield running
                    return
            try:
                with _started(state, progress, offline=offline) as running:
                    yield running
                    return
            except StateLocked:
                # Another command starts or stops it right now.
                if time.monotonic() > end:
                    raise
                threading.Event().wait(_LOOK_SECONDS)
    except (ServiceFailed, StateLocked, StopRequested) as error:
        raise ClientError("system_did_not_start", f"{error}\nThe whole log is {log_file(state)}") from error


def refuse_vendors(running: Running) -> None:
    """Keep the promise of `--offline`. Raises: `ClientError` when the running system has vendors to ask."""
    if running.vendors:
        raise ClientError(
            "not_offline",
            f"--offline: the system that runs here (process {running.pid}) was started without it, and"
            f" {'; '.join(line.partition(';')[0] for line in running.vendors)}. Stop that one and start"
            " `switchboard up --offline`, or leave --offline out",
            target="offline",
        )


@contextmanager
def _started(state: State, progress: Progress, *, offline: bool) -> Iterator[Running]:
    """A system for the duration of this command, and until others that found it are done."""
    with state.lock():
        pass
    progress.phase("starting the system on this machine")
    with (
        Log(log_file(state), None) as log,
        stopping_with_us(),
        Supervisor(state, say=log.say, offline=offline) as supervisor,
    ):
        progress.announcements += supervisor.announcements
        if supervisor.running is None:
            raise ServiceFailed("it stopped while starting")
        try:
            yield supervisor.running
        except Exception:
            # Our own task went wrong; others that found this system still work with it.
            retire(state)
            raise
        retire(state)


@contextmanager
def stopping_with_us() -> Iterator[None]:
    """Turn SIGTERM, SIGHUP and the end of our parent into an orderly end of this command."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    numbers = [
        number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN
    ]
    before = {number: signal.signal(number, end) for number in numbers}
    watch_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def summary(
    job: Mapping[str, Any], *, documents: Sequence[str] = (), saved: Path | None = None
) -> dict[str, Any]:
    """The one object of `--json`; its citations name the document by its place in the input and its name.

    `saved` is where the file that the job made has been put.
    """
    result = dict(job.get("result") or {})
    citations = [
        {**one, "document_name": document_name(one, documents)} for one in result.get("citations") or []
    ]
    return {
        "job_id": job["id"],
        "state": job["state"],
        "result": {
            **result,
            "text": result.get("text", ""),
            "citations": citations,
            "coverage": result.get("coverage") or {},
        },
        "decision": job.get("decision") or {},
        "usage": job.get("usage") or {},
        **({} if saved is None else {"saved_as": str(saved)}),
    }


def _followed(client: Client, job_id: str, progress: Progress) -> dict[str, Any]:
    goes_on = (
        f"the job {job_id} is kept and goes on as long as the system runs (`switchboard up`);"
        f" look again with `switchboard job {job_id}`"
    )
    try:
        for event in client.follow(job_id):
            progress.state = str(event.body.get("state") or progress.state)
            progress.event(event)
        job = client.finished(job_id)
    except (KeyboardInterrupt, SystemExit):
        # Nobody is left to read the answer: stop spending.
        progress.interruption = f"interrupted; {goes_on}"
        with contextlib.suppress(ClientError):
            progress.state = str(client.cancel(job_id)["state"])
            progress.interruption = f"interrupted; {state_in_words(progress.state)} ({job_id})"
        raise
    except ClientError as error:
        # The way to it was lost, not the job.
        error.body["message"] = f"{error.message}\n{goes_on}"
        raise
    progress.state = str(job["state"])
    failure = failure_of(job)
    if failure is not None:
        raise failure
    return job


def failure_of(job: Mapping[str, Any]) -> ClientError | None:
    """What a job ended with instead of a result."""
    if job["state"] not in {"failed", "cancelled"}:
        return None
    given = dict(job.get("error") or {})
    message = str(given.get("message") or state_in_words(job["state"]))
    failure = ClientError(
        str(given.get("code") or f"job_{job['state']}"), message, target=f"jobs/{job['id']}"
    )
    failure.body |= {key: value for key, value in given.items() if value is not None}
    return failure
