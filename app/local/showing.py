"""What `switchboard run`, `job` and `demo` show while a task goes on and when it has ended."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from app.copilot.catalog import task_types
from app.local.client import ClientError, ServerEvent
from app.local.commands import explain, json_line
from app.local.demo import Progress, Task, perform, summary
from app.local.display import clean, cleaned, finished_job, state_in_words
from app.local.looking import Look, look

_NOTED = frozenset({"state", "waiting", "restarted", "warning"})


def run(out: Console, err: Console, task: Task, *, as_json: bool) -> None:
    """Do one task and print its result: for people, or as one JSON object. Raises: `ClientError`."""
    progress = Progress()

    def done(job: dict[str, Any], seconds: float) -> None:
        if as_json:
            names = [file.name for file in task.files]
            out.file.write(json_line(summary(job, documents=names, saved=progress.saved)))
            return
        for line in progress.announcements:
            err.print(clean(line), style="dim", markup=False)
        out.print(_finished(task, job, seconds, progress))

    progress.done = done
    progress.ask = lambda sentence: err.print(clean(sentence), markup=False)
    if not as_json:
        progress.phase = lambda sentence: err.print(f"… {clean(sentence)}", style="dim", markup=False)
    _do(lambda: perform(task, progress), progress)


def job(out: Console, err: Console, asked: Look, *, as_json: bool) -> None:
    """Show a job that was submitted before, once it has ended. Raises: `ClientError`."""
    progress = Progress()

    def done(found: dict[str, Any], seconds: float) -> None:
        if as_json:
            out.file.write(json_line(summary(found, saved=progress.saved)))
        else:
            name = title_of(str(found["task_type"]))
            out.print(finished_job(found, seconds=seconds, name=name, saved=progress.saved))

    progress.done = done
    if not as_json:
        progress.phase = lambda sentence: err.print(f"… {clean(sentence)}", style="dim", markup=False)
    _do(lambda: look(asked, progress), progress)


def _finished(task: Task, job: dict[str, Any], seconds: float, progress: Progress) -> RenderableType:
    names = [file.name for file in task.files]
    title = title_of(task.task_type)
    return finished_job(
        job,
        seconds=seconds,
        name=f"{title}: {', '.join(names)}" if names else title,
        documents=names,
        saved=progress.saved,
    )


def title_of(task_type: str) -> str:
    """What the catalogue calls a task type; of one that is no longer there, its name."""
    known = task_types().get(task_type)
    return task_type if known is None else known.title["en"]


def demo(out: Console, task: Task) -> None:
    """Do one task before the eyes of a person. Raises: `ClientError`."""
    began = time.monotonic()
    with out.status("beginning", spinner="dots") as status:

        def note(sentence: str) -> None:
            sentence = clean(sentence)
            out.print(Text(f"{time.monotonic() - began:6.1f} s  {sentence}", style="dim"))
            status.update(Text(sentence))

        def event(event: ServerEvent) -> None:
            sentence = describe_event(event)
            if event.type in _NOTED:
                note(sentence)
            elif sentence:
                status.update(Text(sentence))

        def done(job: dict[str, Any], seconds: float) -> None:
            for line in progress.announcements:
                out.print(Text(clean(line), style="dim"))
            out.print(_finished(task, job, seconds, progress))
            status.update("finishing")

        progress = Progress(phase=note, ask=note, event=event, done=done)
        _do(lambda: perform(task, progress), progress)


def _do(what: Callable[[], None], progress: Progress) -> None:
    """Raises: `ClientError` for every error, so that each tells about the job if there is one."""
    try:
        what()
    except (ClientError, BrokenPipeError):
        # Whoever read our output has gone: nobody to tell.
        raise
    except Exception as error:
        body = explain(error)
        failure = ClientError(body["code"], body["message"])
        failure.body = body
        raise progress.told(failure) from error


def describe_event(event: ServerEvent) -> str:
    """An event of a job in a few words, safe for a terminal; empty when there is nothing to say."""
    body = cleaned(event.body)
    match event.type:
        case "state":
            return state_in_words(str(body.get("state")))
        case "progress":
            share = f" {body['done']} of {body['total']}" if body.get("total") else ""
            return f"{body.get('message') or body.get('phase') or 'working'}{share}"
        case "text" | "warning":
            return str(body.get("sentence") or body.get("message") or "")
        case "waiting":
            return f"waiting: {body.get('reason')}"
        case "restarted":
            return "begun again by another worker or model"
        case _:
            return ""
