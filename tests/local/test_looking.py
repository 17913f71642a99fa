import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from app.local import client, looking
from app.local.client import ClientError, ServerEvent
from app.local.demo import Progress
from app.local.looking import Look, look, seconds_of
from app.local.running import Running
from app.local.supervisor import SEED
from tests.local.door import Answer, Door, events, opened

_ID = str(uuid.UUID(int=7))
_TIMES = {"created_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:02.500000Z"}
_PLACE = f"GET /addin/v1/jobs/{_ID}"


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """A system that runs and whose door is a stand-in."""
    with opened() as door:
        running = Running(1, door.api, "https://127.0.0.1:1", None, "client", "scope", str(SEED), "log")
        monkeypatch.setattr(looking, "system", lambda _progress, **_options: nullcontext(running))
        monkeypatch.setattr(looking, "token", lambda *_whoever: "a-token")
        monkeypatch.setattr(client, "_POLL_SECONDS", 0.001)
        yield door


def test_a_job_that_runs_is_followed_to_its_end(door: Door) -> None:
    running = {"id": _ID, "state": "running", "finished_at": None}
    ended = {"id": _ID, "state": "succeeded", **_TIMES}
    door.answers[_PLACE] = [Answer(running), Answer(ended)]
    door.answers[f"{_PLACE}/events"] = [Answer(events(("state", {"state": "running"}), ("result", {})))]
    seen: list[ServerEvent] = []
    done: list[float] = []
    look(Look(_ID), Progress(event=seen.append, done=lambda _job, seconds: done.append(seconds)))
    assert [event.type for event in seen] == ["state", "result"]
    assert done == [2.5]


def test_a_job_that_failed_is_told_with_its_error(door: Door) -> None:
    error = {"code": "no_eligible_model", "message": "no model may"}
    door.answers[_PLACE] = [Answer({"id": _ID, "state": "failed", "error": error, **_TIMES})]
    with pytest.raises(ClientError, match="no model may") as caught:
        look(Look(_ID), Progress())
    assert (caught.value.code, caught.value.job_id, caught.value.state) == (
        "no_eligible_model",
        _ID,
        "failed",
    )


def test_the_file_of_a_job_is_saved_where_it_is_wanted_only(door: Door, tmp_path: Path) -> None:
    job = {"id": _ID, "state": "succeeded", "result": {"file": {"name": "a.de.md"}}, **_TIMES}
    door.answers[_PLACE] = [Answer(job)]
    door.answers[f"{_PLACE}/file"] = [Answer("Ein Text")]
    only_looked, saved = Progress(), Progress()
    look(Look(_ID), only_looked)
    assert only_looked.saved is None
    look(Look(_ID, output=tmp_path / "mine.md"), saved)
    assert saved.saved == tmp_path / "mine.md"
    assert saved.saved.read_text() == "Ein Text"
    with pytest.raises(ClientError, match="is there already"):
        look(Look(_ID, output=tmp_path / "mine.md"), Progress())


def test_an_interruption_leaves_the_job_alone(door: Door) -> None:
    door.answers[_PLACE] = [Answer({"id": _ID, "state": "running", "finished_at": None})]
    door.answers[f"{_PLACE}/events"] = [Answer(events(("state", {"state": "running"})))]

    def interrupt(_event: ServerEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(ClientError) as caught:
        look(Look(_ID), Progress(event=interrupt))
    assert caught.value.status == 130
    assert not [asked for asked in door.asked if asked.method == "POST"]


def test_the_time_of_a_job_is_from_submission_to_end() -> None:
    assert seconds_of(_TIMES) == 2.5
