"""A stand-in for the `az` command that keeps applications in a folder, as Microsoft Graph would.

It knows the three requests that the printed script sends, and refuses what Graph refuses: an application
created twice, a body that names what Graph alone decides, a pre-authorization of a scope that is not there
yet, a permission of ours that nobody has. Run as `python scripted_az.py FOLDER ARGUMENTS...`.
"""

import itertools
import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

_DECIDED_BY_GRAPH = {"id", "appId", "createdDateTime", "publisherDomain"}


def main(folder: Path, arguments: list[str]) -> int:
    """Answer one command; 1 with a word on standard error where Graph would refuse."""
    options = dict(itertools.pairwise(arguments))
    with (folder / "log").open("a") as log:
        log.write(json.dumps(arguments) + "\n")
    if arguments[:3] == ["ad", "app", "list"]:
        name = options["--filter"].removeprefix("displayName eq '").removesuffix("'")
        print("\n".join(one["appId"] for one in _all(folder) if one["displayName"] == name))
        return 0
    body: dict[str, Any] = json.loads(Path(options["--body"].removeprefix("@")).read_text())
    if options["--method"] == "POST":
        if _DECIDED_BY_GRAPH & body.keys() or "displayName" not in body:
            return _refuse("not a new application")
        body["appId"] = str(uuid.uuid4())
        _keep(folder, body)
        print(body["appId"])
        return 0
    found = re.fullmatch(r".*/applications\(appId='([0-9a-f-]{36})'\)", options["--url"])
    if found is None or not (folder / found[1]).exists():
        return _refuse("no such application")
    before = json.loads((folder / found[1]).read_text())
    wrong = _wrong(folder, before, body)
    if wrong:
        return _refuse(wrong)
    _keep(folder, before | body)
    return 0


def _wrong(folder: Path, before: dict[str, Any], body: dict[str, Any]) -> str:
    scopes = {one["id"] for one in before.get("api", {}).get("oauth2PermissionScopes", [])}
    for one in body.get("api", {}).get("preAuthorizedApplications", []):
        if not set(one["delegatedPermissionIds"]) <= scopes:
            return "a permission id that cannot be found"
    offered = {one["appId"]: one for one in _all(folder)}
    for wanted in body.get("requiredResourceAccess", []):
        ours = offered.get(wanted["resourceAppId"])
        if ours is None:
            continue
        there = {one["id"] for one in [*ours.get("appRoles", []), *ours["api"]["oauth2PermissionScopes"]]}
        if not {one["id"] for one in wanted["resourceAccess"]} <= there:
            return "a permission that the resource does not offer"
    return "" if "${" not in json.dumps(body) else "a placeholder"


def _all(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(one.read_text()) for one in folder.iterdir() if one.name != "log"]


def _keep(folder: Path, application: dict[str, Any]) -> None:
    (folder / application["appId"]).write_text(json.dumps(application))


def _refuse(why: str) -> int:
    print(why, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
