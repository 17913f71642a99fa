"""The API process: mounts the doors on one application."""

import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from app import tables
from app.addin import documents, jobs, uploads
from app.addin.event_schemas import EVENTS
from app.addin.routes import router as addin
from app.automation.routes import automation
from app.core.logging import configure
from app.http import health, problems
from app.http.body_limits import BodyLimits
from app.http.contract import Application
from app.http.cross_origin import CrossOrigin
from app.http.request_ids import RequestIds
from app.http.response_headers import ResponseHeaders
from app.http.services import Services
from app.portal.routes import router as portal
from app.settings import Settings, get_settings
from app.vocabulary import Environment

__all__ = ["create_app", "tables"]

_NOT_STARTED = 3

_ROUTES = [
    route
    for door in (addin, automation((documents.router, uploads.router, jobs.router)), portal, health.router)
    for route in door.routes
]
"""Made once for the process, and not included: FastAPI resolves every route anew for each inclusion above another."""


def create_app(settings: Settings) -> FastAPI:
    """The application; it connects to nothing until its lifespan begins."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.services = services = Services.open(settings)
        services.start()
        yield
        await services.close()

    app = Application(title="Switchboard", version="0.1.0", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.published = tuple(EVENTS.values())
    app.router.routes.extend(_ROUTES)
    problems.install(app)
    # The last one added is the outermost: whatever answers, the answer has its ids and its fields.
    app.add_middleware(BodyLimits, drained_bytes=settings.max_upload_bytes)
    app.add_middleware(problems.Bugs)
    app.add_middleware(CrossOrigin, origins=settings.addin_origins)
    app.add_middleware(ResponseHeaders, over_tls=settings.env is Environment.PRODUCTION)
    app.add_middleware(RequestIds)
    return app


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the API is served."""
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        # Who says for whom it speaks is believed only if the settings name it.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=5,
    )


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    configure(settings.log_format, process="api")
    app = create_app(settings)
    server = _Server(server_config(app, settings), app)
    # Uvicorn repeats the signal once it has stopped.
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_NOT_STARTED)


class _Server(uvicorn.Server):
    """Tells the services first that the process stops, so that event streams end instead of being cut."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let streams end, then connections, then the application."""
        self._app.state.services.stopping.set()
        await super().shutdown(sockets)


if __name__ == "__main__":
    serve(get_settings())
