"""How a function runs where no ASGI server starts it: on AWS Lambda, and on Google Cloud Functions.

Only a bundle's `main.py` imports this (functions/deploy/bundle.py writes it).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import telemetry

AwsHandler = Callable[[dict[str, Any], Any], dict[str, Any]]
GoogleTarget = Callable[[Request], Awaitable[ASGIApp]]


class Started:
    """ASGI: an application that starts with its first request and runs until its process ends.

    Neither runtime says when an instance ends, and starting anew for each request would cost each a
    connection to the database, and ingest what it keeps of its endpoints.
    """

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._starting = asyncio.Lock()
        # Kept, since a context that nobody holds any more ends.
        self._lifespan: AbstractAsyncContextManager[Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._starting:
            if self._lifespan is None:
                lifespan = self._app.router.lifespan_context(self._app)
                await lifespan.__aenter__()
                self._lifespan = lifespan
        await self._app(scope, receive, send)


def aws_handler(app: Starlette) -> AwsHandler:
    """What AWS Lambda calls: takes events of function URLs, API Gateway and load balancers."""

    @cache
    def handler() -> Callable[[dict[str, Any], Any], dict[str, Any]]:
        from mangum import Mangum  # noqa: PLC0415 (other runtimes start without it)

        return Mangum(Started(app), lifespan="off")

    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        try:
            return handler()(event, context)
        finally:
            telemetry.flush()  # the process may freeze from here to the next event

    return handle


def google_target(app: Starlette) -> GoogleTarget:
    """What functions-framework calls in its ASGI mode (FUNCTION_USE_ASGI=1): it runs what it is given back."""
    started = Started(app)

    async def answer(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        # The framework's own route matched any path; the application does its own matching.
        await started({**scope, "path_params": {}}, receive, send)

    async def target(_: Request) -> ASGIApp:
        return answer

    return target
