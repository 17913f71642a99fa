"""`switchboard doctor`: looks at this machine and its settings, changes nothing, and says what to do."""

import os
import platform
import shutil
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import redis
from pydantic import ValidationError

from app.local.guarded import ServiceFailed, unprivileged
from app.local.model_server import ModelMissing, model_file
from app.local.postgres import binaries
from app.local.requirements import DATABASE_VARIABLES, hears, reach_database
from app.local.running import Running, is_free, is_ready, read_running
from app.local.state import State
from app.local.supervisor import DEFAULT_API_PORT
from app.local.valkey import binary
from app.settings import Settings
from app.vocabulary import Environment

_NEEDED_BYTES = 2**30
_SECONDS = 3


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `advice` says what to do when it is not in order."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def examine(state: State, environ: Mapping[str, str] | None = None) -> Iterator[Check]:
    """Look at everything, one after another."""
    given = os.environ if environ is None else environ
    running = read_running(state)
    yield _python()
    yield from _settings()
    yield _state_folder(state)
    yield _disk(state)
    if any(given.get(variable) for variable in DATABASE_VARIABLES):
        yield from _databases(given)
    else:
        yield _found("postgres", binaries, "embedded")
        yield _not_root()
        yield Check(
            "migrate",
            ok=True,
            detail="not needed, the embedded Postgres is migrated at every start; for one of your own set"
            " DATABASE_OWNER_URL",
        )
    yield _redis(given["REDIS_URL"]) if "REDIS_URL" in given else _found("redis", binary, "embedded")
    yield from _entra(given, running)
    if "SWITCHBOARD_EMBEDDED_MODEL_URL" not in given:
        yield _model()
    yield _system(running) if running is not None else _port(given)


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", sys.version_info >= (3, 11), found, "install Python 3.11 or newer")


def _settings() -> Iterator[Check]:
    try:
        settings = Settings()
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            place = ".".join(map(str, one["loc"])) or "environment"
            yield Check("settings", ok=False, detail=place, advice=one["msg"])
        return
    detail = f"SWITCHBOARD_ENV is {settings.env}"
    if settings.env is Environment.PRODUCTION:
        detail = (
            "SWITCHBOARD_ENV is production: `switchboard up`, `run` and `demo` refuse that; unset it for them"
            if "SWITCHBOARD_ENV" in os.environ
            else "SWITCHBOARD_ENV is not set: `switchboard up`, `run` and `demo` use development anyway;"
            " a process started by itself uses production"
        )
    yield Check("settings", ok=True, detail=detail)


def _state_folder(state: State) -> Check:
    folder = state.path
    while not folder.exists():
        folder = folder.parent
    writable = os.access(folder, os.W_OK | os.X_OK)
    return Check("state", writable, str(state.path), "set SWITCHBOARD_HOME to a folder that you can write to")


def _disk(state: State) -> Check:
    folder = state.path
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{free / 2**30:.1f} GB free at {folder}"
    return Check(
        "disk", free >= _NEEDED_BYTES, detail, "free at least 1 GB, or set SWITCHBOARD_HOME elsewhere"
    )


def _found(name: str, find: Callable[[], Path], how: str) -> Check:
    try:
        place = find()
    except ServiceFailed as failure:
        return Check(name, ok=False, detail="not found", advice=str(failure))
    usable = place.exists() and os.access(place, os.X_OK)
    return Check(name, usable, f"{how}, {place}", "reinstall the extra `local`: the file cannot be run")


def _not_root() -> Check:
    try:
        user = unprivileged()
    except ServiceFailed as failure:
        return Check("user", ok=False, detail="root", advice=str(failure))
    return Check(
        "user", ok=True, detail="not root" if user is None else f"root; Postgres runs as user {user[0]}"
    )


