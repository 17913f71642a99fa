"""Signing in at the portal with MSAL's code flow, and asking Entra again while a session lasts.

browser ── begin ──► Entra ──► finish ──► session (new id) ── session() at each request
   cookie: a secret           state used up, code redeemed (PKCE),          └ after 10 min: a silent renewal;
   that seals the flow        ID token verified with the flow's nonce         after 15 none passes without one

A flow opens only with the cookie of the browser that began it, so nobody is signed in as somebody else.
Roles that Entra takes away are gone within 15 minutes; a person whom it renews no more is signed out.
While Entra is away nobody passes after 15 minutes, and after an hour without its word a session is over:
whoever comes then signs in again. Of a session's requests one asks at a time, and after a failure none for
a few seconds.
"""

import asyncio
import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn
from uuid import UUID
from weakref import WeakValueDictionary

import msal
import requests
from redis.asyncio import Redis

from app.core.errors import TemporarilyUnavailable
from app.core.logging import get_logger
from app.identity.browser_secrets import BrowserSecret
from app.identity.errors import (
    EntraUnavailable,
    InvalidToken,
    PortalNotConfigured,
    SessionRequired,
    SignInRefused,
)
from app.identity.id_tokens import IdClaims, IdTokens
from app.identity.msal_clients import MsalClients
from app.identity.registrations import PROFILE_PERMISSION, SIGN_IN_PATH
from app.identity.sessions import Session, Sessions, SignedIn

_log = get_logger(__name__)
# MSAL warns of `response_mode=query` at each sign-in; why we use it stands at `begin`.
warnings.filterwarnings("ignore", message="response_mode='form_post' is recommended", category=UserWarning)
FLOW_SECONDS = 600
_SCOPES = (PROFILE_PERMISSION,)
"""For the person's own department and groups, where the tenant wants them read; MSAL adds OpenID's."""
_PURPOSE = "portal sign-in"
_CHECK_AFTER_SECONDS = 600.0
_CHECK_BY_SECONDS = 900.0
_OVER_AFTER_SECONDS = 3600.0
"""Without Entra's word for so long nobody can be told from somebody who has left; they sign in again."""
_REST_SECONDS = 5.0
_MOST_RESTING = 10_000
_LONGEST_STATE = 128
_ANSWER = ("code", "state", "client_info", "error", "error_description", "session_state")
_THEIR_FAULT = frozenset({"server_error", "temporarily_unavailable", "service_unavailable"})


@dataclass(frozen=True)
class Finished:
    """A sign-in that was proven; the session is not kept yet."""

    session: Session
    claims: IdClaims
    return_to: str
    graph_token: str = field(default="", repr=False)
    """The person's own, for their own profile."""


