"""The programs' router: a choice of the add-in's operations behind a guard for app-only tokens."""

from collections.abc import Iterable

from fastapi import APIRouter, Security
from fastapi.routing import APIRoute

from app.http.guards import program

OPERATIONS = frozenset(
    {
        "upload",
        "create_upload_session",
        "put_part",
        "get_upload_session",
        "delete_upload_session",
        "submit_job",
        "list_jobs",
        "get_job",
        "cancel_job",
    }
)
"""Named one by one, so that what the add-in learns is not open to programs unasked."""


def automation(parts: Iterable[APIRouter]) -> APIRouter:
    """The router under `/automation/v1`, made of the add-in's own handlers.

    The parts are handed in by whoever composes the application: doors do not know each other.
    """
    router = APIRouter(prefix="/automation/v1", dependencies=[Security(program)])
    for part in parts:
        chosen = APIRouter(route_class=part.route_class)
        chosen.routes = [one for one in part.routes if isinstance(one, APIRoute) and one.name in OPERATIONS]
        router.include_router(chosen)
    return router