def _databases(given: Mapping[str, str]) -> Iterator[Check]:
    for variable in DATABASE_VARIABLES:
        if given.get(variable):
            yield _database(variable, given[variable])
        elif variable == "DATABASE_OWNER_URL":
            yield Check(
                variable.lower(),
                ok=False,
                detail="not set, `switchboard migrate` needs it",
                advice=f"set {variable} to the address with the role that owns the tables (switchboard_owner)",
            )
        elif variable != "DATABASE_DIRECT_URL":
            advice = f"set {variable}, or unset all of DATABASE_... for the embedded Postgres"
            yield Check(variable.lower(), ok=False, detail="not set, the system needs it", advice=advice)
    if listening := given.get("DATABASE_DIRECT_URL") or given.get("DATABASE_URL"):
        yield _listening(listening)


def _listening(url: str) -> Check:
    advice = (
        "set DATABASE_DIRECT_URL to the address of Postgres itself, past any pooler (role switchboard_app)"
    )
    try:
        heard = hears(url)
    except (psycopg.Error, ValueError) as error:
        return Check("listen", ok=False, detail=f"no connection ({type(error).__name__})", advice=advice)
    detail = "notifications arrive" if heard else "no notification arrives: a pooler is in between"
    return Check("listen", heard, detail, advice)


def _database(variable: str, url: str) -> Check:
    try:
        version, role = reach_database(variable, url)
    except ServiceFailed as failure:
        return Check(variable.lower(), ok=False, detail="no connection", advice=str(failure))
    return Check(variable.lower(), version >= 15, f"Postgres {version} as {role}", "use Postgres 15 or newer")


def _redis(url: str) -> Check:
    try:
        with redis.Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            answer = client.config_get("maxmemory-policy")
    except (redis.RedisError, ValueError) as error:
        detail = f"no connection ({type(error).__name__})"
        return Check("redis", ok=False, detail=detail, advice="check REDIS_URL and that the server runs")
    policy = answer.get("maxmemory-policy", "unknown") if isinstance(answer, dict) else "unknown"
    advice = (
        "set maxmemory-policy noeviction: with any other, limits and hints are thrown away under pressure"
    )
    return Check("redis", policy == "noeviction", f"maxmemory-policy {policy}", advice)


def _entra(given: Mapping[str, str], running: Running | None) -> Iterator[Check]:
    authority = given.get("SWITCHBOARD_ENTRA_AUTHORITY")
    ca = given.get("SWITCHBOARD_ENTRA_CA")
    if authority is None:
        if running is None:
            yield Check("entra", ok=True, detail="embedded, starts with the system")
            return
        authority, ca = running.authority, running.ca
    url = f"{authority}/organizations/v2.0/.well-known/openid-configuration"
    try:
        verify = ssl.create_default_context(cafile=ca)
        answer = httpx.get(url, verify=verify, timeout=_SECONDS, trust_env=False)
        found = answer.raise_for_status().json()["jwks_uri"].startswith(authority)
    except (httpx.HTTPError, OSError, ValueError, KeyError, AttributeError) as error:
        advice = "check SWITCHBOARD_ENTRA_AUTHORITY, SWITCHBOARD_ENTRA_CA and the way out of this network"
        yield Check("entra", ok=False, detail=f"{authority}: {type(error).__name__}", advice=advice)
        return
    yield Check("entra", found, authority, "its keys are elsewhere than the authority: not a Microsoft Entra")


def _model() -> Check:
    try:
        file = model_file()
    except ModelMissing as missing:
        return Check("model", ok=False, detail="not found", advice=str(missing))
    return Check("model", ok=True, detail=f"{file.name}, {file.stat().st_size // 2**20} MB")


def _system(running: Running) -> Check:
    detail = f"running, process {running.pid}, {running.api}"
    return Check(
        "system", is_ready(running.api, running.instance), detail, f"it is not ready; see {running.log}"
    )


def _port(given: Mapping[str, str]) -> Check:
    asked = given.get("SWITCHBOARD_API_PORT")
    port = int(asked) if asked and asked.isdigit() else DEFAULT_API_PORT
    if is_free(port):
        return Check("system", ok=True, detail=f"not running; port {port} is free for the API")
    if asked is None:
        return Check("system", ok=True, detail=f"not running; port {port} is taken, another one will be used")
    return Check(
        "system", ok=False, detail=f"port {port} is taken", advice="set SWITCHBOARD_API_PORT to a free one"
    )
