"""What keeps pages from being turned against their reader: response headers, and proof that a change was
asked for on a page of ours.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from uuid import UUID

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import Forbidden

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"


class SecurityHeaders:
    """ASGI middleware: the same headers on every answer, and no cache for what says nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)


def new_nonce() -> str:
    return secrets.token_urlsafe(24)


def csrf_token(key: str, nonce: str, user_id: UUID | None) -> str:
    """What a page of this browser and user sends along with a change; nobody else can make it.

    The nonce is a cookie, but a cookie alone would not do: a neighbouring site may set one.
    """
    message = f"console:{nonce}:{user_id or ''}"
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()


def require_own_page(request: Request, expected: str, given: str | None) -> None:
    """Raises Forbidden unless a change was asked for on a page that this user was given."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    token = given or request.headers.get(CSRF_HEADER, "")
    if site not in {"same-origin", "none"} or not hmac.compare_digest(
        expected.encode(), token.encode()
    ):
        raise Forbidden("This page is out of date. Load it again, then repeat what you did.")
