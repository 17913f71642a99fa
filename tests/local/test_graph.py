"""The development Graph: what it refuses as Microsoft's does, and what tests make it do."""

import json
from dataclasses import replace

import httpx
import pytest

from app.local.entra.registrations import API_CLIENT_ID
from tests.entra import ADA, ALAN, SEED, RunningEntra
from tests.local.entra_clients import on_behalf

GRAPH = "/graph/v1.0"


@pytest.fixture
def token(fresh_entra: RunningEntra, surfer: httpx.Client) -> str:
    """A token for Graph on behalf of Ada."""
    given: str = on_behalf(surfer, fresh_entra.token(ADA)).json()["access_token"]
    return given


def ask(surfer: httpx.Client, path: str, token: str | None) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return surfer.get(path if path.startswith(("https:", "/graph")) else f"{GRAPH}{path}", headers=headers)


def test_an_item_has_a_version_and_its_content_is_one_hop_away(
    fresh_entra: RunningEntra, surfer: httpx.Client, token: str
) -> None:
    item = fresh_entra.app.graph.items(ADA)[0]
    path = f"/drives/{item.drive_id}/items/{item.id}"

    body = ask(surfer, path, token).json()
    content = ask(surfer, f"{path}/content", token)

    assert (body["name"], body["size"], body["eTag"]) == (item.name, len(item.content), item.etag)
    assert body["file"]["mimeType"].startswith("application/vnd.openxmlformats")
    assert content.status_code == 302
    there = content.headers["location"]
    assert there.startswith("https://localhost:")
    assert surfer.get(there).content == item.content
    # Whoever brings a token to the hop has made a mistake.
    assert ask(surfer, there, token).status_code == 400


def test_the_item_that_the_page_for_add_ins_names_is_there(fresh_entra: RunningEntra) -> None:
    (item,) = fresh_entra.app.graph.items(ADA)
    named = json.dumps({"drive_id": item.drive_id, "item_id": item.id})
    assert named in (SEED.parents[1] / "docs" / "addin-api.md").read_text()


def test_only_a_token_for_graph_opens_it(fresh_entra: RunningEntra, surfer: httpx.Client, token: str) -> None:
    for bad in (None, "nonsense", fresh_entra.token(ADA), token[:-4] + "AAAA"):
        answer = ask(surfer, "/me/drive", bad)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert ask(surfer, "/me/drive", token).status_code == 200


def test_another_persons_item_is_not_found_until_it_is_shared(
    fresh_entra: RunningEntra, surfer: httpx.Client, token: str
) -> None:
    theirs = fresh_entra.app.graph.items(ALAN)[0]
    path = f"/drives/{theirs.drive_id}/items/{theirs.id}"
    assert ask(surfer, path, token).json()["error"]["code"] == "itemNotFound"
    fresh_entra.app.graph.share(theirs, ADA)
    assert ask(surfer, path, token).status_code == 200


def test_permissions_that_were_not_granted_open_nothing(
    fresh_entra: RunningEntra, surfer: httpx.Client, token: str
) -> None:
    assert ask(surfer, "/me", token).status_code == 403
    api = fresh_entra.app.registrations[API_CLIENT_ID]
    wider = replace(api, graph_permissions=(*api.graph_permissions, "User.Read"))
    fresh_entra.app.registrations[API_CLIENT_ID] = wider
    scope = "https://graph.microsoft.com/User.Read"
    reader = on_behalf(surfer, fresh_entra.token(ADA), scope=scope).json()["access_token"]
    assert ask(surfer, "/me", reader).json()["userPrincipalName"] == ADA
    assert ask(surfer, "/me/drive", reader).status_code == 403
    assert ask(surfer, "/oauth2PermissionGrants", reader).status_code == 403


def test_a_challenge_asks_for_a_newer_sign_in_and_one_is_enough(
    fresh_entra: RunningEntra, surfer: httpx.Client, token: str
) -> None:
    fresh_entra.app.graph.challenge(ADA)
    answer = ask(surfer, "/me/drive", token)
    assert answer.status_code == 401
    assert 'error="insufficient_claims", claims="' in answer.headers["www-authenticate"]
    newer = on_behalf(surfer, fresh_entra.token(ADA)).json()["access_token"]
    assert ask(surfer, "/me/drive", newer).status_code == 200


def test_refusals_are_given_as_often_as_asked(
    fresh_entra: RunningEntra, surfer: httpx.Client, token: str
) -> None:
    fresh_entra.app.graph.refuse_next(429, retry_after_seconds=7, times=2)
    answers = [ask(surfer, "/me/drive", token) for _ in range(3)]
    assert [one.status_code for one in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "7"
    fresh_entra.app.graph.deny(ADA)
    assert ask(surfer, "/me/drive", token).json()["error"]["code"] == "accessDenied"


def test_a_folder_is_listed_page_by_page_to_those_who_may_read_it(
    fresh_entra: RunningEntra, surfer: httpx.Client, token: str
) -> None:
    graph = fresh_entra.app.graph
    folder = graph.add_folder(ADA, "Reports")
    graph.add_folder(ADA, "Old", folder=folder)
    for n in range(4):
        graph.add(ADA, f"{n}.txt", b"x", folder=folder)
    path = f"/drives/{folder.drive_id}/items/{folder.id}"

    first = ask(surfer, f"{path}/children?$select=name,file,folder&$top=3", token).json()
    second = ask(surfer, first["@odata.nextLink"], token).json()

    assert [one["name"] for one in first["value"] + second["value"]] == [
        "Old",
        *(f"{n}.txt" for n in range(4)),
    ]
    assert ["folder" in one for one in first["value"]] == [True, False, False]
    assert "@odata.nextLink" not in second
    top = ask(surfer, f"/drives/{folder.drive_id}/items/root/children?$select=name", token).json()
    assert {one["name"] for one in top["value"]} == {"Reports", graph.items(ADA)[0].name}
    assert ask(surfer, f"{path}/content", token).status_code == 400
    theirs = graph.add_folder(ALAN, "Theirs")
    answer = ask(surfer, f"/drives/{theirs.drive_id}/items/{theirs.id}/children", token)
    assert answer.json()["error"]["code"] == "itemNotFound"
