"""What `switchboard registrations` prints: our app registrations as JSON for Microsoft Graph, or as a script for az."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from app.identity.registrations import Application, ClientIds, PublicAddresses, applications
from app.local.client import ClientError
from app.settings import GRAPH_HOSTS, MissingSetting, Settings
from app.vocabulary import Environment

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?"
    r"(?P<path>/[A-Za-z0-9_\-./~]*)?"
)
"""Nothing that a shell, JSON or Entra would read as more than an address: no query, no pattern, no login."""
_CLIENT_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PUBLIC_GRAPH = "https://graph.microsoft.com"


class Form(StrEnum):
    """What to print."""

    JSON = "json"
    AZ = "az"


class Which(StrEnum):
    """One of the registrations."""

    API = "api"
    ADDIN = "addin"
    PORTAL = "portal"


def describe(
    settings: Settings,
    *,
    portal_url: str | None,
    addin_origins: Sequence[str],
    addin_pages: Sequence[str],
) -> tuple[Application, ...]:
    """The registrations that these settings need; what is given here goes before the settings.

    Raises: `MissingSetting` without an address of the portal, `ClientError` for an address that may not be
    registered: plain http (but of this machine, in development), or more than scheme, host, port and path;
    for a client id in the settings that is none.
    """
    portal = portal_url or settings.portal_origin
    if not portal:
        raise MissingSetting("SWITCHBOARD_PORTAL_URL is not set; name the portal's address with --portal-url")
    local = settings.env is Environment.DEVELOPMENT
    addresses = PublicAddresses(
        portal=_checked(portal.rstrip("/"), local=local, pages=False),
        addin_origins=tuple(
            _checked(one, local=local, pages=False) for one in addin_origins or settings.addin_origins
        ),
        addin_pages=tuple(_checked(one, local=local, pages=True) for one in addin_pages),
    )
    return applications(_known(settings), addresses)


def as_json(found: Sequence[Application], only: Which | None) -> str:
    """All of them with both bodies, or the body alone that POST /applications takes for one."""
    if only is not None:
        return _pretty(next(one for one in found if one.name == only).create)
    return _pretty(
        {
            "applications": [
                {"name": one.name, "client_id": one.client_id, "create": one.create, "complete": one.complete}
                for one in found
            ]
        }
    )


def as_script(settings: Settings, found: Sequence[Application]) -> str:
    """A bash script that creates or updates them with az, and prints the settings that follow."""
    graph = settings.graph_url
    known = {one.variable: "" if one.client_id.startswith("$") else one.client_id for one in found}
    parts = [
        _HEAD.replace("@GRAPH@", graph if graph.removeprefix("https://") in GRAPH_HOSTS else _PUBLIC_GRAPH),
        "".join(f"{name}=${{{name}:-{client_id}}}\n" for name, client_id in known.items()),
        _FUNCTIONS.replace("@NAMES@", " ".join(known)),
    ]
    for one in found:
        title = one.create["displayName"]
        parts.append(f"make {one.variable} '{title}' <<'JSON'\n{_pretty(one.create)}JSON\n")
    parts.extend(
        f"complete {one.variable} <<'JSON'\n{_pretty(one.complete)}JSON\n"
        for one in _with_placeholders(found)
    )
    others = "".join(f', \\"{one}\\"' for one in settings.addin_client_ids[1:])
    return "\n".join([*parts, _END.replace("@OTHERS@", others)])


def _with_placeholders(found: Sequence[Application]) -> list[Application]:
    """The script's variables say which applications are meant, also where the settings knew them."""
    ids = {one.client_id: f"${{{one.variable}}}" for one in found}

    def replaced(value: Any) -> Any:
        match value:
            case dict():
                return {key: replaced(one) for key, one in value.items()}
            case list():
                return [replaced(one) for one in value]
            case str():
                return ids.get(value, f"api://{ids[value[6:]]}" if value[6:] in ids else value)
            case _:
                return value

    return [replace(one, complete=replaced(one.complete)) for one in found]


def _known(settings: Settings) -> ClientIds:
    unknown = ClientIds()
    for one in (settings.api_client_id, settings.portal_client_id, *settings.addin_client_ids):
        if one and not _CLIENT_ID.fullmatch(one):
            raise ClientError("bad_client_id", f"{one!r} in the settings is no client id of Entra")
    return ClientIds(
        api=settings.api_client_id or unknown.api,
        addins=settings.addin_client_ids or unknown.addins,
        portal=settings.portal_client_id or unknown.portal,
    )


def _checked(address: str, *, local: bool, pages: bool) -> str:
    found = _ADDRESS.fullmatch(address)
    if found is None or (found["path"] and not pages):
        more = "a path" if pages else "no path"
        raise ClientError(
            "bad_address", f"{address!r} is no address to register: https://, host, perhaps a port, {more}"
        )
    if found["scheme"] != "https" and not (local and found["host"] in _LOOPBACK):
        raise ClientError("bad_address", f"{address!r} cannot be registered: it must begin with https://")
    return address


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


_HEAD = """\
#!/usr/bin/env bash
# Creates Switchboard's app registrations in the directory that `az login` is signed in to, or updates those
# whose ids are given here or in the environment. Needs the role Application Administrator, and az 2.37 or newer.
set -euo pipefail

GRAPH=@GRAPH@/v1.0"""

_FUNCTIONS = """\

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "error: $*" >&2
  exit 1
}

# patch ID: the body comes on standard input. Entra's copies lag behind each other, so it is tried again.
patch() {
  local attempt
  cat > "$work/body.json"
  for attempt in 1 2 3 4; do
    if az rest --method PATCH --url "$GRAPH/applications(appId='$1')" \\
      --headers Content-Type=application/json --body "@$work/body.json" >/dev/null; then
      return
    fi
    echo "attempt $attempt failed" >&2
    [ "$attempt" = 4 ] || sleep "${WAIT_SECONDS:-15}"
  done
  fail "application $1 could not be changed"
}

# make VARIABLE NAME: creates the application, or updates the one whose id the variable holds.
make() {
  local id=${!1} there body
  body=$(cat)
  if [ -n "$id" ]; then
    patch "$id" <<< "$body"
  else
    # A name is nobody's property: what is called the same is not taken over.
    there=$(az ad app list --filter "displayName eq '$2'" --query '[0].appId' --output tsv)
    [ -z "$there" ] || fail "'$2' is there already: set $1=$there if it is yours, else rename it"
    printf %s "$body" > "$work/body.json"
    id=$(az rest --method POST --url "$GRAPH/applications" --headers Content-Type=application/json \\
      --body "@$work/body.json" --query appId --output tsv)
    echo "created $2: $1=$id" >&2
  fi
  [[ $id =~ ^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$ ]] || fail "$1 is no client id: '$id'"
  printf -v "$1" %s "$id"
}

# complete VARIABLE: adds what needs the ids of the others.
complete() {
  local body name placeholder
  body=$(cat)
  for name in @NAMES@; do
    placeholder="\\${$name}"
    body=${body//"$placeholder"/${!name}}
  done
  patch "${!1}" <<< "$body"
}
"""

_END = """\
echo "SWITCHBOARD_API_CLIENT_ID=$API_CLIENT_ID"
echo "SWITCHBOARD_ADDIN_CLIENT_IDS=[\\"$ADDIN_CLIENT_ID\\"@OTHERS@]"
echo "SWITCHBOARD_PORTAL_CLIENT_ID=$PORTAL_CLIENT_ID"
"""
