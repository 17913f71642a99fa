import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from app.documents.reading import read
from app.local import client, demo
from app.local.client import ClientError, ServerEvent
from app.local.demo import SAMPLES, Progress, Task, check, perform, summary
from app.local.running import Running, write_running
from app.local.state import State
from app.local.supervisor import SEED
from tests.local.door import Answer, Door, events, opened


def test_an_unknown_task_type_is_told_with_those_there_are() -> None:
    with pytest.raises(ClientError, match=r"no task type 'sing'; there is: .*summarize"):
        check(Task("sing", text="a text"))


def test_a_missing_file_and_no_input_at_all_are_told(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="there is no file"):
        check(Task("summarize", [tmp_path / "missing.docx"]))
    with pytest.raises(ClientError, match="--text"):
        check(Task("summarize"))


def test_what_needs_no_input_is_done_without_any() -> None:
    assert check(Task("formula", parameters=["instruction=add"])) == {"instruction": "add"}
    assert check(Task("draft", parameters=["instruction=thank them"])) == {"instruction": "thank them"}


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (Task("compare", text="a text"), "compare takes documents, not a text"),
        (Task("compare", [SAMPLES / "memo.docx"]), "compare takes exactly 2 documents, 1 came"),
        (Task("compare"), "^name a file$"),
        (Task("summarize", text="x", output=Path("new.docx")), "ask for one with --param output=file"),
        (Task("summarize", text=""), "--text is empty"),
        (Task("summarize", text=" \n\t"), "--text has nothing but white space"),
        (Task("summarize", text="", text_from="standard input"), "standard input is empty"),
        (Task("summarize", [SAMPLES / "memo.docx"], text="x"), "not both"),
    ],
)
def test_an_input_that_says_nothing_or_too_much_is_told(task: Task, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        check(task)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """A system that runs and whose door is a stand-in with one job."""
    with opened() as door:
        running = Running(1, door.api, "https://127.0.0.1:1", "ca.pem", "client", "scope", str(SEED), "log")
        monkeypatch.setattr(demo, "system", lambda _progress, **_options: nullcontext(running))
        monkeypatch.setattr(demo, "token", lambda *_whoever: "a-token")
        monkeypatch.setattr(client, "_POLL_SECONDS", 0.001)
        door.answers["POST /addin/v1/jobs"] = [Answer({"id": "7", "state": "queued"}, 202)]
        yield door


def test_a_door_that_is_lost_leaves_the_job_and_says_how_to_look_again(running: Door) -> None:
    running.answers["GET /addin/v1/jobs/7/events"] = [Answer(events(("state", {"state": "running"})))]
    running.answers["GET /addin/v1/jobs/7"] = [Answer({"error": {"code": "gone", "message": "gone"}}, 503)]
    with pytest.raises(ClientError, match="gone") as caught:
        perform(Task("summarize", text="a text"), Progress())
    assert (caught.value.job_id, caught.value.state) == ("7", "running")
    assert "the job 7 is kept and goes on" in caught.value.body["message"]
    assert "`switchboard job 7`" in caught.value.body["message"]


def test_an_interruption_cancels_the_job_and_names_it(running: Door) -> None:
    running.answers["GET /addin/v1/jobs/7/events"] = [Answer(events(("state", {"state": "running"})))]
    running.answers["POST /addin/v1/jobs/7/cancel"] = [Answer({"id": "7", "state": "cancelled"})]

    def interrupt(_event: ServerEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(ClientError) as caught:
        perform(Task("summarize", text="a text"), Progress(event=interrupt))
    assert (caught.value.code, caught.value.status) == ("interrupted", 130)
    assert (caught.value.job_id, caught.value.state) == ("7", "cancelled")
    assert caught.value.message == "interrupted; the job was cancelled (7)"


def test_a_job_that_failed_is_told_with_its_id_and_state(running: Door) -> None:
    running.answers["GET /addin/v1/jobs/7/events"] = [Answer(events(("error", {})))]
    running.answers["GET /addin/v1/jobs/7"] = [Answer({"id": "7", "state": "failed"})]
    with pytest.raises(ClientError, match="the job has failed") as caught:
        perform(Task("summarize", text="a text"), Progress())
    assert (caught.value.job_id, caught.value.state) == ("7", "failed")


def test_a_file_that_a_job_makes_is_saved_beside_the_document(running: Door, tmp_path: Path) -> None:
    job = {"id": "7", "state": "succeeded", "result": {"file": {"name": "a.de.md"}}}
    running.answers["POST /addin/v1/documents"] = [Answer({"id": "d"}, 201)]
    running.answers["GET /addin/v1/jobs/7/events"] = [Answer(events(("result", {})))]
    running.answers["GET /addin/v1/jobs/7"] = [Answer(job)]
    running.answers["GET /addin/v1/jobs/7/file"] = [Answer("Ein Text")]
    (tmp_path / "a.md").write_text("a text")
    progress = Progress()
    perform(Task("translate", [tmp_path / "a.md"], parameters=["language=de", "output=file"]), progress)
    assert progress.saved == tmp_path / "a.de.md"
    assert progress.saved.read_text() == "Ein Text"
    assert summary(job, saved=progress.saved)["saved_as"] == str(progress.saved)


def test_a_file_that_is_refused_is_named(running: Door, tmp_path: Path) -> None:
    refused = {"error": {"code": "document_encrypted", "message": "it is encrypted", "target": None}}
    running.answers["POST /addin/v1/documents"] = [Answer({"id": "d"}, 201), Answer(refused, 422)]
    files = [tmp_path / "a.md", tmp_path / "b.md"]
    for file in files:
        file.write_text("a text")
    with pytest.raises(ClientError) as caught:
        perform(Task("summarize", files), Progress())
    assert caught.value.body["target"] == str(files[1])
    assert caught.value.body["message"] == f"{files[1]}: it is encrypted"


def test_the_one_object_names_the_document_of_a_citation() -> None:
    citation = {"document": 1, "segment": 4, "anchor": {}, "quote": "q"}
    job = {"id": "7", "state": "succeeded", "result": {"citations": [citation]}}
    told = summary(job, documents=["a.md", "b.md"])["result"]["citations"]
    assert told == [{**citation, "document_name": "b.md"}]


def test_the_one_object_has_its_fields_even_when_the_job_has_none() -> None:
    assert summary({"id": "7", "state": "succeeded", "result": None, "decision": None}) == {
        "job_id": "7",
        "state": "succeeded",
        "result": {"text": "", "citations": [], "coverage": {}},
        "decision": {},
        "usage": {},
    }


@pytest.mark.parametrize("name", ["memo.docx", "one-page-memo.docx"])
def test_the_samples_are_documents_with_headings_and_text(name: str) -> None:
    extracted = read(name, (SAMPLES / name).read_bytes())
    assert {"heading", "paragraph", "list_item"} <= {segment.kind for segment in extracted.segments}
    assert not extracted.notes


def test_offline_is_refused_where_the_running_system_has_vendors() -> None:
    running = Running(1, "api", "https://127.0.0.1:1", None, "client", "scope", str(SEED), "log")
    demo.refuse_vendors(running)
    asked = "gpt-4.1-mini by OpenAI is asked first (env:OPENAI_API_KEY); --offline leaves it out"
    with pytest.raises(
        ClientError, match=r"gpt-4.1-mini by OpenAI .* start `switchboard up --offline`"
    ) as caught:
        demo.refuse_vendors(replace(running, vendors=(asked,)))
    assert caught.value.code == "not_offline"


def test_offline_takes_no_system_that_is_up_with_vendors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path).ensure()
    monkeypatch.setenv("SWITCHBOARD_HOME", str(tmp_path))
    with opened() as door:
        door.answers["GET /health/ready"] = [Answer({"status": "ok", "instance": "one"})]
        write_running(
            state,
            Running(
                os.getpid(),
                door.api,
                "https://127.0.0.1:1",
                None,
                "client",
                "scope",
                str(SEED),
                "log",
                "one",
                ("x",),
            ),
        )
        with demo.system(Progress(), offline=False) as running:
            assert running.vendors == ("x",)
        with (
            pytest.raises(ClientError, match="--offline: the system that runs here"),
            demo.system(Progress(), offline=True),
        ):
            pass
