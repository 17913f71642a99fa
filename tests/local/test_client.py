import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from app.local import client as client_module
from app.local.client import Client, ClientError, ServerEvent, check_file, parse_events
from app.local.state import free_port
from tests.local.door import Answer, Door, events, opened

_JOB = "/addin/v1/jobs/7"


@pytest.fixture
def door() -> Iterator[Door]:
    with opened() as door:
        yield door


@pytest.fixture
def client(door: Door) -> Iterator[Client]:
    with Client(door.api, "a-token") as client:
        yield client


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(client_module, "_LONGEST_WAIT_SECONDS", 0.01)


def _state(state: str) -> Answer:
    return Answer({"id": "7", "state": state})


def test_a_file_is_sent_raw_with_its_name(door: Door, client: Client, tmp_path: Path) -> None:
    door.answers["POST /addin/v1/documents"] = [Answer({"id": "d1"}, 201)]
    memo = tmp_path / "Bericht März & Co.txt"
    memo.write_bytes(b"the text")
    assert client.upload(memo)["id"] == "d1"
    asked = door.asked[0]
    assert asked.body == b"the text"
    path, _, query = asked.path.partition("?")
    assert path == "/addin/v1/documents"
    assert parse_qs(query) == {"name": ["Bericht März & Co.txt"]}
    assert asked.headers["authorization"] == "Bearer a-token"
    assert asked.headers["content-length"] == "8"


def test_a_job_is_submitted_with_an_idempotency_key(door: Door, client: Client) -> None:
    door.answers["POST /addin/v1/jobs"] = [Answer({"id": "7"}, 202)]
    client.submit("summarize", documents=["d1"], parameters={"length": "page"}, lane="background")
    asked = door.asked[0]
    assert json.loads(asked.body) == {
        "task_type": "summarize",
        "parameters": {"length": "page"},
        "host": "word",
        "lane": "background",
        "input": {"documents": ["d1"]},
    }
    assert asked.headers["idempotency-key"]


def test_a_busy_door_is_asked_again_with_the_same_key(door: Door, client: Client) -> None:
    busy = Answer({"error": {"code": "throttled", "message": "later"}}, 429, {"Retry-After": "1"})
    away = Answer("", 503)
    door.answers["POST /addin/v1/jobs"] = [busy, away, Answer({"id": "7"}, 202)]
    assert client.submit("summarize", text="a text")["id"] == "7"
    assert len({asked.headers["idempotency-key"] for asked in door.asked}) == 1
    assert len(door.asked) == 3


def test_a_door_that_stays_busy_says_so_in_its_own_words(door: Door, client: Client) -> None:
    door.answers["POST /addin/v1/jobs"] = [Answer({"error": {"code": "throttled", "message": "later"}}, 429)]
    with pytest.raises(ClientError, match="later"):
        client.submit("summarize", text="a text")


def test_the_doors_error_is_passed_on_whole(door: Door, client: Client) -> None:
    body = {"code": "unprocessable", "message": "no such task", "target": "task_type", "innererror": {"a": 1}}
    door.answers["POST /addin/v1/jobs"] = [Answer({"error": body}, 422)]
    with pytest.raises(ClientError) as caught:
        client.submit("sing", text="a text")
    assert caught.value.body == body


@pytest.mark.parametrize("body", ["<html>", "{}", '{"error": "x"}'])
def test_an_answer_from_something_else_is_an_error_with_words(door: Door, client: Client, body: str) -> None:
    door.answers[f"GET {_JOB}"] = [Answer(body, 500)]
    with pytest.raises(ClientError, match="answered 500"):
        client.job("7")


def test_nobody_there_is_an_error_with_words() -> None:
    with Client(f"http://127.0.0.1:{free_port()}", "a-token") as client, pytest.raises(ClientError) as caught:
        client.job("7")
    assert caught.value.code == "api_unreachable"
    assert "switchboard doctor" in caught.value.message


def test_events_are_followed_to_the_result(door: Door, client: Client) -> None:
    stream = events(
        ("state", {"state": "running"}), ("text", {"sentence": "One."}), ("result", {"link": "x"})
    )
    door.answers[f"GET {_JOB}/events"] = [Answer(stream)]
    followed = list(client.follow("7"))
    assert [event.type for event in followed] == ["state", "text", "result"]
    assert followed[1] == ServerEvent("text", {"sentence": "One."}, "e.2")


def test_a_cut_stream_goes_on_after_the_last_event(door: Door, client: Client) -> None:
    first = events(("state", {"state": "running"}), ("text", {"sentence": "One."}))
    rest = events(("text", {"sentence": "Two."}), ("result", {}), first=3)
    door.answers[f"GET {_JOB}/events"] = [Answer(first, cut=True), Answer("", 503), Answer(rest)]
    door.answers[f"GET {_JOB}"] = [_state("running")]
    ids = [event.id for event in client.follow("7")]
    assert ids == ["e.1", "e.2", "e.3", "e.4"]
    resumed = [asked.headers.get("last-event-id") for asked in door.asked if asked.path.endswith("/events")]
    assert resumed == [None, "e.2", "e.2"]


def test_a_stream_that_ends_with_a_cancelled_job_ends_the_following(door: Door, client: Client) -> None:
    door.answers[f"GET {_JOB}/events"] = [Answer(events(("state", {"state": "cancelled"})))]
    door.answers[f"GET {_JOB}"] = [_state("cancelled")]
    assert len(list(client.follow("7"))) == 1


def test_a_refused_stream_is_the_doors_error(door: Door, client: Client) -> None:
    body = {"error": {"code": "not_found", "message": "no such job"}}
    door.answers[f"GET {_JOB}/events"] = [Answer(body, 404)]
    with pytest.raises(ClientError, match="no such job"):
        list(client.follow("7"))


def test_the_job_is_asked_for_until_it_is_final(door: Door, client: Client) -> None:
    door.answers[f"GET {_JOB}"] = [_state("running"), _state("waiting"), _state("partial")]
    assert client.finished("7")["state"] == "partial"


def test_data_over_several_lines_and_garbage_are_read_as_the_standard_says() -> None:
    lines = iter(
        ["event: text", "data: {", 'data:"sentence": "x"}', "retry: 3", "", ": ping", "", "data: no", ""]
    )
    assert list(parse_events(lines)) == [
        ServerEvent("text", {"sentence": "x"}),
        ServerEvent("message", {}),
    ]


def test_what_cannot_be_read_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="there is no file"):
        check_file(tmp_path / "missing.docx")
    with pytest.raises(ClientError, match="is a folder"):
        check_file(tmp_path)


def test_a_pipe_or_a_device_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(ClientError, match="a pipe or a device, not a file"):
            check_file(place)
