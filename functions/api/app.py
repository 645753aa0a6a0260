"""api: what users see and decide, as JSON. It acts with the caller's own token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware
from starlette.requests import Request

from functions.api import docs
from functions.api.resources import ROUTERS
from functions.api.routing import NO_OTHER_TELEMETRY, VersionedPaths, on_validation_error
from functions.api.settings import ApiSettings
from shared.management.session import Backend, open_backend
from shared.responses import EXCEPTION_HANDLERS, RequestIds, health_routes
from shared.version import VERSION

HANDLERS: dict[Any, Any] = {**EXCEPTION_HANDLERS, RequestValidationError: on_validation_error}


def create_app(settings: ApiSettings | None = None) -> FastAPI:
    """The ASGI application. Settings not given are read from the environment when it starts."""

    async def ping(request: Request) -> bool:
        backend: Backend = request.app.state.backend
        return await backend.database.ping()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_backend(
            "api", settings or ApiSettings.from_environment()
        ) as app.state.backend:
            yield

    app = FastAPI(
        title="Switchhook",
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        telemetry=NO_OTHER_TELEMETRY,
        middleware=[Middleware(RequestIds), Middleware(VersionedPaths)],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    for router in ROUTERS:
        app.include_router(router)
    app.router.routes.extend([*health_routes("api", ping), *docs.routes(app)])
    return app


app = create_app()
