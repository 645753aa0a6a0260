"""One visit to a page: who it is, what they sent, and how the answer is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from functions.console import sessions
from functions.console.forms import Form, read_form
from functions.console.guards import CSRF_FIELD, csrf_token, require_own_page
from functions.console.rendering import TEMPLATES, Markup, page_response
from shared.errors import Unauthorized
from shared.management.session import Backend, UserSession

LIVE_VERSION = "X-Live-Version"


@dataclass(slots=True)
class Visit:
    """A request of a signed-in user."""

    request: Request
    session: UserSession
    csrf: str
    form: Form
    flash: str | None = None
    _navigation: dict[str, Any] | None = field(default=None, init=False)

    @property
    def base(self) -> str:
        return sessions.base_of(self.request)

    @property
    def is_htmx(self) -> bool:
        return "hx-request" in self.request.headers

    @property
    def wants_everybody(self) -> bool:
        """Whether an admin has asked for the rows of all users. Row level security has the last word."""
        return self.request.cookies.get(sessions.EVERYBODY) == "1"

    @property
    def owner(self) -> Literal["me", "all"]:
        return "all" if self.wants_everybody else "me"

    async def navigation(self) -> dict[str, Any]:
        """What every page shows beside its own: is_admin, and how many events wait for review."""
        if self._navigation is None:
            self._navigation = await self.session.database.call("get_navigation")
        return self._navigation

    async def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """A whole page."""
        nav = await self.navigation()
        html = TEMPLATES.get_template(template).render(self._context(nav=nav, **context))
        return page_response(html, status)

    async def live_page(self, template: str, part: str, **context: Any) -> Response:
        """A page with a part that keeps itself up to date: the whole, or for its own script that part.

        A part that is as the script has it already is not sent again.
        """
        nav = await self.navigation()
        everything = self._context(nav=nav, **context)
        html = TEMPLATES.get_template(part).render(everything)
        # The navigation is outside of the part; its script takes the count from here.
        html += f'<template data-badge="{int(nav["review"])}"></template>'
        version = hashlib.sha256(html.encode()).hexdigest()[:16]
        known = self.request.headers.get(LIVE_VERSION)
        if known is None:
            everything |= {"live": Markup(html), "live_version": version}
            return page_response(TEMPLATES.get_template(template).render(everything))
        if known == version:
            return Response(status_code=204)
        response = page_response(html)
        response.headers[LIVE_VERSION] = version
        return response

    def fragment(self, template: str, status: int = 200, **context: Any) -> Response:
        """A piece of a page."""
        return page_response(
            TEMPLATES.get_template(template).render(self._context(**context)), status
        )

    def go(self, path: str, words: str | None = None) -> Response:
        """To another page of the console, where the words are shown once.

        For a change made by script: no other page, but the words, and the live part is fetched anew.
        """
        if self.is_htmx:
            told = {"refresh": True, "toast": words or "Done"}
            return Response(status_code=204, headers={"HX-Trigger": json.dumps(told)})
        response = RedirectResponse(f"{self.base}{path}", 303)
        if words:
            sessions.set_cookie(self.request, response, sessions.FLASH, quote(words[:500]), 60)
        return response

    def _context(self, **context: Any) -> dict[str, Any]:
        return {
            "base": self.base,
            "csrf": self.csrf,
            "caller": self.session.caller,
            "wants_everybody": self.wants_everybody,
            "flash": self.flash,
            "path": self.request.url.path.removeprefix(self.base),
            "query": dict(self.request.query_params),
            **context,
        }


Handler = Callable[[Visit], Awaitable[Response]]


def get(path: str, handler: Handler) -> Route:
    """A page for signed-in users."""
    return Route(path, _visited(handler), methods=["GET"])


def post(path: str, handler: Handler) -> Route:
    """A change by signed-in users."""
    return Route(path, _visited(handler), methods=["POST"])


def _visited(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        backend: Backend = request.app.state.backend
        try:
            opened = await request.app.state.sessions.open(request)
        except Unauthorized:
            return to_sign_in(request)
        nonce, is_new = sessions.nonce_of(request)
        key = backend.settings.functions_secret.get_secret_value()
        csrf = csrf_token(key, nonce, opened.caller.user_id)
        form = await read_form(request, backend.settings)
        if request.method == "POST":
            require_own_page(request, csrf, form.text(CSRF_FIELD))
        session = UserSession.of(opened.caller, backend)
        visit = Visit(request, session, csrf, form, sessions.flash_of(request))
        response = await handler(visit)
        if visit.flash and response.media_type == "text/html" and not visit.is_htmx:
            sessions.delete_cookie(request, response, sessions.FLASH)
        if is_new:
            sessions.set_cookie(request, response, sessions.NONCE, nonce)
        if opened.renewed is not None:
            sessions.keep(request, response, opened.renewed)
        return response

    return handle


def to_sign_in(request: Request) -> Response:
    """The page to sign in on, which leads back here. The session that is over is forgotten."""
    here = _page_of(request)
    form = f"{sessions.base_of(request)}/sign-in" + ("" if here == "/" else f"?next={quote(here)}")
    response: Response = RedirectResponse(form, 303)
    if "hx-request" in request.headers:
        response = Response(status_code=401, headers={"HX-Redirect": form})
    sessions.forget(request, response)
    return response


def _page_of(request: Request) -> str:
    """The page that the reader is on, with its filters, as it stands below the console's own path."""
    address = str(request.url)
    if "hx-request" in request.headers:
        address = request.headers.get("hx-current-url", "")
    elif request.method != "GET":
        address = request.headers.get("referer", "")
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    # Whatever host an address names, the way back goes to a path of ours.
    base = sessions.base_of(request)
    if not parts.path.startswith(f"{base}/"):
        return "/"
    return parts.path.removeprefix(base) + (f"?{parts.query}" if parts.query else "")
