"""Bringing a directory in: proof of an administrator, proof of consent, then an active customer.

administrator signs in ── start ──► consent page of Entra ── finish ──► active, first TenantAdmin
    (verified ID token)    state, bound to the session       (the address that Entra sends back is only a hint)

Nothing that comes back in the address is believed: whoever finishes is the session that started, for the
directory of its own ID token, and consent counts only if Entra then gives us an app-only token of that
directory with our role in it. An app-only token alone proves no consent of a person, and `wids` alone
proves no consent at all; so both are asked for. One person's own consent gives no such token.

Source of the administrators: Microsoft, "Grant tenant-wide admin consent to an application", prerequisites;
template ids: "Microsoft Entra built-in roles".
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msal
import requests
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.audit.actions import AuditAction
from app.audit.record import Actor, ActorKind, record
from app.core.clock import new_id
from app.core.database import Database
from app.core.errors import TemporarilyUnavailable
from app.core.logging import get_logger
from app.identity.errors import (
    AlreadyOnboarded,
    ConsentNotProven,
    GuestRefused,
    InvalidToken,
    NotAnAdministrator,
    NotInvited,
    OnboardingRefused,
    TenantNotOnboarded,
)
from app.identity.msal_clients import MsalClients
from app.identity.registrations import CONSENT_ROLE
from app.identity.tokens import AccessTokens
from app.tenants import members, service
from app.tenants.errors import TenantExists, WrongTenantState
from app.tenants.service import TenantFacts
from app.vocabulary import TenantState

_log = get_logger(__name__)
ADMINISTRATORS = frozenset(
    {
        "62e90394-69f5-4237-9190-012177145e10",  # Global Administrator
        "e8611ab8-c189-46e8-94e1-60213ab1f814",  # Privileged Role Administrator
        "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",  # Application Administrator
        "158c047a-c907-4556-b7ef-446551a6b5f7",  # Cloud Application Administrator
    }
)
"""Directory roles that may consent for everybody to what our own API asks."""
_STATE_SECONDS = 600
_UNAVAILABLE_SECONDS = 5.0


@dataclass(frozen=True)
class Applicant:
    """Who wants to bring a directory in: the session, and what its verified ID token says."""

    session: str
    """An opaque name of the session, the same for as long as it lasts and nobody else's."""
    entra_tenant_id: UUID
    entra_object_id: UUID
    display_name: str
    wids: frozenset[str]
    is_guest: bool
    address: str = ""


@dataclass(frozen=True)
class ConsentAnswer:
    """The query with which Entra sends the browser back: hints of an unknown sender, each of them."""

    state: str | None
    tenant: str | None
    admin_consent: str | None
    error: str | None


