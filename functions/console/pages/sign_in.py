"""Signing in and out."""

from __future__ import annotations

import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from functions.console import sessions
from functions.console.forms import Form, as_model, read_form
from functions.console.guards import CSRF_FIELD, csrf_token, require_own_page
from functions.console.rendering import TEMPLATES, page_response
from functions.console.visits import Visit, post
from shared.errors import ServiceUnavailable, SwitchhookError
from shared.management import auth
from shared.management.session import Backend

logger = logging.getLogger(__name__)


async def show(request: Request) -> Response:
    """The form. Who is signed in already goes on."""
    if sessions.ACCESS in request.cookies or sessions.REFRESH in request.cookies:
        return RedirectResponse(sessions.base_of(request) + _next(request), 303)
    return _form(request, Form())


async def sign_in(request: Request) -> Response:
    """Signs in, and goes where the reader wanted to be."""
    backend: Backend = request.app.state.backend
    form = await read_form(request, backend.settings)
    nonce, _ = sessions.nonce_of(request)
    require_own_page(request, _token(request, nonce), form.text(CSRF_FIELD))
    try:
        given = {"email": form.text("email"), "password": "".join(form.values.get("password", ()))}
        session = await auth.sign_in(backend, as_model(auth.Credentials, given))
    except SwitchhookError as error:
        words = (
            "Wrong e-mail address or password" if error.code == "invalid_request" else error.message
        )
        return _form(request, form, words, error.status)
    response = RedirectResponse(sessions.base_of(request) + _next(request), 303)
    sessions.keep(request, response, session)
    # A token made for whoever was here before is worth nothing from now on.
    sessions.delete_cookie(request, response, sessions.NONCE)
    return response


async def sign_out(visit: Visit) -> Response:
    """Ends the session here and at Supabase Auth."""
    try:
        await auth.sign_out(visit.session.backend, visit.session.caller.token)
    except ServiceUnavailable:
        logger.warning("a session was ended in the browser only")
    response = RedirectResponse(f"{visit.base}/sign-in", 303)
    sessions.forget(visit.request, response)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def _form(request: Request, form: Form, problem: str | None = None, status: int = 200) -> Response:
    nonce, is_new = sessions.nonce_of(request)
    context: dict[str, Any] = {
        "base": sessions.base_of(request),
        "csrf": _token(request, nonce),
        "email": form.text("email"),
        "problem": problem,
        "next": _next(request),
    }
    response = page_response(TEMPLATES.get_template("sign_in.html").render(context), status)
    if is_new:
        sessions.set_cookie(request, response, sessions.NONCE, nonce)
    return response


def _token(request: Request, nonce: str) -> str:
    backend: Backend = request.app.state.backend
    return csrf_token(backend.settings.functions_secret.get_secret_value(), nonce, None)


def _next(request: Request) -> str:
    """A page of ours to go on to: what stands after `next`, if it is one."""
    path = request.query_params.get("next", "/")
    is_ours = (
        path.startswith("/") and not path.startswith(("//", "/\\", "/sign-")) and path.isascii()
    )
    return path if is_ours and path.isprintable() else "/"


ROUTES = (
    Route("/sign-in", show, methods=["GET"]),
    Route("/sign-in", sign_in, methods=["POST"]),
    post("/sign-out", sign_out),
)
