"""What Graph's answers mean, and that the setting of its address cannot lead elsewhere."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from app.identity.graph import DriveItemRef, Graph, challenged_claims, graph_scope
from app.identity.graph_errors import GraphUnavailable
from app.settings import Settings

PRODUCTION = {"env": "production", "entra_authority": "https://login.microsoftonline.com"}
CLAIMS = '{"access_token": {"nbf": {"essential": true, "value": "1"}}}'
PACKED = base64.b64encode(CLAIMS.encode()).decode()


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        (f'Bearer realm="", error="insufficient_claims", claims="{PACKED}"', CLAIMS),
        (f'Bearer claims="{PACKED}", error="insufficient_claims"', CLAIMS),
        (f'Bearer error="insufficient_claims", claims="{PACKED.rstrip("=")}"', CLAIMS),
        (f'Bearer error="invalid_token", claims="{PACKED}"', None),
        ('Bearer error="insufficient_claims"', None),
        ('Bearer error="insufficient_claims", claims="!!!"', None),
        ('Bearer error="insufficient_claims", claims="WzFd"', None),
        (f'Bearer error="insufficient_claims", claims="{"A" * 9000}"', None),
        (f'Bearer error="insufficient_claims", xclaims="{PACKED}"', None),
        ("", None),
    ],
)
def test_claims_are_read_only_from_a_challenge(header: str, claims: str | None) -> None:
    assert challenged_claims(header) == claims


@pytest.mark.parametrize("bad", ["", "..", "a/b", "a%2fb", "a.b", "a?b", "a b", "a\\b", "x" * 257, "a\n"])
def test_an_id_stays_one_segment_of_a_path(bad: str) -> None:
    for given in ((bad, "01A"), ("b!a", bad)):
        with pytest.raises(ValueError, match="not the id"):
            DriveItemRef(*given)
    assert DriveItemRef("b!a_B-9", "01ABC").etag is None


@pytest.mark.parametrize(
    "address",
    [
        "http://graph.microsoft.com",
        "https://graph.microsoft.com.evil.example",
        "https://graph.microsoft.com/evil",
        "https://127.0.0.1:9/graph",
        "",
    ],
)
def test_production_talks_to_microsofts_graph_only(address: str) -> None:
    with pytest.raises(ValidationError, match="SWITCHBOARD_GRAPH_URL"):
        Settings.model_validate({**PRODUCTION, "graph_url": address})


@pytest.mark.parametrize("host", [".com", "evil.example", "", ".", "localhost"])
def test_production_downloads_from_suffixes_of_two_labels_only(host: str) -> None:
    with pytest.raises(ValidationError, match="SWITCHBOARD_GRAPH_DOWNLOAD_HOSTS"):
        Settings.model_validate({**PRODUCTION, "graph_download_hosts": [host]})


@pytest.mark.parametrize("host", ["graph.microsoft.com", "graph.microsoft.us"])
def test_the_permission_is_that_of_the_cloud(host: str) -> None:
    settings = Settings.model_validate({**PRODUCTION, "graph_url": f"https://{host}"})
    assert graph_scope(settings) == f"https://{host}/Files.Read.All"


class TwoPages(Graph):
    """Gives a folder in two pages, the second at an address that somebody else has chosen."""

    asked: list[str]

    async def read(self, token: str, path: str) -> dict[str, Any]:
        self.asked.append(path)
        entry = {"id": f"01{len(self.asked)}", "name": "a.txt", "eTag": "1", "file": {}}
        more = {"@odata.nextLink": "https://evil.example/v1.0/me/messages?$skiptoken=2"}
        notebook = {"id": "01N", "name": "Notes", "eTag": "1", "package": {"type": "oneNote"}}
        return {"value": [entry, notebook], **(more if len(self.asked) == 1 else {})}


async def test_the_next_page_of_a_folder_is_asked_of_that_folder_whatever_address_is_named() -> None:
    graph = TwoPages(Settings.model_validate(PRODUCTION))
    graph.asked = []
    found = [one async for one in graph.children("token", DriveItemRef("b!a", "01F"))]
    await graph.close()
    assert [(one.ref, one.is_folder) for one in found] == [
        (DriveItemRef("b!a", "011", "1"), False),
        (DriveItemRef("b!a", "012", "1"), False),
    ]
    first, second = graph.asked
    assert first.startswith("/v1.0/drives/b!a/items/01F/children?$select=")
    assert second == "/v1.0/drives/b!a/items/01F/children?$skiptoken=2"


@pytest.mark.parametrize(
    "value",
    [
        [{"id": "../x", "name": "a", "eTag": "1", "file": {}}],
        [{"id": "01", "name": "a", "file": {}}],
        ["x"],
        None,
    ],
)
async def test_a_page_that_cannot_be_read_is_no_page(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph(Settings.model_validate(PRODUCTION))

    async def read(_token: str, _path: str) -> dict[str, Any]:
        return {"value": value}

    monkeypatch.setattr(graph, "read", read)
    with pytest.raises(GraphUnavailable):
        _ = [one async for one in graph.children("token", DriveItemRef("b!a", "01F"))]
    await graph.close()
