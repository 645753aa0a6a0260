"""Test sends: one event for one webhook, delivered at once, and what the receiver made of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

from pydantic import Field, JsonValue

from shared.database import run
from shared.errors import ServiceUnavailable
from shared.management.cursors import Row
from shared.management.dispatcher import deliver_now
from shared.management.models import EventName, Request, Resource
from shared.management.session import UserSession
from shared.management.webhooks import find_webhook, no_such_webhook

GRACE_SECONDS = 10.0
"""Beyond the webhook's own timeout: for dispatch to begin, and to record."""
POLL_SECONDS = 0.1
COLUMNS = (
    "status,error_message,response_status,"
    "webhook_logs(outcome,error_code,error_message,response_status,response_body,latency_ms)"
)


class Trial(Request):
    """What to send. Nothing need be given."""

    event_type: EventName | None = Field(
        default=None, description="Left out: the first event that the webhook names."
    )
    payload: dict[str, JsonValue] | None = Field(
        default=None, description="The event's data. Left out: the example of its type."
    )


class TrialResult(Resource):
    """What the receiver made of it."""

    success: bool = Field(description="Whether it answered with a 2xx.")
    status: int | None = Field(description="Of its answer; null if there was none.")
    latency_ms: float | None
    body: str | None = Field(description="Of its answer, the first 16 KiB.")
    error: str | None
    error_code: str | None
    delivery_id: UUID
    event_id: UUID
    event_type: str


async def test_webhook(session: UserSession, webhook_id: UUID, trial: Trial) -> TrialResult:
    webhook = await find_webhook(session, webhook_id, "timeout_seconds")
    queued = await session.database.call(
        "test_webhook",
        p_webhook_id=str(webhook_id),
        p_type=trial.event_type,
        p_data=None if trial.payload is None else json.dumps(trial.payload),
    )
    patience = webhook["timeout_seconds"] + GRACE_SECONDS
    await deliver_now(session.backend, queued["delivery_id"], within_seconds=patience)
    delivery = await _finished(session, queued["delivery_id"], patience)
    return _result(queued, delivery)


async def _finished(session: UserSession, delivery_id: str, patience: float) -> Row:
    """The delivery with its attempt. A worker that took it first may still be at it."""
    query = session.database.table("webhook_deliveries").select(COLUMNS).eq("id", delivery_id)
    try:
        async with asyncio.timeout(patience):
            while True:
                rows: list[Row] = await run(query)
                if not rows:
                    raise no_such_webhook()
                if rows[0]["status"] not in {"pending", "delivering"}:
                    return rows[0]
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        words = "The test is still under way; its outcome will be in the webhook's log"
        raise ServiceUnavailable(words, retry_after=5) from None


def _result(queued: dict[str, Any], delivery: Row) -> TrialResult:
    attempt = next(iter(delivery["webhook_logs"]), None) or {}
    return TrialResult(
        success=delivery["status"] == "delivered",
        status=attempt.get("response_status"),
        latency_ms=attempt.get("latency_ms"),
        body=attempt.get("response_body"),
        error=attempt.get("error_message") or delivery["error_message"],
        error_code=attempt.get("error_code"),
        delivery_id=queued["delivery_id"],
        event_id=queued["event_id"],
        event_type=queued["type"],
    )
