"""The receiver that the page shows takes what is sent, and nothing else."""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from app.notices.signing import new_secret, signed_headers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"
OLD, NEW, OTHER = new_secret(), new_secret(), new_secret()
BODY = b'{"type":"contract.end"}'


@pytest.fixture
def is_genuine() -> Callable[[str, Mapping[str, str], bytes], bool]:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    there: dict[str, Callable[[str, Mapping[str, str], bytes], bool]] = {}
    exec(example, there)  # noqa: S102 - the page is ours
    return there["is_genuine"]


@pytest.mark.parametrize(
    ("secret", "seconds_ago", "body", "genuine"),
    [
        pytest.param(NEW, 0, BODY, True, id="new"),
        pytest.param(OLD, 0, BODY, True, id="old"),
        pytest.param(OTHER, 0, BODY, False, id="unknown"),
        pytest.param(NEW, 600, BODY, False, id="late"),
        pytest.param(NEW, -600, BODY, False, id="early"),
        pytest.param(NEW, 0, BODY + b" ", False, id="changed"),
    ],
)
def test_the_example_takes_what_either_secret_has_just_signed(
    is_genuine: Callable[[str, Mapping[str, str], bytes], bool],
    secret: str,
    seconds_ago: int,
    body: bytes,
    *,
    genuine: bool,
) -> None:
    sent = signed_headers([NEW, OLD], message_id="one", timestamp=int(time.time()) - seconds_ago, body=BODY)
    assert is_genuine(secret, sent, body) is genuine
    assert not is_genuine(secret, {**sent, "webhook-signature": "v1,é v2,"}, body)
    assert not is_genuine(secret, {**sent, "webhook-timestamp": "soon"}, body)
