"""What a task pane does with Entra: signs a person in again, with the claims that it was asked for."""

import base64

from app.identity.sign_in import sign_in
from app.local.entra.registrations import ADDIN_CLIENT_ID, SCOPE
from tests.entra import RunningEntra


def sign_in_again(entra: RunningEntra, login: str, challenge: str | None = None) -> str:
    """A new access token of a person who has seen Entra's page; `challenge` is a `WWW-Authenticate` header."""
    claims = None if challenge is None else claims_in(challenge)
    return sign_in(entra.url, ADDIN_CLIENT_ID, SCOPE, login, entra.ca, claims=claims)


def claims_in(challenge: str) -> str:
    """The claims in a `WWW-Authenticate: Bearer error="insufficient_claims", claims="<base64>"`."""
    assert challenge.startswith('Bearer error="insufficient_claims", claims="'), challenge
    packed = challenge.partition('claims="')[2].removesuffix('"')
    return base64.b64decode(packed + "=" * (-len(packed) % 4)).decode()
