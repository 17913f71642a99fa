"""What Graph's answers mean, and that the setting of its address cannot lead elsewhere."""

import base64

import pytest
from pydantic import ValidationError

from app.identity.graph import DriveItemRef, challenged_claims, graph_scope
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
