"""Who calls: the user's access token, as Supabase Auth gave it out.

The database verifies the signature with every call, so here is only looked at what a token claims. That
is needed because PostgREST takes a request without a usable token for one of an anonymous visitor, who
sees empty lists where a refusal is due.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.errors import Unauthorized

MAX_TOKEN_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class Caller:
    """The user a token claims to be."""

    user_id: UUID
    token: str = field(repr=False)
    email: str = ""
    """As the token says; empty for one that does not."""
    expires_at: float = 0
    """Unix seconds; 0 for a token that does not say."""


def read_caller(authorization: str | None) -> Caller:
    """The caller that an Authorization header names.

    Raises Unauthorized unless it is a bearer token in the form of a signed-in user's JWT.
    """
    scheme, _, token = (authorization or "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("Send the user's access token: Authorization: Bearer <token>")
    claims = _claims(token)
    if claims.get("role") != "authenticated":
        raise Unauthorized
    email, expires_at = claims.get("email"), claims.get("exp")
    try:
        return Caller(
            UUID(str(claims.get("sub"))),
            token,
            email if isinstance(email, str) else "",
            expires_at if isinstance(expires_at, int | float) else 0,
        )
    except ValueError:
        raise Unauthorized from None


def _claims(token: str) -> dict[str, Any]:
    """The payload of a JWT; empty for anything else."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN_LENGTH or len(parts) != 3 or not token.isascii():
        return {}
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
