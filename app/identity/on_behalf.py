"""Tokens for Graph on behalf of a person who is here: from the cache of this very token, else by OBO.

OBO never reads MSAL's cache, so the silent way comes first. The partition is named after the token that
the person called with: what Entra gave for one sign-in (its device, its second factor) serves no other.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from weakref import WeakValueDictionary

import msal
import requests

from app.core.errors import AppError
from app.core.logging import get_logger
from app.identity.errors import ClaimsChallenge, CredentialUnavailable
from app.identity.graph import graph_scope
from app.identity.graph_errors import ConsentRequired, GraphUnavailable, InteractionRequired, NoPersonBehind
from app.identity.msal_clients import MsalClients
from app.identity.principal import Principal, PrincipalKind
from app.identity.registrations import HOME_PATH
from app.identity.token_caches import ForeignAccount, Partition, TokenCaches, is_account
from app.settings import MissingSetting, Settings
from app.tenants.keys import TenantKeys

_log = get_logger(__name__)
_CACHED_SECONDS = 2 * 3600.0
"""The caller's token is over by then, and nothing asks for its partition any more."""
_NO_REFRESH_TOKEN = ("offline_access",)
_CONSENT_CODES = frozenset({65001, 65004})
_PERSON_NEEDED = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required"})

Answer = Mapping[str, Any]


class OnBehalf:
    """Acquires tokens with which we act for people. One a process, on its loop."""

    def __init__(
        self, settings: Settings, clients: MsalClients, caches: TokenCaches, keys: TenantKeys
    ) -> None:
        self._clients = clients
        self._caches = caches
        self._keys = keys
        self._turns: WeakValueDictionary[tuple[UUID, UUID, str], asyncio.Lock] = WeakValueDictionary()
        self.scope = graph_scope(settings)
        self._api_client_id = settings.required("api_client_id")
        self._portal_client_id, self._portal_origin = settings.portal_client_id, settings.portal_origin
        self._authority = settings.entra_authority.rstrip("/")

    async def graph_token(self, caller: Principal, raw_token: str) -> str:
        """A token for Graph for a person who calls us now; nothing that could renew it is kept.

        Raises: `NoPersonBehind`, `ConsentRequired`, `ClaimsChallenge`, `InteractionRequired`, `GraphUnavailable`.
        """
        require_person(caller)
        sealer = await self._keys.sealer(caller.tenant_id)
        partition = Partition(
            tenant_id=caller.tenant_id,
            member_id=caller.member_id,
            session_key="token:" + sealer.digest("on_behalf", raw_token.encode()).hex(),
            entra_tenant_id=caller.entra_tenant_id,
            entra_object_id=caller.entra_object_id,
            lifetime_seconds=_CACHED_SECONDS,
        )
        return await self._acquire(partition, raw_token, renewable=False)

    async def begin(self, partition: Partition, raw_token: str) -> str:
        """A token from a person's own, into a partition that can be renewed while they are away.

        Raises: as `graph_token`.
        """
        return await self._acquire(partition, raw_token, renewable=True, fresh=True)

    async def renew(self, partition: Partition, *, claims: str | None = None) -> str:
        """A token from what the partition holds, nobody being there; `claims` is what Graph asked for.

        Raises: as `graph_token`.
        """
        return await self._acquire(partition, None, renewable=True, claims=claims)

    async def forget(self, partition: Partition) -> None:
        """Drop what a partition holds."""
        await self._caches.forget(partition)

    async def _acquire(
        self,
        partition: Partition,
        raw_token: str | None,
        *,
        renewable: bool,
        fresh: bool = False,
        claims: str | None = None,
    ) -> str:
        def ask(cache: msal.SerializableTokenCache) -> Answer | None:
            client = self._clients.api(
                str(partition.entra_tenant_id),
                token_cache=cache,
                exclude_scopes=() if renewable else _NO_REFRESH_TOKEN,
            )
            answer: Answer | None = None
            if not fresh:
                answer = client.acquire_token_silent_with_error(
                    [self.scope], _account(client, partition), claims_challenge=claims
                )
            if (answer is None or "error" in answer) and raw_token is not None:
                answer = client.acquire_token_on_behalf_of(raw_token, [self.scope])
            return answer

        try:
            # Of those who come at once with the same token one asks Entra, and the others read what it kept.
            async with self._turn(partition), self._caches.open(partition) as cache:
                answer = await self._clients.run(ask, cache)
        except ForeignAccount:
            _log.error("tokens of another account came", tenant_id=str(partition.tenant_id))
            raise InteractionRequired from None
        except MissingSetting as missing:
            _log.error("nobody can be acted for", reason=str(missing))
            raise GraphUnavailable("not_configured") from None
        except (requests.RequestException, CredentialUnavailable, TimeoutError, ValueError) as error:
            # MSAL raises ValueError when the authority's own description cannot be had.
            raise GraphUnavailable(type(error).__name__) from None
        token = (answer or {}).get("access_token")
        if isinstance(token, str):
            return token
        raise self.refusal(answer, partition.entra_tenant_id)

    def _turn(self, partition: Partition) -> asyncio.Lock:
        """The partition's lock in this process; it is gone when nobody holds or awaits it."""
        whose = (partition.tenant_id, partition.member_id, partition.session_key)
        return self._turns.setdefault(whose, asyncio.Lock())

    def refusal(self, answer: Answer | None, entra_tenant_id: UUID) -> AppError:
        """What Entra's answer without a token means for whoever asked."""
        if answer is None:
            return InteractionRequired()
        codes = {code for code in answer.get("error_codes") or () if isinstance(code, int)}
        error = answer.get("error")
        _log.info("no token for graph", error=str(error)[:64], codes=sorted(codes))
        if error not in _PERSON_NEEDED:
            return GraphUnavailable("entra")
        if (
            answer.get("suberror") == "consent_required"
            or codes & _CONSENT_CODES
            or error == "consent_required"
        ):
            return ConsentRequired(
                scope=f"api://{self._api_client_id}/.default",
                admin_consent_url=self._admin_consent_url(entra_tenant_id),
            )
        claims = answer.get("claims")
        if isinstance(claims, str) and _is_object(claims):
            return ClaimsChallenge(claims)
        return InteractionRequired()

    def _admin_consent_url(self, entra_tenant_id: UUID) -> str:
        """Where an administrator consents for everybody in the directory to what we ask of Graph.

        Entra wants an address to send the browser back to, one that is registered: the portal has one, and
        consent to the portal covers the API. Where there is no portal, the older page needs none.
        """
        directory = f"{self._authority}/{entra_tenant_id}"
        if not (self._portal_client_id and self._portal_origin):
            return f"{directory}/adminconsent?{urlencode({'client_id': self._api_client_id})}"
        query = {
            "client_id": self._portal_client_id,
            "scope": f"{self._api_client_id}/.default",
            "redirect_uri": f"{self._portal_origin}{HOME_PATH}",
        }
        return f"{directory}/v2.0/adminconsent?{urlencode(query)}"


def require_person(caller: Principal) -> None:
    """Only people have files. Raises: `NoPersonBehind`."""
    if caller.kind is not PrincipalKind.DELEGATED:
        raise NoPersonBehind


def _account(client: Any, partition: Partition) -> Mapping[str, Any] | None:
    return next((one for one in client.get_accounts() if is_account(one, partition)), None)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
