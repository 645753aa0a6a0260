"""Configuration of api. It has no service key: it acts with the caller's own token."""

from __future__ import annotations

from pydantic import SecretStr

from shared.settings import Settings


class ApiSettings(Settings):
    """What api needs beside the project's URL."""

    supabase_publishable_key: SecretStr
    """The project's publishable key (sb_publishable_…). It identifies the application, not the user."""

    encryption_keys: SecretStr
    """Comma-separated Fernet keys; the first encrypts the secrets of endpoints."""

    functions_url: str = "http://127.0.0.1:8000"
    """Public base URL of the functions, for the addresses that endpoints are given."""

    max_body_bytes: int = 1024 * 1024
    """Of a request's body."""

    body_deadline_seconds: float = 10.0
    """A body that has not arrived by then is refused."""
