"""The portal's router: everything under it needs the session cookie, but for the way in and the page."""

from fastapi import APIRouter, Depends

from app.http.guards import member, visitor
from app.portal import (
    app_clients,
    budgets,
    configuration,
    deployments,
    erasures,
    explain,
    feedback,
    graph_sessions,
    holds,
    home,
    jobs,
    me,
    members,
    model_routes,
    notices,
    onboarding,
    policy,
    pools,
    prompt_sets,
    providers,
    revisions,
    settings,
    sign_in,
    sub_processors,
    task_permissions,
    tenants,
    usage,
    webhooks,
    wording,
)

_PREFIX = "/portal/v1"

_members_only = APIRouter(prefix=_PREFIX, dependencies=[Depends(member)])
for part in (
    me,
    members,
    app_clients,
    graph_sessions,
    settings,
    budgets,
    usage,
    feedback,
    erasures,
    holds,
    jobs,
    notices,
    tenants,
    providers,
    deployments,
    prompt_sets,
    sub_processors,
    webhooks,
):
    _members_only.include_router(part.router)
for part in (pools, revisions, model_routes, policy, task_permissions, explain, configuration, wording):
    _members_only.include_router(part.router)
_signed_in = APIRouter(prefix=_PREFIX, dependencies=[Depends(visitor)])
_signed_in.include_router(sign_in.exits)
_signed_in.include_router(onboarding.router)

_open = APIRouter(prefix=_PREFIX)
_open.include_router(sign_in.entrance)

router = APIRouter()
# Side by side: what is included in a router that is included itself is resolved at each of them.
for one in (_open, _signed_in, _members_only, home.router):
    router.routes.extend(one.routes)
