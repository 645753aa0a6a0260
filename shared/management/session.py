"""On whose behalf something is done, and what it is done with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import httpx

from shared import telemetry
from shared.database import Database
from shared.encryption import SecretBox
from shared.httpx_client import create_client
from shared.management.access_token import Caller
from shared.management.settings import ManagementSettings
from shared.targets import TargetPolicy

HTTP_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Backend:
    """One for the whole process."""

    database: Database
    """With the publishable key alone; see UserSession."""
    http: httpx.AsyncClient
    """For Supabase Auth and for dispatch."""
    secrets: SecretBox
    targets: TargetPolicy
    settings: ManagementSettings


@asynccontextmanager
async def open_backend(function: str, settings: ManagementSettings) -> AsyncIterator[Backend]:
    """For the life of a function. Raises ValueError for settings that cannot be used."""
    secrets = SecretBox.from_setting(settings.encryption_keys.get_secret_value())
    targets = TargetPolicy.from_settings(
        settings.delivery_allowed_ports, settings.delivery_allowed_networks
    )
    key = settings.supabase_publishable_key.get_secret_value()
    async with (
        telemetry.recording(function),
        Database(settings.supabase_url, key) as database,
        create_client(timeout_seconds=HTTP_TIMEOUT_SECONDS) as http,
    ):
        yield Backend(database, http, secrets, targets, settings)


@dataclass(frozen=True, slots=True)
class UserSession:
    """One request of one user."""

    caller: Caller
    database: Database
    """As the user: row level security decides what is seen."""
    backend: Backend

    @classmethod
    def of(cls, caller: Caller, backend: Backend) -> UserSession:
        return cls(caller, backend.database.as_user(caller.token), backend)

    @property
    def user_id(self) -> UUID:
        return self.caller.user_id
