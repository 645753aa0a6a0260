"""Where functions get their configuration: environment variables, or a `.env` file beside the project.

Each function has a settings class of its own built from these; none reads the environment anywhere else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, SecretStr


class Settings(BaseModel):
    """Base of every function's settings. A field is the environment variable of its name in capitals."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    def from_environment(cls, **given: Any) -> Self:
        """What is given, else set, else in the file that ENV_FILE names, else the default. Empty is not set.

        Raises ValidationError, which names what is missing or wrong and shows no value.
        """
        found = _file() | {name: value for name, value in os.environ.items() if value}
        fields = {name: found[name.upper()] for name in cls.model_fields if name.upper() in found}
        return cls(**(fields | given))

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


def _file() -> dict[str, str]:
    path = Path(os.environ.get("ENV_FILE", ".env"))
    if not path.is_file():  # as where functions are deployed, which start without what reads it
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415

    return {name: value for name, value in dotenv_values(path).items() if value}
