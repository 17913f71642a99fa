"""The tenant's policy: where its text may go. What it would leave empty is said before it holds."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.http.contract import refused
from app.http.etags import IfMatch, expected_version, show_version
from app.http.guards import AdminOrAuditor, PortalSession, TenantAdmin, actor
from app.http.routes import GuardedRoute
from app.pools.policy_effects import emptied_pools
from app.portal.policy_schemas import EmptiedPoolResource, PolicyBody, PolicyChange, PolicyResource
from app.tenants.policy import Policy, load_policy
from app.tenants.policy_changes import LISTS, TERMS, change_policy

router = APIRouter(prefix="/policy", tags=["models"], route_class=GuardedRoute)


@router.get("")
async def get_policy(caller: AdminOrAuditor, session: PortalSession, response: Response) -> PolicyResource:
    """The policy that holds, with its ETag."""
    policy = await load_policy(session, caller.tenant_id)
    show_version(response, policy.version)
    return PolicyResource.of(policy)


@router.put("", responses=refused(412))
async def put_policy(
    body: PolicyBody,
    request: Request,
    response: Response,
    caller: TenantAdmin,
    session: PortalSession,
    *,
    dry_run: Annotated[bool, Query(description="Only say what it would do; needs no If-Match.")] = False,
    if_match: IfMatch = None,
) -> PolicyChange:
    """Write the policy anew, and say which pools in use are left with nobody who may serve.

    It counts from the next model call on, for jobs that run as well.
    """
    present = await load_policy(session, caller.tenant_id)
    version = present.version if dry_run and if_match is None else expected_version(if_match, "policy")
    wanted = _wanted(present, body, version)
    emptied = await emptied_pools(session, tenant_id=caller.tenant_id, present=present, wanted=wanted)
    after = wanted
    if not dry_run:
        after = await change_policy(
            session, tenant_id=caller.tenant_id, wanted=wanted, actor=actor(request, caller)
        )
        show_version(response, after.version)
    return PolicyChange(
        is_applied=not dry_run,
        policy=PolicyResource.of(after),
        pools_left_empty=[EmptiedPoolResource.of(one) for one in emptied],
    )


def _wanted(present: Policy, body: PolicyBody, version: int) -> Policy:
    changes: dict[str, Any] = {name: getattr(body, name) for name in (*LISTS, *TERMS)}
    for name in LISTS:
        changes[name] = None if changes[name] is None else tuple(map(str, dict.fromkeys(changes[name])))
    return replace(present, version=version, **changes)
