"""Other routers in throw-away environments: LiteLLM (PyPI) and Portkey's gateway (npm), as processes of their own.

`SWITCHBOARD_PEERS` names a folder to keep them in, else a temporary one is used. Nothing of them is a dependency.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.benchmarks.routing.samples import Sample, sample

HERE = Path(__file__).parent
_READY_SECONDS = 120.0
PROXY_KEY = "sk-0123456789abcdef0123456789abcdef"
"""The proxy does not start without one."""


def install_litellm(folder: Path) -> Path:
    """A Python that has `litellm[proxy]`."""
    python = folder / "litellm" / "bin" / "python"
    if not (folder / "litellm" / "bin" / "litellm").exists():
        venv.create(folder / "litellm", with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "litellm[proxy]"], check=True)
    return python


def install_portkey(folder: Path) -> Path:
    """The script of Portkey's gateway."""
    script = folder / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not script.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise FileNotFoundError("npm")
        (folder / "portkey").mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [
                npm,
                "install",
                "--no-audit",
                "--no-fund",
                "--prefix",
                folder / "portkey",
                "@portkey-ai/gateway",
            ],
            check=True,
            capture_output=True,
        )
    return script


class RouterProcess:
    """LiteLLM's Router, asked over its standard input."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    async def run(self, *, in_flight: int, requests: int, model: str = "alpha") -> Sample:
        """Let it make the requests itself."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"model": model, "in_flight": in_flight, "requests": requests}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if answer.pop("failed") and model == "alpha":
            raise AssertionError("LiteLLM's router failed")
        return Sample(**answer)


@contextmanager
def litellm_router(python: Path, vendor_url: str, manner: str) -> Iterator[RouterProcess]:
    """The Router in a process of its own."""
    command = [str(python), str(HERE / "litellm_router.py"), str(HERE), vendor_url, manner]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "ready":
            assert process.poll() is None
        yield RouterProcess(process)
        process.terminate()


class Gateway:
    """A router behind HTTP; its CPU is its process's and its children's."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, process: psutil.Process, headers: dict[str, str]
    ) -> None:
        self._session, self._url, self._process, self._headers = session, url, process, headers

    async def run(
        self, *, in_flight: int, requests: int, model: str = "alpha", headers: dict[str, str] | None = None
    ) -> Sample:
        """Requests of a bare client, whose CPU is not counted."""
        body = {
            "model": model,
            "max_tokens": 50,
            "messages": [
                {"role": "system", "content": "Answer."},
                {"role": "user", "content": "[B1] Revenue rose."},
            ],
        }

        async def call() -> None:
            async with self._session.post(
                f"{self._url}/v1/chat/completions", json=body, headers=self._headers | (headers or {})
            ) as answer:
                text = await answer.text()
                assert answer.status == 200 or model != "alpha", text[:300]

        return await sample(call, in_flight=in_flight, requests=requests, cpu_seconds=self._cpu_seconds)

    def _cpu_seconds(self) -> float:
        family = [self._process, *self._process.children(recursive=True)]
        return float(sum(sum(one.cpu_times()[:2]) for one in family))


@contextmanager
def litellm_proxy(python: Path, folder: Path, vendor_url: str, port: int) -> Iterator[psutil.Process]:
    """The proxy with one worker."""
    settings = {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{name}", "api_base": vendor_url, "api_key": "sk-none"},
            }
            for name in ("alpha", "dead")
        ],
        "general_settings": {"master_key": PROXY_KEY},
        "litellm_settings": {"fallbacks": [{"dead": ["alpha"]}], "telemetry": False},
    }
    (folder / "proxy.json").write_text(json.dumps(settings))
    command = [python.parent / "litellm", "--config", folder / "proxy.json", "--host", "127.0.0.1"]
    with _serving([*command, "--port", str(port)], port) as process:
        yield process


@contextmanager
def portkey(script: Path, port: int) -> Iterator[psutil.Process]:
    """The gateway; it trusts loopback by default."""
    node = shutil.which("node")
    assert node is not None
    with _serving([node, script, f"--port={port}", "--headless"], port) as process:
        yield process


def portkey_headers(vendor_url: str, *models: str) -> dict[str, str]:
    """One target, or several to fall back on in order."""
    targets: list[dict[str, Any]] = [
        {
            "provider": "openai",
            "api_key": "sk-none",
            "custom_host": vendor_url,
            "override_params": {"model": model},
        }
        for model in models
    ]
    config = targets[0] if len(targets) == 1 else {"strategy": {"mode": "fallback"}, "targets": targets}
    return {"x-portkey-config": json.dumps(config)}


@contextmanager
def _serving(command: list[Any], port: int) -> Iterator[psutil.Process]:
    environment = {name: value for name, value in os.environ.items() if "API_KEY" not in name}
    environment |= {"LITELLM_TELEMETRY": "False", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + _READY_SECONDS
            known = psutil.Process(process.pid)
            while not any(one.laddr.port == port for one in _listening(known)):
                if process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"{Path(str(command[0])).name} does not listen")
                time.sleep(0.2)
            yield known
        finally:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()


def _listening(process: psutil.Process) -> list[Any]:
    return [
        one
        for member in [process, *process.children(recursive=True)]
        for one in member.net_connections(kind="tcp")
        if one.status == psutil.CONN_LISTEN
    ]


if __name__ == "__main__":
    install_litellm(Path(sys.argv[1]))
    install_portkey(Path(sys.argv[1]))
