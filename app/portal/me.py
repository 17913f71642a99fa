"""Who is signed in."""

from datetime import UTC, datetime

from fastapi import APIRouter

from app.http.guards import PortalMember, PortalSession, Visitor
from app.identity.sessions import ABSOLUTE_SECONDS
from app.portal.schemas import Me
from app.tenants import service

router = APIRouter(prefix="/me", tags=["sign-in"])


@router.get("")
async def get_me(caller: PortalMember, visit: Visitor, session: PortalSession) -> Me:
    """The caller: name, roles that count, and until when the session lasts at most."""
    tenant = await service.facts(session, tenant_id=caller.tenant_id)
    return Me(
        tenant_id=caller.tenant_id,
        tenant_name=tenant.name,
        member_id=caller.member_id,
        display_name=visit.person.display_name,
        roles=sorted(caller.roles),
        began_at=datetime.fromtimestamp(visit.began_at, UTC),
        ends_at=datetime.fromtimestamp(visit.began_at + ABSOLUTE_SECONDS, UTC),
    )
