"""api: what users see and decide, as JSON. It acts with the caller's own token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware
from starlette.requests import Request

from functions.api import docs, endpoints, entity_types, log, overrides, queue, rules
from functions.api.routing import Api, on_validation_error
from functions.api.settings import ApiSettings
from shared.database import Database
from shared.encryption import SecretBox
from shared.responses import EXCEPTION_HANDLERS, RequestIds, health_routes
from shared.version import VERSION

HANDLERS: dict[Any, Any] = {**EXCEPTION_HANDLERS, RequestValidationError: on_validation_error}


def create_app(settings: ApiSettings | None = None) -> FastAPI:
    """The ASGI application. Settings not given are read from the environment when it starts."""

    async def ping(request: Request) -> bool:
        api: Api = request.app.state.api
        return await api.database.ping()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        own = settings or ApiSettings()
        secrets = SecretBox.from_setting(own.encryption_keys.get_secret_value())
        key = own.supabase_publishable_key.get_secret_value()
        async with Database(own.supabase_url, key) as database:
            app.state.api = Api(database, secrets, own)
            yield

    app = FastAPI(
        title="Switchhook",
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        middleware=[Middleware(RequestIds)],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    for resource in (endpoints, queue, overrides, log, rules, entity_types):
        app.include_router(resource.router)
    app.router.routes.extend([*health_routes("api", ping), *docs.routes(app)])
    return app


app = create_app()
