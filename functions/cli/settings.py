"""Configuration of the command line: everything may be missing, which `doctor` then says."""

from __future__ import annotations

from pydantic import SecretStr

from shared.settings import Settings


class CliSettings(Settings):
    """What `.env` has for all functions together."""

    supabase_url: str = ""
    """Base URL of the Supabase project."""

    supabase_publishable_key: SecretStr = SecretStr("")
    """Identifies the application to Supabase's API."""

    supabase_secret_key: SecretStr = SecretStr("")
    """Acts as service_role; only `doctor` tries it."""

    database_url: SecretStr = SecretStr("")
    """For what only the database can tell: schema, extensions, jobs, work that waits."""

    functions_url: str = "http://127.0.0.1:8000"
    """Where the functions answer."""

    functions_secret: SecretStr = SecretStr("")
    """What workers take as bearer token."""

    encryption_keys: SecretStr = SecretStr("")
    """Comma-separated Fernet keys."""

    demo_email: str = ""
    """Who the command line signs in as, unless it is told otherwise."""

    demo_password: SecretStr = SecretStr("")
    """And the password."""
