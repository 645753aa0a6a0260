"""ingest: the public door. `POST /functions/v1/webhook-ingest/{slug}` takes webhooks of outside systems."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from functions.ingest.endpoints import Endpoints
from functions.ingest.receive import PATHS, Receiver, receiver_of
from functions.ingest.settings import IngestSettings
from shared import telemetry
from shared.database import Database
from shared.encryption import SecretBox
from shared.garbage import collect_rarely
from shared.responses import EXCEPTION_HANDLERS, RequestIds, health_routes


def create_app(settings: IngestSettings) -> Starlette:
    """The ASGI application."""

    async def greet(request: Request) -> Response:
        return await receiver_of(request).greet(request)

    async def ping(request: Request) -> bool:
        return await receiver_of(request).database.ping()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        collect_rarely()
        secrets = SecretBox.from_setting(settings.encryption_keys.get_secret_value())
        key = settings.supabase_secret_key.get_secret_value()
        async with telemetry.recording("ingest"), Database(settings.supabase_url, key) as database:
            endpoints = Endpoints(database, secrets, keep_seconds=settings.endpoint_cache_seconds)
            app.state.receiver = Receiver(database, endpoints, settings)
            yield
            await app.state.receiver.drain()

    return Starlette(
        routes=[
            *(Route(path, _ReceiveWebhook(), methods=["POST"]) for path in PATHS),
            *health_routes("ingest", ping),
            *(Route(path, greet, methods=["GET"]) for path in PATHS),
        ],
        middleware=[Middleware(RequestIds)],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )


class _ReceiveWebhook:
    """`Receiver.receive` as an ASGI application: a function would be wrapped in one more layer, for each webhook."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await receiver_of(request).receive(request)
        await response(scope, receive, send)


app = create_app(IngestSettings.from_environment())
