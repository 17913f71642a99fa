"""The API process: mounts the doors on one application."""

import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from app import tables
from app.addin import documents, jobs
from app.addin.routes import router as addin
from app.automation.routes import automation
from app.core.logging import configure
from app.http import health, problems
from app.http.body_limits import BodyLimits
from app.http.request_ids import RequestIds
from app.http.services import Services
from app.settings import Settings, get_settings

__all__ = ["create_app", "tables"]

_NOT_STARTED = 3


def create_app(settings: Settings) -> FastAPI:
    """The application; it connects to nothing until its lifespan begins."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.services = services = Services.open(settings)
        services.start()
        yield
        await services.close()

    app = FastAPI(title="Switchboard", version="0.1.0", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(addin)
    app.include_router(automation((documents.router, jobs.router)))
    app.include_router(health.router)
    problems.install(app)
    if settings.addin_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.addin_origins),
            allow_methods=["GET", "POST"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "client-request-id",
            ],
            expose_headers=["Location", "Operation-Location", "Retry-After", "request-id"],
        )
    app.add_middleware(BodyLimits)
    app.add_middleware(RequestIds)
    return app


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    configure(settings.log_format, process="api")
    app = create_app(settings)
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.api_host,
            port=settings.api_port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        ),
        app,
    )
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
