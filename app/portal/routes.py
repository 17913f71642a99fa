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

_members_only = APIRouter(dependencies=[Depends(member)])
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
_signed_in = APIRouter(dependencies=[Depends(visitor)])
_signed_in.include_router(sign_in.exits)
_signed_in.include_router(onboarding.router)

_api = APIRouter(prefix="/portal/v1")
for one in (sign_in.entrance, _signed_in, _members_only):
    _api.include_router(one)

router = APIRouter()
for one in (_api, home.router):
    router.include_router(one)