class Onboarding:
    """Starts and finishes the consent of directories. One for the process."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        clients: MsalClients,
        tokens: AccessTokens,
        *,
        authority: str,
        portal_client_id: str,
        api_client_id: str,
        anybody: bool,
    ) -> None:
        self._database = database
        self._redis = redis
        self._clients = clients
        self._tokens = tokens
        self._authority = authority.rstrip("/")
        self._portal_client_id = portal_client_id
        self._api_client_id = api_client_id
        self._anybody = anybody

    async def start(self, applicant: Applicant, *, redirect_uri: str, name: str) -> str:
        """The address of the consent page; `name` is what a directory nobody invited wants to be called.

        Raises: `NotAnAdministrator`, `GuestRefused`, `AlreadyOnboarded`, `TenantNotOnboarded` (suspended),
        `NotInvited`, `TemporarilyUnavailable`.
        """
        _check_administrator(applicant)
        await self._candidate(applicant)
        state = secrets.token_urlsafe(32)
        begun = {"binding": _binding(applicant), "name": name}
        try:
            await self._redis.set(_key(state), json.dumps(begun), ex=_STATE_SECONDS)
        except RedisError:
            raise _unavailable() from None
        query = {
            # The portal is a known client of the API, so its consent covers both.
            "client_id": self._portal_client_id,
            "scope": f"{self._api_client_id}/.default",
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{self._authority}/{applicant.entra_tenant_id}/v2.0/adminconsent?{urlencode(query)}"

    async def finish(self, applicant: Applicant, answer: ConsentAnswer) -> TenantFacts:
        """Make the applicant's directory an active customer, or change nothing.

        Raises: as `start`, and `OnboardingRefused`, `ConsentNotProven`.
        """
        try:
            name = await self._begun(applicant, answer)
        except OnboardingRefused as error:
            _log.info("consent refused", reason=error.reason)
            raise
        _check_administrator(applicant)
        known = await self._candidate(applicant)
        await self._prove_consent(applicant.entra_tenant_id)
        try:
            return await self._onboard(applicant, known, name)
        except (TenantExists, WrongTenantState):
            # Two administrators at once: the other one was faster.
            raise AlreadyOnboarded from None

    async def _begun(self, applicant: Applicant, answer: ConsentAnswer) -> str:
        """The name given at the start of this very session's consent, whose state is used up by this."""
        if not answer.state:
            raise OnboardingRefused("no_state")
        try:
            stored = await self._redis.getdel(_key(answer.state))
        except RedisError:
            raise _unavailable() from None
        if stored is None:
            raise OnboardingRefused("unknown_state")
        begun: Mapping[str, str] = json.loads(stored)
        if not hmac.compare_digest(begun["binding"], _binding(applicant)):
            raise OnboardingRefused("other_session")
        if answer.tenant is not None and answer.tenant.lower() != str(applicant.entra_tenant_id):
            raise OnboardingRefused("other_tenant")
        if answer.error is not None or (answer.admin_consent or "").lower() != "true":
            raise OnboardingRefused("declined")
        return begun["name"]

    async def _candidate(self, applicant: Applicant) -> TenantFacts | None:
        """The applicant's row if the operator has made one. Raises if it may not be onboarded."""
        async with self._database.system() as session:
            known = await service.by_entra_id(session, entra_tenant_id=applicant.entra_tenant_id)
        if known is None:
            if not self._anybody:
                raise NotInvited
        elif known.state is TenantState.ACTIVE:
            raise AlreadyOnboarded
        elif known.state is TenantState.SUSPENDED:
            raise TenantNotOnboarded(suspended=True)
        elif known.state is not TenantState.PENDING:
            # Erased, or being erased: it begins anew only when the operator invites it again.
            raise NotInvited
        return known

    async def _prove_consent(self, entra_tenant_id: UUID) -> None:
        """Have Entra give our API a token of that directory that only admin consent makes possible."""

        # A client of its own: its HTTP cache is empty, and MSAL keeps a refusal for a minute in that.
        def ask() -> dict[str, Any]:
            client = self._clients.api(tenant=str(entra_tenant_id))
            answer: dict[str, Any] = client.acquire_token_for_client(
                scopes=[f"{self._api_client_id}/.default"]
            )
            return answer

        try:
            answer = await self._clients.run(ask)
        except (OSError, requests.RequestException, TimeoutError):
            raise _unavailable() from None
        except (ValueError, msal.exceptions.MsalError):
            # The directory itself is unknown to Entra.
            raise ConsentNotProven from None
        raw = answer.get("access_token")
        if not isinstance(raw, str):
            _log.info("no app-only token", error=str(answer.get("error")), codes=answer.get("error_codes"))
            raise ConsentNotProven
        try:
            claims = await self._tokens.verify_application(raw)
        except InvalidToken as error:
            _log.info("app-only token refused", reason=error.reason)
            raise ConsentNotProven from None
        proven = (
            claims.entra_tenant_id == entra_tenant_id
            and str(claims.client_id) == self._api_client_id
            and CONSENT_ROLE in claims.roles
        )
        if not proven:
            raise ConsentNotProven

    async def _onboard(self, applicant: Applicant, known: TenantFacts | None, name: str) -> TenantFacts:
        tenant_id = new_id() if known is None else known.id
        stranger = Actor(ActorKind.SYSTEM, address=applicant.address)
        async with self._database.tenant(tenant_id) as session:
            if known is None:
                await service.invite(
                    session,
                    tenant_id=tenant_id,
                    entra_tenant_id=applicant.entra_tenant_id,
                    name=name or str(applicant.entra_tenant_id),
                    actor=stranger,
                )
            member_id = await members.make_administrator(
                session,
                tenant_id=tenant_id,
                entra_object_id=applicant.entra_object_id,
                display_name=applicant.display_name,
            )
            actor = Actor(ActorKind.MEMBER, member_id=member_id, address=applicant.address)
            await record(
                session,
                tenant_id=tenant_id,
                actor=actor,
                action=AuditAction.TENANT_CONSENT,
                target_type="tenant",
                target_id=str(tenant_id),
            )
            return await service.activate(session, tenant_id=tenant_id, actor=actor)


def _check_administrator(applicant: Applicant) -> None:
    if applicant.is_guest:
        raise GuestRefused
    if not ADMINISTRATORS & applicant.wids:
        raise NotAnAdministrator


def _binding(applicant: Applicant) -> str:
    """What a state is bound to: this session, this person, this directory."""
    parts = (applicant.session, str(applicant.entra_tenant_id), str(applicant.entra_object_id))
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def _key(state: str) -> str:
    return f"onboarding:{hashlib.sha256(state.encode()).hexdigest()}"


def _unavailable() -> TemporarilyUnavailable:
    return TemporarilyUnavailable(
        "We cannot reach Microsoft Entra or our own memory just now; start again shortly.",
        retry_after_seconds=_UNAVAILABLE_SECONDS,
    )
