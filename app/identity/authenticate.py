"""From a token to a principal: only a believed token makes us look at our own rows."""

from collections.abc import Collection
from uuid import UUID

from app.core.logging import get_logger
from app.identity.errors import (
    GuestRefused,
    InvalidToken,
    MemberBlocked,
    PermissionMissing,
    ProgramNotRegistered,
    ScopeMissing,
    TenantNotOnboarded,
)
from app.identity.principal import Principal, PrincipalKind, effective_roles
from app.identity.tokens import AccessTokens, group_ids
from app.tenants.app_clients import AppClients
from app.tenants.directory import TenantDirectory, TenantView
from app.vocabulary import MemberState, Role, TenantState

_log = get_logger(__name__)
_NAME = "(not known yet)"
"""A member's name comes from the portal or from Graph; access tokens are not asked for it."""


class Authenticator:
    """Turns tokens into principals."""

    def __init__(
        self,
        tokens: AccessTokens,
        directory: TenantDirectory,
        *,
        app_clients: AppClients | None = None,
        operator_tenant: UUID | None = None,
    ) -> None:
        self._tokens = tokens
        self._directory = directory
        self._app_clients = app_clients
        self._operator_tenant = operator_tenant

    async def principal(self, raw_token: str, *, scope: str) -> Principal:
        """The person behind a delegated token. Raises: the errors of `app.identity.errors`."""
        try:
            claims = await self._tokens.verify(raw_token)
        except InvalidToken as error:
            _log.info("token refused", reason=error.reason)
            raise
        # Before the rows: somebody who may not use this door leaves no member behind.
        if scope not in claims.scopes:
            raise ScopeMissing(scope)
        return await self.person(
            entra_tenant_id=claims.entra_tenant_id,
            entra_object_id=claims.entra_object_id,
            claimed_roles=claims.roles,
            is_guest=claims.is_guest,
            client_id=claims.client_id,
            scopes=claims.scopes,
            groups=None if claims.groups is None else group_ids(claims.groups),
        )

    async def person(
        self,
        *,
        entra_tenant_id: UUID,
        entra_object_id: UUID,
        claimed_roles: Collection[str],
        is_guest: bool,
        client_id: str,
        scopes: frozenset[str] = frozenset(),
        kind: PrincipalKind = PrincipalKind.DELEGATED,
        display_name: str = _NAME,
        groups: Collection[UUID] | None = None,
    ) -> Principal:
        """The principal of somebody whose token has been believed, as our rows stand now.

        `groups` are those that the token names, to be remembered; None (of a session, or where the token had
        no room) leaves what we know.

        Raises: `TenantNotOnboarded`, `GuestRefused`, `MemberBlocked`.
        """
        tenant = await self._active_tenant(entra_tenant_id)
        if is_guest and not tenant.allow_guests:
            raise GuestRefused
        member = await self._directory.member(tenant.id, entra_object_id, display_name, groups=groups)
        if member.state is not MemberState.ACTIVE:
            raise MemberBlocked
        return Principal(
            tenant_id=tenant.id,
            member_id=member.id,
            entra_tenant_id=entra_tenant_id,
            entra_object_id=entra_object_id,
            roles=effective_roles(
                claimed_roles,
                member.role,
                entra_tenant_id=entra_tenant_id,
                operator_tenant=self._operator_tenant,
            ),
            client_id=client_id,
            scopes=scopes,
            kind=kind,
        )

    async def application(self, raw_token: str, *, permission: str) -> Principal:
        """The program behind an app-only token. Raises: the errors of `app.identity.errors`."""
        try:
            claims = await self._tokens.verify_application(raw_token)
        except InvalidToken as error:
            _log.info("token refused", reason=error.reason)
            raise
        if permission not in claims.roles:
            raise PermissionMissing(permission)
        tenant = await self._active_tenant(claims.entra_tenant_id)
        program = await self._programs.find(tenant.id, claims.client_id)
        if program is None or not program.active or permission not in program.permissions:
            raise ProgramNotRegistered
        if program.member_state is not MemberState.ACTIVE:
            raise MemberBlocked
        return Principal(
            tenant_id=tenant.id,
            member_id=program.member_id,
            entra_tenant_id=claims.entra_tenant_id,
            entra_object_id=claims.entra_object_id,
            # A program is never more than a member, whatever the member it is bound to may do.
            roles=frozenset({Role.MEMBER}),
            client_id=str(claims.client_id),
            scopes=frozenset(),
            kind=PrincipalKind.APPLICATION,
        )

    async def still_allowed(self, principal: Principal) -> bool:
        """Ask again during a long answer: whether the tenant is active and the member not blocked."""
        try:
            tenant = await self._active_tenant(principal.entra_tenant_id)
        except TenantNotOnboarded:
            return False
        if principal.kind is PrincipalKind.APPLICATION:
            program = await self._programs.find(tenant.id, UUID(principal.client_id))
            return program is not None and program.active and program.member_state is MemberState.ACTIVE
        member = await self._directory.member(tenant.id, principal.entra_object_id, _NAME)
        return member.state is MemberState.ACTIVE

    @property
    def _programs(self) -> AppClients:
        if self._app_clients is None:
            # No program is registered where nobody looks for one.
            raise ProgramNotRegistered
        return self._app_clients

    async def _active_tenant(self, entra_tenant_id: UUID) -> TenantView:
        tenant = await self._directory.by_entra_id(entra_tenant_id)
        if tenant is None or tenant.state is not TenantState.ACTIVE:
            raise TenantNotOnboarded(suspended=tenant is not None and tenant.state is TenantState.SUSPENDED)
        return tenant
