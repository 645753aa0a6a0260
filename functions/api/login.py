"""Signing in with e-mail and password, for those who would rather not call Supabase Auth themselves."""

from __future__ import annotations

from fastapi import Request as HttpRequest

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import create_public_router
from shared.errors import RateLimited, ServiceUnavailable
from shared.management.auth import Credentials, SignedIn, sign_in

router = create_public_router("auth")


@router.post("/auth/login", responses=refusals(*WITH_BODY, RateLimited, ServiceUnavailable))
async def login(request: HttpRequest, credentials: Credentials) -> Success[SignedIn]:
    """Gives an access token for e-mail and password."""
    return Success(data=await sign_in(request.app.state.backend, credentials))
