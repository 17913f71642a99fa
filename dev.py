#!/usr/bin/env python3
"""Sets Switchboard up on first use and runs it. Needs Python 3.11 or newer with pip (or uv); nothing else.

    python3 dev.py demo [FILE]     the main job on this machine: a document goes in, a summary comes out
    python3 dev.py test [ARGS]     the tests; ARGS go to pytest
    python3 dev.py WORD [ARGS]     any other word is a `switchboard` command: up, run, doctor, ...

Everything goes into .venv beside this file. A set-up that was interrupted is begun anew.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
LOCK = "requirements.lock"
# Where another environment's settings would lead Python or the installer astray, or let each process of ours
# compile the whole product anew: images of containers often forbid to keep what was compiled.
_MISLEADING = (
    "VIRTUAL_ENV",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONPATH",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_TARGET",
    "PIP_USER",
)


class SetUpFailed(Exception):
    """The environment could not be made; the message says what to do."""


def main() -> None:
    """Set up if needed, then become the command; the exit status is its own."""
    arguments = sys.argv[1:] or ["--help"]
    if arguments[0] in {"-h", "--help", "help"}:
        print(__doc__)
        return
    try:
        check_machine()
        with only_one(ROOT / "pyproject.toml"):
            python = set_up(ROOT)
    except SetUpFailed as failure:
        sys.exit(f"dev.py: {failure}")
    except OSError as error:
        sys.exit(f"dev.py: {error}; use a clone that you can write to")
    except KeyboardInterrupt:
        print("\ndev.py: interrupted; the next start begins the set-up anew", file=sys.stderr)
        sys.exit(130)
    become(command_for(python, arguments))


def become(command: list[str]) -> NoReturn:
    """Replace this process: signals reach the command directly and nothing stays in between."""
    sys.stdout.flush()
    os.execve(command[0], command, environment())  # noqa: S606 - no shell is wanted


def command_for(python: Path, arguments: list[str]) -> list[str]:
    """What to run for the words given on the command line."""
    if arguments[0] == "test":
        return [str(python), "-m", "pytest", *arguments[1:]]
    return [str(python), "-m", "app.switchboard", *arguments]


def check_machine() -> None:
    """Refuse early what cannot work. Raises: `SetUpFailed`."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever starts this may well have an older one
        raise SetUpFailed(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    if os.name != "posix":
        raise SetUpFailed("Linux or macOS is needed; on Windows use the Windows Subsystem for Linux")


@contextlib.contextmanager
def only_one(marker: Path) -> Iterator[None]:
    """Wait while another start of this script sets the same folder up; `marker` is any file of it."""
    import fcntl

    with marker.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("==> waiting for another set-up of this folder", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def wanted_stamp(root: Path) -> str:
    """What an up-to-date environment was made from: the lock, the project file and the folder's place."""
    digest = hashlib.sha256(str(root).encode())
    for name in (LOCK, "pyproject.toml"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def set_up(root: Path) -> Path:
    """Make or renew root/.venv unless it is up to date; gives its Python. Raises: `SetUpFailed`."""
    folder = root / ".venv"
    python = folder / "bin" / "python"
    stamp, unfinished = folder / ".stamp", folder / ".unfinished"
    wanted = wanted_stamp(root)
    if stamp.exists() and stamp.read_text() == wanted and runs(python):
        return python
    began = time.monotonic()
    broken = unfinished.exists() or not runs(python)
    if broken:
        print(f"==> making {folder}", flush=True)
        venv.create(folder, with_pip=False, clear=True, symlinks=True)
    unfinished.touch()
    stamp.unlink(missing_ok=True)
    install(root, python)
    written = folder / ".stamp.new"
    written.write_text(wanted)
    written.replace(stamp)
    unfinished.unlink()
    print(f"==> ready after {time.monotonic() - began:.0f} s", flush=True)
    return python


def runs(python: Path) -> bool:
    """Whether the environment's Python starts; it does not when the one it was made from is gone."""
    if not (python.parent.parent / "pyvenv.cfg").exists():
        return False
    try:
        return subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def install(root: Path, python: Path) -> None:
    """Install the lock and the project itself, with uv where it is found. Raises: `SetUpFailed`."""
    uv = shutil.which("uv")
    if uv is not None and install_with_uv(uv, root, python):
        return
    if not call([sys.executable, "-m", "pip", "--version"], root, quiet=True):
        raise SetUpFailed(
            "neither uv nor pip is here: install one of them"
            " (Debian and Ubuntu: apt install python3-pip) and start again"
        )
    print("==> installing with pip: this takes a minute or two", flush=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    options = ["-qq", "--no-deps", "--no-warn-script-location"]
    locked = call([*pip, "install", *options, "--require-hashes", "-r", LOCK], root)
    if not locked or not call([*pip, "install", *options, "--no-build-isolation", "-e", "."], root):
        raise SetUpFailed("pip could not install the packages of requirements.lock; its words are above")


def install_with_uv(uv: str, root: Path, python: Path) -> bool:
    """True if uv did it; False leaves the work to pip."""
    print("==> installing with uv", flush=True)
    target = ["--quiet", "--python", str(python)]
    if call([uv, "pip", "sync", *target, "--require-hashes", LOCK], root) and call(
        [uv, "pip", "install", *target, "--no-deps", "--no-build-isolation", "-e", "."], root
    ):
        return True
    print("==> uv could not do it, trying pip", flush=True)
    return False


def call(command: list[str], root: Path, *, quiet: bool = False) -> bool:
    """Run one command in the project's folder; whether it went well."""
    output = subprocess.DEVNULL if quiet else None
    finished = subprocess.run(command, cwd=root, env=environment(), stdout=output, stderr=output, check=False)
    return finished.returncode == 0


def environment() -> dict[str, str]:
    """Our environment without what belongs to another Python environment."""
    return {name: value for name, value in os.environ.items() if name not in _MISLEADING}


if __name__ == "__main__":
    main()
