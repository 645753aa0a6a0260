"""console: what users see and decide, as pages. It acts with the user's own token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Mount, Route

from functions.console import errors, static
from functions.console.guards import SecurityHeaders
from functions.console.pages import ROUTES, overview
from functions.console.sessions import BASES, Sessions
from functions.console.settings import ConsoleSettings
from shared.management.session import Backend, open_backend
from shared.responses import RequestIds, health_routes


def create_app(settings: ConsoleSettings | None = None) -> Starlette:
    """The ASGI application. Settings not given are read from the environment when it starts."""

    async def ping(request: Request) -> bool:
        backend: Backend = request.app.state.backend
        return await backend.database.ping()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_backend(
            "console", settings or ConsoleSettings.from_environment()
        ) as backend:
            app.state.backend, app.state.sessions = backend, Sessions(backend)
            yield

    pages = [*ROUTES, static.MOUNT]
    return Starlette(
        routes=[
            *health_routes("console", ping),
            *(Route(base, overview.enter, methods=["GET"]) for base in BASES),
            *(Mount(base, routes=pages) for base in BASES),
        ],
        middleware=[Middleware(RequestIds), Middleware(SecurityHeaders)],
        exception_handlers=errors.HANDLERS,
        lifespan=lifespan,
    )


app = create_app()
