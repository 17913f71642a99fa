import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from app.local.guarded import ServiceFailed
from app.local.running import (
    Ports,
    Running,
    claim,
    find_running,
    in_use,
    is_free,
    is_ready,
    read_running,
    remove_running,
    retire,
    running_file,
    write_running,
)
from app.local.state import State, free_port


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path).ensure()


def _running(*, pid: int | None = None, api: str = "http://127.0.0.1:9", instance: str = "ours") -> Running:
    return Running(
        pid=pid or os.getpid(),
        api=api,
        authority="https://127.0.0.1:1",
        ca=None,
        client_id="client",
        scope="scope",
        seed="seed.yaml",
        log="log",
        instance=instance,
    )


@contextmanager
def _listening() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@contextmanager
def _health(status: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/ready" else 404)
            body = b'{"status": "ok", "instance": "ours"}'
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_ports_are_remembered_between_starts(state: State) -> None:
    first = Ports(state)
    assert first.take("api") == Ports(state).take("api")
    assert first.take("api") != first.take("entra")


def test_a_taken_port_is_replaced_and_the_new_one_remembered(state: State) -> None:
    with _listening() as taken:
        assert not is_free(taken)
        chosen = Ports(state).take("api", preferred=taken)
        assert chosen != taken
        assert Ports(state).take("api") == chosen


def test_a_port_that_was_asked_for_is_not_replaced(state: State) -> None:
    free = free_port()
    assert Ports(state).insist(free) == free
    with _listening() as taken, pytest.raises(ServiceFailed, match=f"port {taken} is taken"):
        Ports(state).insist(taken)


def test_two_installations_remember_apart(tmp_path: Path) -> None:
    one, other = State(tmp_path / "one").ensure(), State(tmp_path / "other").ensure()
    with _listening() as taken:
        first = Ports(one).take("api", preferred=taken)
        assert Ports(other).take("api", preferred=taken) != taken
    assert Ports(one).take("api") == first


def test_a_damaged_file_of_ports_is_begun_anew(state: State) -> None:
    (state.path / "ports.json").write_text("{")
    assert Ports(state).take("api") > 0


def test_ports_taken_side_by_side_are_all_remembered_and_never_read_in_halves(state: State) -> None:
    ports = Ports(state)
    names = [f"service-{'x' * (number % 7)}{number}" for number in range(40)]
    taken: dict[str, int] = {}

    def take(name: str) -> None:
        taken[name] = ports.replace(name)
        assert Ports(state).known(name) == taken[name]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, names))
    assert {name: Ports(state).known(name) for name in names} == taken


def test_a_running_system_is_found_by_its_file(state: State) -> None:
    with _health(200) as api:
        write_running(state, _running(api=api))
        assert find_running(state) == _running(api=api)
    remove_running(state)
    assert find_running(state) is None


def test_a_system_that_is_not_ready_is_not_found(state: State) -> None:
    with _health(503) as api:
        write_running(state, _running(api=api))
        assert read_running(state) is not None
        assert find_running(state) is None


def test_nobody_answering_is_not_ready() -> None:
    assert not is_ready(f"http://127.0.0.1:{free_port()}", "ours")


def test_the_api_of_another_installation_at_the_same_address_is_not_ours(state: State) -> None:
    with _health(200) as api:
        assert is_ready(api, "ours")
        for instance in ("theirs", ""):
            write_running(state, _running(api=api, instance=instance))
            assert find_running(state) is None


def test_a_port_that_somebody_was_quicker_to_take_is_replaced_for_good(state: State) -> None:
    ports = Ports(state)
    lost = ports.take("api")
    assert ports.replace("api") != lost
    assert Ports(state).known("api") == ports.known("api") != lost


def test_the_file_of_a_killed_system_is_not_believed(state: State) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    write_running(state, _running(pid=gone.pid))
    assert read_running(state) is None


@pytest.mark.parametrize("content", ["", "[]", '{"pid": 1}', '{"pid": "x"}'])
def test_a_damaged_file_is_no_running_system(state: State, content: str) -> None:
    running_file(state).write_text(content)
    assert read_running(state) is None


def test_whoever_started_the_system_waits_for_others_that_use_it(state: State) -> None:
    write_running(state, _running())
    retired = threading.Event()

    def owner() -> None:
        retire(state)
        retired.set()

    with in_use(state):
        thread = threading.Thread(target=owner)
        thread.start()
        # The addresses are withdrawn at once, so nobody new comes in; the end waits for us.
        while running_file(state).exists():
            pass
        assert not retired.is_set()
    assert retired.wait(20)
    thread.join()


@pytest.mark.parametrize("nohup", [False, True])
def test_the_end_of_the_parent_is_noticed_unless_hang_ups_are_ignored(*, nohup: bool) -> None:
    watcher = """
import signal, sys, os
from app.local.running import watch_parent
watch_parent(lambda: os.kill(os.getpid(), signal.SIGTERM), look_seconds=0.02)
print("watching", flush=True)
signal.pause()
"""
    handler = "SIG_IGN" if nohup else "SIG_DFL"
    hang_up = f"signal.signal(signal.SIGHUP, signal.{handler});"
    parent = f"import signal, subprocess, sys; {hang_up} subprocess.run([sys.executable, '-c', {watcher!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "watching"
        (child,) = psutil.Process(process.pid).children()
        process.kill()
        process.wait()
        try:
            child.wait(1.5 if nohup else 20)
            ended = True
        except psutil.TimeoutExpired:
            ended = False
            child.kill()
    assert ended is not nohup


def test_a_port_that_another_system_is_about_to_use_is_not_free() -> None:
    port = free_port()
    held = claim(port)
    assert held is not None
    with held:
        assert claim(port) is None
        assert not is_free(port)
    assert is_free(port)


def test_systems_that_start_at_once_take_different_ports(tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as holding:
        chosen = []
        for name in ("one", "two", "three"):
            ports = Ports(State(tmp_path / name).ensure())
            chosen.append(ports.take("api", preferred=port))
            held = claim(chosen[-1])
            assert held is not None
            holding.enter_context(held)
    assert chosen[0] == port
    assert len(set(chosen)) == len(chosen)
