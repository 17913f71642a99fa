"""Signing a person in from a terminal.

At the development Entra without a browser: MSAL does what it does in a task pane (PKCE, state, nonce) and
this module follows the redirect. At Microsoft Entra by a device code: the person signs in elsewhere.
"""

from collections.abc import Callable
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

    def acquire(client: msal.PublicClientApplication, session: requests.Session) -> dict[str, Any]:
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

    return _token(authority, "organizations", client_id, ca, acquire)


def sign_in_with_device_code(
    authority: str,
    client_id: str,
    scope: str,
    show: Callable[[str], None],
    *,
    tenant: str = "organizations",
    ca: Path | None = None,
) -> str:
    """An access token for whoever signs in with the code that `show` gets, in the issuer's words.

    Waits until the person has done so or the code has expired (15 minutes at Microsoft). `tenant` is a tenant's
    id or domain. Raises: `SignInFailed`, `OSError`.
    """

    def acquire(client: msal.PublicClientApplication, _session: requests.Session) -> dict[str, Any]:
        flow: dict[str, Any] = client.initiate_device_flow([scope])
        if "user_code" not in flow:
            return flow
        show(str(flow["message"]))
        answer: dict[str, Any] = client.acquire_token_by_device_flow(flow)
        return answer

    return _token(authority, tenant, client_id, ca, acquire)


def _token(
    authority: str,
    tenant: str,
    client_id: str,
    ca: Path | None,
    acquire: Callable[[msal.PublicClientApplication, requests.Session], dict[str, Any]],
) -> str:
    try:
        with MsalSession(ca) as session:
            client = msal.PublicClientApplication(
                client_id,
                authority=f"{authority.rstrip('/')}/{tenant}",
                http_client=session,
                # The issuer is named by our own settings: nobody else is asked whether it exists.
                instance_discovery=False,
                client_capabilities=["CP1"],
            )
            answer = acquire(client, session)
    except (msal.exceptions.MsalError, ValueError) as error:
        # MSAL says ValueError for a tenant or an authority that nothing is known of.
        raise SignInFailed(f"the issuer at {authority} does not work ({type(error).__name__})") from None
    token = answer.get("access_token")
    if not isinstance(token, str):
        raise SignInFailed(str(answer.get("error_description") or answer.get("error") or "no token came"))
    return token


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
