"""`switchboard job`: how a job stands and what it gave, after the command that submitted it has gone."""

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.local.client import Client, ClientError
from app.local.demo import Progress, failure_of, system, telling
from app.local.running import read_running
from app.local.saving import check_output, save_file
from app.local.signing_in import is_development, token, who
from app.local.state import State
from app.local.supervisor import seed_file

Done = Callable[[dict[str, Any], float], None]


@dataclass(frozen=True)
class Look:
    """Which job, and who asks: somebody else's is not found."""

    job_id: str
    tenant: str | None = None
    user: str | None = None
    offline: bool = False
    output: Path | None = None
    """Where to save the file that the job has made; else it is only told of."""


def look(asked: Look, progress: Progress) -> None:
    """Show a job; follow it first while it is not finished. Ctrl-C ends the looking, not the job.

    Raises: `ClientError`, also when the job has failed or was cancelled.
    """
    try:
        uuid.UUID(asked.job_id)
    except ValueError:
        raise ClientError(
            "bad_job_id",
            f"{asked.job_id!r} is not the id of a job; `switchboard run` prints it",
            target="job",
        ) from None
    if asked.output is not None:
        check_output(asked.output)
    if read_running(State.default()) is None:
        who(seed_file(os.environ), asked.tenant, asked.user, development=is_development(os.environ))
    with telling(progress), system(progress, offline=asked.offline) as running:
        person = who(Path(running.seed), asked.tenant, asked.user, development=running.ca is not None)
        with Client(running.api, token(running, person, asked.tenant, progress.ask)) as client:
            job = client.job(asked.job_id)
            progress.job_id, progress.state = asked.job_id, str(job["state"])
            if job["finished_at"] is None:
                for event in client.follow(asked.job_id):
                    progress.event(event)
                job = client.finished(asked.job_id)
                progress.state = str(job["state"])
            failure = failure_of(job)
            if failure is not None:
                raise failure
            progress.saved = save_file(client, job, output=asked.output, folder=None)
        progress.done(job, seconds_of(job))


def seconds_of(job: dict[str, Any]) -> float:
    """From the submission to the end."""
    began, ended = (datetime.fromisoformat(str(job[name])) for name in ("created_at", "finished_at"))
    return (ended - began).total_seconds()
