"""Who calls: the user's access token, as Supabase Auth gave it out.

The database verifies the signature with every call, so here is only looked at what a token claims. That
is needed because PostgREST takes a request without a usable token for one of an anonymous visitor, who
sees empty lists where a refusal is due, and because it takes a token for whatever audience.
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
AUDIENCE = "authenticated"
"""Whom Supabase Auth makes a user's tokens for."""


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
    if claims.get("role") != "authenticated" or not _is_for_users(claims):
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
    """The payload of a JWT that somebody has signed; empty for anything else."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN_LENGTH or len(parts) != 3 or not token.isascii():
        return {}
    head, signature = _decoded(parts[0]), parts[2]
    if not signature or str(head.get("alg", "none")).lower() == "none":
        return {}
    return _decoded(parts[1])


def _decoded(part: str) -> dict[str, Any]:
    try:
        content = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_for_users(claims: dict[str, Any]) -> bool:
    """Unless it says whom it is for, one or several (RFC 7519, section 4.1.3), it is for anybody."""
    audience = claims.get("aud", AUDIENCE)
    return AUDIENCE in (audience if isinstance(audience, list) else [audience])
