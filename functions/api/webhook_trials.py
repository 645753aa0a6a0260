"""Test sends: one event for one webhook, delivered at once, and what the receiver made of it."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body
from pydantic import Field, JsonValue

from functions.api.cursors import Row
from functions.api.dispatcher import deliver_now
from functions.api.models import (
    WITH_BODY,
    EventName,
    Request,
    Resource,
    Success,
    refusals,
)
from functions.api.routing import Session, UserSession, create_router
from functions.api.webhooks import find_webhook, no_such_webhook
from shared.database import run
from shared.errors import NotFound, ServiceUnavailable

router = create_router("webhooks")

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


@router.post(
    "/webhooks/{webhook_id:uuid}/test", responses=refusals(*WITH_BODY, NotFound, ServiceUnavailable)
)
async def test_webhook(
    session: Session,
    webhook_id: UUID,
    trial: Annotated[Trial, Body(default_factory=Trial)],
) -> Success[TrialResult]:
    """Sends one event to a webhook and waits for the answer; also to one that is off, whatever its filter.

    It is tried once.
    """
    webhook = await find_webhook(session, webhook_id, "timeout_seconds")
    queued = await session.database.call(
        "test_webhook",
        p_webhook_id=str(webhook_id),
        p_type=trial.event_type,
        p_data=None if trial.payload is None else json.dumps(trial.payload),
    )
    patience = webhook["timeout_seconds"] + GRACE_SECONDS
    await deliver_now(session.api, queued["delivery_id"], within_seconds=patience)
    delivery = await _finished(session, queued["delivery_id"], patience)
    return Success(data=_result(queued, delivery))


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
