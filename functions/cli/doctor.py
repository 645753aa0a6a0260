"""`switchhook doctor`: looks at everything that has to fit together, and says what to do about what does not."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg

from functions.cli.check_database import check_database
from functions.cli.check_services import check_encryption_keys, check_functions, check_supabase
from functions.cli.findings import Finding, Subject
from functions.cli.settings import CliSettings

MIGRATIONS = Path(__file__).resolve().parents[2] / "supabase" / "migrations"
CHECKS = (check_supabase, check_encryption_keys, check_functions, check_database)


def own_migrations() -> list[str]:
    """Versions of this checkout's migrations, oldest first."""
    return sorted(file.name.partition("_")[0] for file in MIGRATIONS.glob("*.sql"))


def utc_now() -> datetime:
    return datetime.now(UTC)


async def examine(
    settings: CliSettings,
    *,
    now: Callable[[], datetime] = utc_now,
    migrations: Sequence[str] | None = None,
) -> list[Finding]:
    """Everything that was looked at, in the order in which to mend it. Changes nothing."""
    versions = own_migrations() if migrations is None else migrations
    findings: list[Finding] = []
    async with httpx.AsyncClient(timeout=15) as client, _connected(settings) as database:
        subject = Subject(settings, client, now, versions, database)
        for check in CHECKS:
            findings += await check(subject)
    return findings


@contextlib.asynccontextmanager
async def _connected(
    settings: CliSettings,
) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]] | None]:
    url = settings.database_url.get_secret_value()
    connection = None
    if url:
        with contextlib.suppress(psycopg.Error):
            connection = await psycopg.AsyncConnection.connect(
                url, autocommit=True, connect_timeout=10
            )
    if connection is None:
        yield None
        return
    async with connection:
        yield connection
