"""How every function answers: one shape for success, one for errors, and a health page.

Success: {"status": "success", "data": …}. Error: {"status": "error", "error": words, "code": …, "requestId": …}.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
import uuid_utils
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import errors, telemetry
from shared.logs import current_request_id
from shared.telemetry.spans import OFF
from shared.version import VERSION

logger = logging.getLogger(__name__)
requests_logger = logging.getLogger("switchhook.requests")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


def json_response(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON response that no cache keeps and no browser takes for something else."""
    return Response(
        orjson.dumps(content),
        status,
        media_type="application/json",
        headers={
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        },
    )


def success(data: Any, status: int = 200) -> Response:
    """The body of everything that went well."""
    return json_response({"status": "success", "data": data}, status)


def request_id(scope: Mapping[str, Any]) -> str:
    """The id by which a request is found in logs; set by RequestIds."""
    state: dict[str, Any] = scope.get("state") or {}
    return str(state.get("request_id", ""))


def error_response(error: errors.SwitchhookError, request: Request) -> Response:
    """The body of a refusal or failure."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    content = {
        "status": "error",
        "error": error.message,
        "code": error.code,
        "requestId": request_id(request.scope),
    }
    return json_response(content, error.status, headers)


async def _on_known_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.SwitchhookError)  # noqa: S101 (the registration below says so)
    return error_response(error, request)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: an unknown path, a method that a path does not have."""
    assert isinstance(error, HTTPException)  # noqa: S101 (the registration below says so)
    response = error_response(errors.from_status(error.status_code)(), request)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def _on_unexpected_error(request: Request, error: Exception) -> Response:
    logger.error(
        "unexpected error", exc_info=error, extra={"request_id": request_id(request.scope)}
    )
    return error_response(errors.InternalError(), request)


EXCEPTION_HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    errors.SwitchhookError: _on_known_error,
    HTTPException: _on_http_error,
    Exception: _on_unexpected_error,
}
"""For Starlette's and FastAPI's `exception_handlers`."""


class RequestIds:
    """ASGI middleware: takes the caller's X-Request-Id if it is a plain one, else makes one, and sends it back.

    Every line that is logged meanwhile has it, and there is one line per request, with what `log_facts` was told.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"").decode(
            "latin-1"
        )
        identifier = given if _REQUEST_ID.fullmatch(given) else str(uuid_utils.uuid7())
        scope.setdefault("state", {})["request_id"] = identifier

        began, status = time.perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", identifier.encode()))
            await send(message)

        token = current_request_id.set(identifier)
        with telemetry.request(scope) as span:
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                seconds = time.perf_counter() - began
                if span is not OFF:
                    telemetry.answered(span, scope, _route(scope), status, seconds)
                if requests_logger.isEnabledFor(logging.INFO):
                    _log_request(scope, status, seconds)
                current_request_id.reset(token)


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    """Without the query and any header: what they hold may be secret."""
    facts = {
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
    }
    requests_logger.info("request", extra=facts | scope["state"].get("facts", {}))


def _route(scope: Scope) -> str | None:
    """The path with names for what varies in it; None where no route fits."""
    route, path = scope.get("route"), getattr(scope.get("route"), "path_format", None)
    if path is None:
        return None
    mounted = scope.get("root_path", "").removeprefix(scope.get("app_root_path", ""))
    return f"{mounted}/{{path}}" if isinstance(route, Mount) else f"{mounted}{path}"


def log_facts(request: Request, **facts: str) -> None:
    """Adds to the line that is logged for this request, and to its span: ids of what it was about."""
    request.scope["state"].setdefault("facts", {}).update(facts)


def health_routes(function: str, ping: Callable[[Request], Awaitable[bool]]) -> list[Route]:
    """`/healthz`, also under the function's own path: what it is, its version, whether it reaches the database."""

    async def health(request: Request) -> Response:
        reachable = await ping(request)
        data = {
            "function": function,
            "version": VERSION,
            "database": "reachable" if reachable else "unreachable",
        }
        if reachable:
            return success(data)
        content = {"status": "error", "code": errors.DatabaseUnavailable.code, "data": data}
        return json_response(content | {"requestId": request_id(request.scope)}, 503)

    paths = ("/healthz", f"/functions/v1/{function}/healthz")
    return [Route(path, health, methods=["GET"]) for path in paths]
