"""Sessions of Supabase Auth: signing in, going on, signing out.

Plain calls, because the client library cannot read the local Auth server's times.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any
from uuid import UUID

import httpx
from pydantic import Field, SecretStr, StringConstraints

from shared.errors import (
    InternalError,
    RateLimited,
    ServiceUnavailable,
    SwitchhookError,
    Unauthorized,
)
from shared.management.models import Request, Resource
from shared.management.session import Backend

logger = logging.getLogger(__name__)


class Credentials(Request):
    """Who signs in."""

    email: Annotated[str, StringConstraints(min_length=1, max_length=320)]
    password: Annotated[SecretStr, Field(min_length=1, max_length=1000)]


class SignedInUser(Resource):
    """Who signed in."""

    id: UUID
    email: str


class SignedIn(Resource):
    """A session of Supabase Auth."""

    access_token: str = Field(description="Send it as `Authorization: Bearer <token>`.")
    refresh_token: str = Field(description="Supabase Auth gives a new session for it.")
    expires_in: int = Field(description="Seconds.")
    user: SignedInUser


async def sign_in(backend: Backend, credentials: Credentials) -> SignedIn:
    """Raises Unauthorized, alike for a wrong password and an unknown address; or RateLimited."""
    return await _token(
        backend,
        "password",
        {"email": credentials.email, "password": credentials.password.get_secret_value()},
    )


async def refresh(backend: Backend, refresh_token: str) -> SignedIn:
    """A new session for a refresh token, which works once. Raises Unauthorized for one that does not."""
    return await _token(backend, "refresh_token", {"refresh_token": refresh_token})


async def sign_out(backend: Backend, access_token: str) -> None:
    """Ends the session at Supabase Auth, so that its refresh token is of no more use.

    Raises ServiceUnavailable. A session that has ended already is no error.
    """
    try:
        response = await backend.http.post(
            _url(backend, "logout"),
            params={"scope": "local"},
            headers={**_headers(backend), "Authorization": f"Bearer {access_token}"},
        )
    except httpx.HTTPError as error:
        logger.warning("auth not reachable", extra={"error": type(error).__name__})
        raise _unavailable() from None
    if response.status_code >= 500:
        raise _unavailable()


async def _token(backend: Backend, grant_type: str, body: dict[str, str]) -> SignedIn:
    try:
        response = await backend.http.post(
            _url(backend, "token"),
            params={"grant_type": grant_type},
            headers=_headers(backend),
            json=body,
        )
    except httpx.HTTPError as error:
        logger.warning("auth not reachable", extra={"error": type(error).__name__})
        raise _unavailable() from None
    if not response.is_success:
        raise _refusal(response)
    return SignedIn.model_validate(response.json())


def _url(backend: Backend, path: str) -> str:
    return f"{backend.settings.supabase_url.rstrip('/')}/auth/v1/{path}"


def _headers(backend: Backend) -> dict[str, str]:
    return {"apikey": backend.settings.supabase_publishable_key.get_secret_value()}


def _refusal(response: httpx.Response) -> SwitchhookError:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        after = response.headers.get("retry-after", "")
        return RateLimited(retry_after=int(after[:6]) if after.isdecimal() else 60)
    if status >= 500:
        return _unavailable()
    if status in {httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY}:
        if _code(response) == "email_not_confirmed":
            return Unauthorized("The e-mail address is not confirmed yet")
        # The same for an address that nobody has, so that nobody learns which ones there are.
        return Unauthorized("Wrong e-mail address or password")
    # It is about the project's key, and no fault of the caller.
    logger.error("auth refused the application", extra={"status": status})
    return InternalError()


def _code(response: httpx.Response) -> Any:
    try:
        content = response.json()
    except ValueError:
        return None
    return content.get("error_code") if isinstance(content, dict) else None


def _unavailable() -> ServiceUnavailable:
    return ServiceUnavailable("Supabase Auth cannot be reached; try again", retry_after=5)
