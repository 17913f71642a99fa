"""From a token to a principal: only a believed token makes us look at our own rows."""

from uuid import UUID

from app.core.logging import get_logger
from app.identity.errors import GuestRefused, InvalidToken, MemberBlocked, ScopeMissing, TenantNotOnboarded
from app.identity.principal import Principal
from app.identity.tokens import AccessTokens, Claims
from app.tenants.directory import MemberView, TenantDirectory, TenantView
from app.vocabulary import MemberState, Role, TenantState

_log = get_logger(__name__)
_NAME = "(not known yet)"
"""A member's name comes from the portal or from Graph; access tokens are not asked for it."""


class Authenticator:
    """Turns tokens into principals."""

    def __init__(self, tokens: AccessTokens, directory: TenantDirectory) -> None:
        self._tokens = tokens
        self._directory = directory

    async def principal(self, raw_token: str, *, scope: str) -> Principal:
        """The caller behind a token. Raises: the errors of `app.identity.errors`."""
        try:
            claims = await self._tokens.verify(raw_token)
        except InvalidToken as error:
            _log.info("token refused", reason=error.reason)
            raise
        # Before the rows: somebody who may not use this door leaves no member behind.
        if scope not in claims.scopes:
            raise ScopeMissing(scope)
        tenant, member = await self._rows(claims)
        # Entra says what a role allows its people; our row says what it allows here. Both must agree.
        granted = {role.value for role in Role} & claims.roles & {member.role.value}
        return Principal(
            tenant_id=tenant.id,
            member_id=member.id,
            entra_tenant_id=claims.entra_tenant_id,
            entra_object_id=claims.entra_object_id,
            roles=frozenset({Role.MEMBER, *map(Role, granted)}),
            client_id=claims.client_id,
            scopes=claims.scopes,
        )

    async def still_allowed(self, principal: Principal) -> bool:
        """Ask again during a long answer: whether the tenant is active and the member not blocked."""
        try:
            tenant = await self._active_tenant(principal.entra_tenant_id)
        except TenantNotOnboarded:
            return False
        member = await self._directory.member(tenant.id, principal.entra_object_id, _NAME)
        return member.state is MemberState.ACTIVE

    async def _rows(self, claims: Claims) -> tuple[TenantView, MemberView]:
        tenant = await self._active_tenant(claims.entra_tenant_id)
        if claims.is_guest and not tenant.allow_guests:
            raise GuestRefused
        member = await self._directory.member(tenant.id, claims.entra_object_id, _NAME)
        if member.state is not MemberState.ACTIVE:
            raise MemberBlocked
        return tenant, member

    async def _active_tenant(self, entra_tenant_id: UUID) -> TenantView:
        tenant = await self._directory.by_entra_id(entra_tenant_id)
        if tenant is None or tenant.state is not TenantState.ACTIVE:
            raise TenantNotOnboarded
        return tenant
