"""What dispatch has written, as tests look at it."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg

from tests.functions.dispatch.conftest import Hook

Connection = psycopg.Connection[dict[str, Any]]


def delivery_of(database: Connection, hook: Hook, event_id: uuid.UUID | None = None) -> Any:
    (row,) = database.execute(
        "select * from public.webhook_deliveries where webhook_id = %s"
        " and published_event_id = coalesce(%s, published_event_id)",
        [hook.id, event_id],
    ).fetchall()
    return row


def logs_of(database: Connection, hook: Hook) -> list[Any]:
    return database.execute(
        "select * from public.webhook_logs where webhook_id = %s order by attempt, id", [hook.id]
    ).fetchall()


def seconds_until_due(database: Connection, hook: Hook) -> float:
    (row,) = database.execute(
        "select extract(epoch from run_after - now())::float as seconds"
        " from public.webhook_deliveries where webhook_id = %s",
        [hook.id],
    ).fetchall()
    return float(row["seconds"])
