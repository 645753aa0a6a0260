"""Where functions get their configuration: environment variables, or a `.env` file beside the project.

Each function has a settings class of its own built from these; none reads the environment anywhere else.
"""

from __future__ import annotations

import os

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Base of every function's settings. ENV_FILE names the file to read; the environment wins over it."""

    model_config = SettingsConfigDict(
        env_file=os.environ.get("ENV_FILE", ".env"),
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    supabase_url: str
    """Base URL of the Supabase project, such as https://abc.supabase.co."""


class PipelineSettings(Settings):
    """For the functions that act with the service key."""

    supabase_secret_key: SecretStr
    """The project's secret key (sb_secret_…): acts as service_role."""

    functions_secret: SecretStr
    """What callers of worker functions send as their bearer token."""


class WorkerSettings(PipelineSettings):
    """For the functions that work through the queue."""

    worker_batch_size: int = 200
    """Events claimed at once, 1 to 1000."""

    worker_lease_seconds: int = 60
    """How long a batch belongs to a worker, 1 to 3600. A worker that dies delays its batch by this."""

    worker_time_budget_seconds: float = 25.0
    """A call stops claiming more work after this long; under the runtime's own limit."""
