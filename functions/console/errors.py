"""Refusals and failures, as pages in words. For a script of ours: the words alone."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from functions.console.guards import HEADERS
from functions.console.rendering import TEMPLATES, page_response
from functions.console.sessions import base_of
from functions.console.visits import to_sign_in
from shared import errors
from shared.responses import request_id

logger = logging.getLogger(__name__)

TITLES: dict[type[errors.SwitchhookError], str] = {
    errors.NotFound: "There is nothing here",
    errors.Forbidden: "That did not work",
    errors.ServiceUnavailable: "Something is away",
    errors.RateLimited: "Too many at once",
    errors.InternalError: "Something went wrong",
}


TEXTS: dict[type[errors.SwitchhookError], str] = {
    errors.NotFound: "Perhaps it was deleted, or it belongs to somebody else.",
    errors.InternalError: "It is not your fault. Try again; if it stays, tell whoever runs this the number below.",
}


def _answer(request: Request, error: errors.SwitchhookError) -> Response:
    # What nobody expected is told outside of all middleware, which otherwise sets these.
    headers = {**HEADERS, "Cache-Control": "no-store"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if "hx-request" in request.headers:
        return PlainTextResponse(error.message, error.status, headers)
    title = next(
        (words for kind, words in TITLES.items() if isinstance(error, kind)), "That did not work"
    )
    is_told = error.message != error.default_message
    html = TEMPLATES.get_template("error.html").render(
        base=base_of(request),
        title=title,
        words=error.message if is_told else TEXTS.get(type(error), error.message),
        request_id=request_id(request.scope),
    )
    response = page_response(html, error.status)
    response.headers.update(headers)
    return response


async def _on_known_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.SwitchhookError)  # noqa: S101 (the registration below says so)
    if isinstance(error, errors.Unauthorized):
        return to_sign_in(request)
    return _answer(request, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (the registration below says so)
    response = _answer(request, errors.from_status(error.status_code)())
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def _on_unexpected_error(request: Request, error: Exception) -> Response:
    logger.error(
        "unexpected error", exc_info=error, extra={"request_id": request_id(request.scope)}
    )
    return _answer(request, errors.InternalError())


HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    errors.SwitchhookError: _on_known_error,
    HTTPException: _on_http_error,
    Exception: _on_unexpected_error,
}
