"""All functions in one process, each under the paths it has when deployed.

    python gateway.py PORT

A function answers on its own full paths; the gateway only picks it by the path's beginning, and runs
each function's start and shutdown.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from shared import telemetry
from shared.errors import DatabaseUnavailable
from shared.logs import log_as_json
from shared.responses import (
    EXCEPTION_HANDLERS,
    RequestIds,
    json_response,
    request_id,
    success,
)

# The longest path that fits decides, so `/api/webhooks/receive` is ingest's though `/api` is not.
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "ingest": (
        "/functions/v1/ingest",
        "/functions/v1/webhook-ingest",
        "/functions/v1/webhooks",
        "/api/webhooks/receive",
    ),
    "classify": ("/functions/v1/classify",),
    "prepare_for_rules": ("/functions/v1/prepare-for-rules",),
    "process_rules": ("/functions/v1/process-rules",),
    "dispatch": ("/functions/v1/dispatch",),
    "api": ("/functions/v1/api", "/api"),
    "console": ("/functions/v1/console", "/console"),
}


class Dispatch:
    """Hands a request, unchanged, to the function whose path it is under."""

    def __init__(self, apps: Mapping[str, Starlette], fallback: ASGIApp) -> None:
        prefixes = [(prefix, apps[name]) for name in apps for prefix in FUNCTIONS[name]]
        self._prefixes = sorted(prefixes, key=lambda pair: len(pair[0]), reverse=True)
        self._fallback = fallback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app_for(scope["path"])(scope, receive, send)

    def app_for(self, path: str) -> ASGIApp:
        for prefix, app in self._prefixes:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                return app
        return self._fallback


def import_functions() -> dict[str, Starlette]:
    return {name: importlib.import_module(f"functions.{name}.app").app for name in FUNCTIONS}


def create_gateway(apps: Mapping[str, Starlette]) -> Starlette:
    """One application out of many: dispatch, a health page for all, their lifespans as one."""

    async def health(request: Request) -> Response:
        answers = {name: await _health(app) for name, app in apps.items()}
        if all(status == httpx.codes.OK for status in answers.values()):
            return success({"functions": answers})
        content = {"status": "error", "code": DatabaseUnavailable.code, "data": answers}
        return json_response(content | {"requestId": request_id(request.scope)}, 503)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with telemetry.recording("gateway"), AsyncExitStack() as stack:
            for app in apps.values():
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    own = Starlette(
        routes=[Route("/healthz", health, methods=["GET"])],
        # Each function gives its own requests their ids.
        middleware=[Middleware(RequestIds)],
        exception_handlers=EXCEPTION_HANDLERS,
    )
    gateway = Starlette(lifespan=lifespan)
    # Not a route: its pattern would let no path with a line break through.
    gateway.router.default = Dispatch(apps, own)
    return gateway


async def _health(app: ASGIApp) -> int:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return (await client.get("/healthz")).status_code


def main(port: int) -> None:
    log_as_json()
    uvicorn.run(
        create_gateway(import_functions()),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
