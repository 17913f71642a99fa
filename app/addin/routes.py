"""The add-in's router: everything under it needs a token with the add-in's scope."""

from fastapi import APIRouter, Security

from app.addin import (
    batch_schedules,
    batches,
    catalog,
    documents,
    estimates,
    feedback,
    files,
    graph_sessions,
    jobs,
    me,
    stream,
    uploads,
    wording,
)
from app.http.guards import principal
from app.identity.registrations import ADDIN_SCOPE

router = APIRouter(prefix="/addin/v1", dependencies=[Security(principal, scopes=[ADDIN_SCOPE])])
for part in (
    catalog,
    me,
    documents,
    uploads,
    graph_sessions,
    estimates,
    jobs,
    batches,
    batch_schedules,
    files,
    stream,
    feedback,
    wording,
):
    router.include_router(part.router)
