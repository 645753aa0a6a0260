"""dispatch: takes published events to the webhooks that subscribe to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request

from functions.dispatch.batch import Targets
from functions.dispatch.dispatcher import Dispatcher
from functions.dispatch.receive import dispatch_routes
from functions.dispatch.sender import Sender
from functions.dispatch.settings import DispatchSettings
from shared import telemetry
from shared.database import Database
from shared.encryption import SecretBox
from shared.garbage import collect_rarely
from shared.responses import EXCEPTION_HANDLERS, RequestIds, health_routes
from shared.targets import TargetPolicy


def create_app(settings: DispatchSettings) -> Starlette:
    """The ASGI application."""

    async def ping(request: Request) -> bool:
        database: Database = request.app.state.database
        return await database.ping()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        collect_rarely()
        secrets = SecretBox.from_setting(settings.encryption_keys.get_secret_value())
        key = settings.supabase_secret_key.get_secret_value()
        policy = TargetPolicy.from_settings(
            settings.delivery_allowed_ports, settings.delivery_allowed_networks
        )
        async with (
            telemetry.recording("dispatch"),
            Database(settings.supabase_url, key, timeout_seconds=60) as database,
            Sender(policy, max_connections=settings.dispatch_concurrency) as sender,
        ):
            app.state.database = database
            app.state.dispatcher = Dispatcher(database, sender, Targets(secrets), settings)
            yield

    return Starlette(
        routes=[*health_routes("dispatch", ping), *dispatch_routes(settings)],
        middleware=[Middleware(RequestIds)],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )


app = create_app(DispatchSettings.from_environment())
