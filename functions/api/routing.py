"""What happens to every request before its route sees it, in this order: who calls, then the body.

So nobody learns what is wrong with a body before they have said who they are, and a body is bounded in
size, time and depth before anything reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Depends, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from shared import payload
from shared.body import read_body
from shared.errors import (
    InvalidRequest,
    UnsupportedMediaType,
)
from shared.management.access_token import read_caller
from shared.management.session import UserSession
from shared.management.settings import ManagementSettings
from shared.responses import error_response

MAX_PROBLEMS_TOLD = 3
_VERSIONED = "/api/v1/"
_BEARER = HTTPBearer(
    bearerFormat="JWT", auto_error=False, description="The user's access token from Supabase Auth."
)


def _session(request: Request) -> UserSession:
    return UserSession.of(request.state.caller, request.app.state.backend)


Session = Annotated[UserSession, Depends(_session)]


class JsonRequest(Request):
    """A request whose body has been read within bounds."""

    async def load(self, settings: ManagementSettings) -> None:
        """Reads and parses the body, if there is one.

        Raises PayloadTooLarge, RequestTimeout, UnsupportedMediaType, InvalidJson or InvalidRequest.
        """
        self._body = await read_body(
            self, limit=settings.max_body_bytes, deadline_seconds=settings.body_deadline_seconds
        )
        if not self._body:
            return
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise UnsupportedMediaType("Send the body as Content-Type: application/json")
        parsed = payload.parse(self._body)
        if parsed.altered:
            raise InvalidRequest("The body holds a NUL or half a surrogate pair in a text")
        self._json = parsed.value


class ApiRoute(APIRoute):
    """A route for signed-in users, whose answers no cache keeps."""

    _methods_by_path: ClassVar[dict[str, set[str]]] = {}

    @override
    def __init__(self, path: str, *arguments: Any, **options: Any) -> None:
        super().__init__(path, *arguments, **options)
        self._methods_by_path.setdefault(self.path, set()).update(self.methods or ())

    @override
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses a wrong method with all the right ones; a route by itself knows only its own."""
        if scope["method"] not in (self.methods or ()):
            allowed = sorted(self._methods_by_path[self.path])
            raise HTTPException(405, headers={"Allow": ", ".join(allowed)})
        await super().handle(scope, receive, send)

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            self.admit(request)
            if self.dependant.query_params:
                _refuse_repeated(request)
            if self.body_field is not None:
                request = JsonRequest(request.scope, request.receive)
                await request.load(request.app.state.backend.settings)
            response = await handler(request)
            response.headers["Cache-Control"] = "no-store"
            response.headers["X-Content-Type-Options"] = "nosniff"
            return response

        return handle

    def admit(self, request: Request) -> None:
        """Raises Unauthorized unless the request says who calls."""
        request.state.caller = read_caller(request.headers.get("authorization"))


def _refuse_repeated(request: Request) -> None:
    """Raises InvalidRequest for a parameter that comes twice: which of them counts is anybody's guess."""
    names = [name for name, _ in request.query_params.multi_items()]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidRequest(f"{repeated[0][:100]}: may be given only once")


class PublicRoute(ApiRoute):
    """A route for everybody."""

    @override
    def admit(self, request: Request) -> None:
        pass


NO_OTHER_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}
"""FastAPI's own would tell addresses with their queries, and errors in full; ours is shared/telemetry."""


class VersionedPaths:
    """ASGI middleware: every path of the API is there under `/api/v1` too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(_VERSIONED):
            inner = {**scope, "path": f"/api/{scope['path'].removeprefix(_VERSIONED)}"}
            try:
                await self.app(inner, receive, send)
            finally:
                scope["route"] = inner.get("route")  # for whoever tells of the request
        else:
            await self.app(scope, receive, send)


def create_router(tag: str) -> APIRouter:
    """A router for one resource. The security scheme is there to be documented; ApiRoute does the work."""
    return APIRouter(
        prefix="/api", tags=[tag], route_class=ApiRoute, dependencies=[Security(_BEARER)]
    )


def create_public_router(tag: str) -> APIRouter:
    """A router for what needs no token."""
    return APIRouter(prefix="/api", tags=[tag], route_class=PublicRoute)


async def on_validation_error(request: Request, error: Exception) -> Response:
    """FastAPI's refusals as ours, with the names of the fields."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 (the registration says so)
    words = "; ".join(map(_in_words, error.errors()[:MAX_PROBLEMS_TOLD]))
    return error_response(InvalidRequest(words), request)


def _in_words(problem: dict[str, Any]) -> str:
    """Names the field and what it should be, never the value."""
    field = ".".join(str(part)[:100] for part in problem["loc"][1:]) or "body"
    return f"{field}: {problem['msg'].removeprefix('Value error, ')}"
