"""Signing a person in without a browser, where the issuer lets us: the development Entra.

MSAL does what it does in a task pane (PKCE, state, nonce); this module follows the redirect.
"""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msal
import requests

from app.identity.msal_session import MsalSession

_REDIRECT_URI = "http://localhost"


class SignInFailed(RuntimeError):
    """The issuer did not give a token; the message has its reason and no part of a token."""


def sign_in(
    authority: str,
    client_id: str,
    scope: str,
    login_hint: str,
    ca: Path | None = None,
    *,
    claims: str | None = None,
) -> str:
    """An access token for a person of the issuer at `authority`; `claims` is what a claims challenge asked for.

    Raises: `SignInFailed`, `OSError`.
    """
    try:
        with MsalSession(ca) as session:
            answer = _acquire(session, authority, client_id, scope, login_hint, claims)
    except msal.exceptions.MsalError as error:
        raise SignInFailed(f"the issuer at {authority} does not work ({type(error).__name__})") from None
    token = answer.get("access_token")
    if not isinstance(token, str):
        raise SignInFailed(str(answer.get("error_description") or answer.get("error") or "no token came"))
    return token


def _acquire(
    session: requests.Session, authority: str, client_id: str, scope: str, login_hint: str, claims: str | None
) -> dict[str, Any]:
    client = msal.PublicClientApplication(
        client_id,
        authority=f"{authority.rstrip('/')}/organizations",
        http_client=session,
        # The issuer is named by our own settings: nobody else is asked whether it exists.
        instance_discovery=False,
        client_capabilities=["CP1"],
    )
    flow: dict[str, Any] = client.initiate_auth_code_flow(
        [scope],
        redirect_uri=_REDIRECT_URI,
        login_hint=login_hint,
        response_mode="form_post",
        claims_challenge=claims,
    )
    page = session.get(flow["auth_uri"], allow_redirects=False)
    answer: dict[str, Any] = client.acquire_token_by_auth_code_flow(flow, _handed_over(page))
    return answer


class _HiddenFields(HTMLParser):
    """The hidden fields of the form that the issuer's page would post to us."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember one field."""
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.values[given.get("name") or ""] = given.get("value") or ""


def _handed_over(page: requests.Response) -> dict[str, str]:
    """What the issuer hands to the program. Raises: `SignInFailed` if it wants to talk to a person first."""
    fields = _HiddenFields()
    fields.feed(page.text)
    if page.status_code != requests.codes.ok or "state" not in fields.values:
        raise SignInFailed(f"the issuer answered {page.status_code} and gave no code: sign in with a browser")
    return fields.values
