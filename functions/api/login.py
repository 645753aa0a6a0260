"""Signing in with e-mail and password, for those who would rather not call Supabase Auth themselves."""

from __future__ import annotations

import logging
from typing import Annotated, Any
from uuid import UUID

import httpx
from fastapi import Request as HttpRequest
from pydantic import Field, SecretStr, StringConstraints

from functions.api.models import WITH_BODY, Request, Resource, Success, refusals
from functions.api.routing import create_public_router
from functions.api.state import Api
from shared.errors import (
    InternalError,
    RateLimited,
    ServiceUnavailable,
    SwitchhookError,
    Unauthorized,
)

logger = logging.getLogger(__name__)

router = create_public_router("auth")


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


@router.post("/auth/login", responses=refusals(*WITH_BODY, RateLimited, ServiceUnavailable))
async def login(request: HttpRequest, credentials: Credentials) -> Success[SignedIn]:
    """Gives an access token for e-mail and password."""
    api: Api = request.app.state.api
    response = await _sign_in(api, credentials)
    if not response.is_success:
        raise _refusal(response)
    return Success(data=SignedIn.model_validate(response.json()))


async def _sign_in(api: Api, credentials: Credentials) -> httpx.Response:
    try:
        return await api.http.post(
            f"{api.settings.supabase_url.rstrip('/')}/auth/v1/token",
            params={"grant_type": "password"},
            headers={"apikey": api.settings.supabase_publishable_key.get_secret_value()},
            json={
                "email": credentials.email,
                "password": credentials.password.get_secret_value(),
            },
        )
    except httpx.HTTPError as error:
        logger.warning("auth not reachable", extra={"error": type(error).__name__})
        raise _unavailable() from None


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
