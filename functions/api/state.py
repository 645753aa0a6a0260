"""What the application holds for all requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from functions.api.settings import ApiSettings
from shared.database import Database
from shared.encryption import SecretBox
from shared.http_client import create_client
from shared.targets import TargetPolicy

HTTP_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Api:
    """One for the whole process."""

    database: Database
    """With the publishable key alone; see routing.Session for a user's."""
    http: httpx.AsyncClient
    """For Supabase Auth and for dispatch."""
    secrets: SecretBox
    targets: TargetPolicy
    settings: ApiSettings


@asynccontextmanager
async def open_api(settings: ApiSettings) -> AsyncIterator[Api]:
    """Raises ValueError for settings that cannot be used."""
    secrets = SecretBox.from_setting(settings.encryption_keys.get_secret_value())
    targets = TargetPolicy.from_settings(
        settings.delivery_allowed_ports, settings.delivery_allowed_networks
    )
    key = settings.supabase_publishable_key.get_secret_value()
    async with (
        Database(settings.supabase_url, key) as database,
        create_client(timeout_seconds=HTTP_TIMEOUT_SECONDS) as http,
    ):
        yield Api(database, http, secrets, targets, settings)