class PortalSignIn:
    """Begins and finishes sign-ins, and finds sessions. One a process."""

    def __init__(
        self,
        redis: Redis,
        sessions: Sessions,
        clients: MsalClients,
        id_tokens: IdTokens,
        *,
        origin: str,
        configured: bool,
    ) -> None:
        self._redis: Any = redis
        self._sessions = sessions
        self._clients = clients
        self._id_tokens = id_tokens
        self._origin = origin
        self._configured = configured
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._resting: dict[str, float] = {}

    async def begin(
        self, browser: BrowserSecret, *, return_to: str, tenant: UUID | None, login_hint: str | None
    ) -> str:
        """Where to send the browser; `tenant` is for those who are guests there.

        Raises: `PortalNotConfigured`, `EntraUnavailable`, `CredentialUnavailable`.
        """
        if not self._configured:
            raise PortalNotConfigured

        def ask() -> dict[str, Any]:
            flow: dict[str, Any] = self._client(tenant).initiate_auth_code_flow(
                list(_SCOPES),
                redirect_uri=f"{self._origin}{SIGN_IN_PATH}",
                login_hint=login_hint,
                # Entra's page posts from its own site otherwise, and no SameSite=Lax cookie comes along.
                # A code that leaks from a history is used up, and worth nothing without verifier and cookie.
                response_mode="query",
            )
            return flow

        try:
            flow = await self._clients.run(ask)
        except (requests.RequestException, TimeoutError):
            raise EntraUnavailable from None
        except ValueError:
            raise SignInRefused("unknown_directory") from None
        kept = {"flow": flow, "return_to": return_to, "tenant": str(tenant) if tenant else None}
        sealed = browser.seal(_PURPOSE, json.dumps(kept).encode())
        await self._redis.set(_flow_key(flow["state"]), sealed, ex=FLOW_SECONDS)
        return str(flow["auth_uri"])

    async def finish(self, browser: BrowserSecret | None, query: Mapping[str, str]) -> Finished:
        """Who has come back from Entra, proven; the flow is used up, whatever comes of it.

        Raises: `SignInRefused`, `EntraUnavailable`, `KeysUnavailable`, `CredentialUnavailable`.
        """
        try:
            return await self._finish(browser, query)
        except SignInRefused as error:
            _log.info("sign-in refused", reason=error.reason)
            raise

    async def session(self, secret: BrowserSecret | None) -> Session:
        """The session of a browser, confirmed by Entra within the last 15 minutes.

        Raises: `SessionRequired`, also after an hour in which Entra could not be asked; `EntraUnavailable` and
        the like before that.
        """
        found = None if secret is None else await self._sessions.find(secret)
        if found is None:
            raise SessionRequired
        age = self._sessions.clock() - found.checked_at
        if age < _CHECK_AFTER_SECONDS:
            return found
        if age >= _CHECK_BY_SECONDS:
            return await self._overdue(found)
        if not await self._sessions.may_check(found):
            return found
        try:
            return await self._confirm(found)
        except TemporarilyUnavailable:
            return found

    async def _overdue(self, session: Session) -> Session:
        """A session that passes only with Entra's word: one of its requests asks, the others wait for that."""
        name = session.name
        async with self._turns.setdefault(name, asyncio.Lock()):
            now = self._sessions.clock()
            again = await self._sessions.find(session.secret)
            if again is None:
                raise SessionRequired
            age = now - again.checked_at
            if age < _CHECK_BY_SECONDS:
                return again
            try:
                return await self._ask_again(again, now)
            except TemporarilyUnavailable:
                if age < _OVER_AFTER_SECONDS:
                    raise
                _log.info("session not renewed", reason="too_long_without_entra")
                await self._sessions.end(session.secret)
                raise SessionRequired from None

    async def _ask_again(self, session: Session, now: float) -> Session:
        """As `_confirm`; for a few seconds after a failure nobody is asked."""
        if now < self._resting.get(session.name, 0.0):
            raise EntraUnavailable
        try:
            return await self._confirm(session)
        except TemporarilyUnavailable:
            if len(self._resting) >= _MOST_RESTING:
                self._resting.clear()
            self._resting[session.name] = now + _REST_SECONDS
            raise

    async def _finish(self, browser: BrowserSecret | None, query: Mapping[str, str]) -> Finished:
        state = query.get("state", "")
        if not state or len(state) > _LONGEST_STATE:
            raise SignInRefused("no_state")
        if browser is None:
            raise SignInRefused("no_cookie")
        sealed = await self._redis.getdel(_flow_key(state))
        if sealed is None:
            raise SignInRefused("unknown_state")
        opened = browser.open(_PURPOSE, sealed)
        if opened is None:
            raise SignInRefused("other_browser")
        kept: dict[str, Any] = json.loads(opened)
        flow, tenant = kept["flow"], UUID(kept["tenant"]) if kept["tenant"] else None
        cache = msal.SerializableTokenCache()
        answer = await self._redeem(flow, tenant, cache, {k: query[k] for k in _ANSWER if k in query})
        claims = await self._verified(answer, flow["nonce"])
        if tenant is not None and claims.entra_tenant_id != tenant:
            raise SignInRefused("other_directory")
        now = self._sessions.clock()
        session = Session(BrowserSecret.new(), _person(claims), now, now, cache.serialize())
        return Finished(session, claims, kept["return_to"], str(answer.get("access_token") or ""))

    async def _redeem(
        self,
        flow: dict[str, Any],
        tenant: UUID | None,
        cache: msal.SerializableTokenCache,
        query: dict[str, str],
    ) -> Mapping[str, Any]:
        def ask() -> Mapping[str, Any]:
            answer: Mapping[str, Any] = self._client(tenant, cache).acquire_token_by_auth_code_flow(
                flow, query
            )
            return answer

        try:
            answer = await self._clients.run(ask)
        except (requests.RequestException, TimeoutError):
            raise EntraUnavailable from None
        except (ValueError, RuntimeError) as error:
            # MSAL's own checks of the answer's state and of the nonce.
            raise SignInRefused(type(error).__name__) from None
        if "error" in answer:
            _refuse(answer)
        return answer

    async def _verified(self, answer: Mapping[str, Any], nonce: str | None) -> IdClaims:
        raw = answer.get("id_token")
        if not isinstance(raw, str):
            raise SignInRefused("no_id_token")
        try:
            if nonce is None:
                return await self._id_tokens.verify_renewed(raw)
            return await self._id_tokens.verify(raw, nonce=nonce)
        except InvalidToken as error:
            raise SignInRefused(error.reason) from None

    async def _confirm(self, session: Session) -> Session:
        """Ask Entra whether the person is still who they were; end the session if it says no."""
        try:
            tokens, claims = await self._renewed(session)
            person = _person(claims)
            if (person.entra_tenant_id, person.entra_object_id) != (
                session.person.entra_tenant_id,
                session.person.entra_object_id,
            ):
                raise SignInRefused("other_person")
        except SignInRefused as error:
            _log.info("session not renewed", reason=error.reason)
            await self._sessions.end(session.secret)
            raise SessionRequired from None
        confirmed = replace(session, person=person, checked_at=self._sessions.clock(), tokens=tokens)
        await self._sessions.replace(confirmed)
        return confirmed

    async def _renewed(self, session: Session) -> tuple[str, IdClaims]:
        cache = msal.SerializableTokenCache()
        cache.deserialize(session.tokens)

        def ask() -> Mapping[str, Any] | None:
            client = self._client(session.person.entra_tenant_id, cache)
            accounts = client.get_accounts()
            if len(accounts) != 1:
                return None
            answer: Mapping[str, Any] | None = client.acquire_token_silent_with_error(
                list(_SCOPES), accounts[0], force_refresh=True
            )
            return answer

        try:
            answer = await self._clients.run(ask)
        except (requests.RequestException, TimeoutError):
            raise EntraUnavailable from None
        except ValueError:
            raise SignInRefused("unknown_directory") from None
        if answer is None:
            raise SignInRefused("no_refresh_token")
        if "error" in answer:
            _refuse(answer)
        claims = await self._verified(answer, None)
        return cache.serialize(), claims

    def _client(
        self, tenant: UUID | None, cache: msal.TokenCache | None = None
    ) -> msal.ConfidentialClientApplication:
        return self._clients.portal(str(tenant) if tenant else "organizations", cache)


def _refuse(answer: Mapping[str, Any]) -> NoReturn:
    """Turn Entra's refusal into ours. Raises: always."""
    error = str(answer.get("error"))[:64]
    codes = [code for code in answer.get("error_codes") or () if isinstance(code, int)]
    if error in _THEIR_FAULT:
        raise EntraUnavailable
    if error in {"invalid_client", "unauthorized_client"}:
        # Our own registration or credential: the person cannot mend that.
        _log.error("entra refuses our portal", error=error, codes=codes)
        raise EntraUnavailable
    raise SignInRefused(f"entra:{error}:{','.join(map(str, codes))}")


def _person(claims: IdClaims) -> SignedIn:
    return SignedIn(
        entra_tenant_id=claims.entra_tenant_id,
        entra_object_id=claims.entra_object_id,
        display_name=claims.name,
        roles=claims.roles,
        wids=claims.wids,
        is_guest=claims.is_guest,
    )


def _flow_key(state: str) -> str:
    return f"portal:flow:{hashlib.sha256(state.encode()).hexdigest()}"
