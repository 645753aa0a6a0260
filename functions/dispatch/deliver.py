"""One attempt: prepare it, send it, and say what became of it.

A result tells apart what was not attempted (nothing reached the receiver), and what was attempted and
failed. What was attempted and could not be recorded is the dispatcher's to tell.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import uuid_utils

from functions.dispatch.backoff import Decision, decide
from functions.dispatch.batch import HIDDEN, Batch, Target, Undeliverable
from functions.dispatch.claimed import Delivery, Event, Result, Webhook
from functions.dispatch.sender import Answer, Outgoing, Sender
from shared.errors import SwitchhookError
from shared.profiles import Attempt, sign

logger = logging.getLogger(__name__)


async def deliver(
    sender: Sender, batch: Batch, delivery: Delivery, webhook: Webhook, event: Event
) -> Result:
    """Makes one attempt. Never raises, but when cancelled."""
    lease_id = batch.claim.lease_id
    try:
        if not batch.passes(webhook, event):
            return Result(delivery.id, lease_id, delivery.attempt, "filtered")
        target = batch.target(webhook)
        # Checking large data against a schema may take a while, which others shall not wait for.
        has_schema = batch.schema_of(event) is not None
        body = (
            await asyncio.to_thread(batch.body, webhook, event)
            if has_schema
            else batch.body(webhook, event)
        )
    except Undeliverable as error:
        return _not_attempted(lease_id, delivery, webhook, error.code, error.message)
    except SwitchhookError as error:
        return _not_attempted(lease_id, delivery, webhook, error.code, error.message)
    except Exception:
        # A fault of ours with one delivery must not hold up the rest.
        logger.exception("delivery %s cannot be prepared", delivery.id)
        return _not_attempted(
            lease_id, delivery, webhook, "internal_error", "The delivery could not be prepared"
        )
    attempt_id = str(uuid_utils.uuid7())
    attempted_at = datetime.now(UTC)
    attempt = Attempt(
        body=body.content,
        event_type=event.type,
        message_id=event.id,
        attempt_id=attempt_id,
        timestamp=int(attempted_at.timestamp()),
        try_number=delivery.try_number,
    )
    signed = sign(target.signing, attempt)
    answer = await sender.send(
        Outgoing(target.url, {**target.headers, **signed}, body.content, webhook.timeout_seconds)
    )
    decision = decide(
        answer.status,
        delivery.try_number,
        retry_after_seconds=answer.retry_after_seconds,
        is_test=event.is_test,
    )
    code, message = _problem(answer)
    return Result(
        id=delivery.id,
        lease_id=lease_id,
        attempt=delivery.attempt,
        **_decided(decision),
        log_id=attempt_id,
        error_code=code,
        error_message=message,
        request_url=webhook.url,
        request_headers=_shown(target, signed),
        request_body_sha256=body.sha256,
        response_status=answer.status,
        response_headers={
            name: target.without_secrets(value) for name, value in answer.headers.items()
        },
        response_body=target.without_secrets(answer.body),
        latency_ms=round(answer.latency_ms, 3),
        attempted_at=attempted_at,
    )


def _decided(decision: Decision) -> dict[str, Any]:
    return {
        "state": decision.state,
        "delay_seconds": decision.delay_seconds,
        "disable_reason": decision.disable_reason,
    }


def _not_attempted(
    lease_id: str, delivery: Delivery, webhook: Webhook, code: str, message: str
) -> Result:
    return Result(
        id=delivery.id,
        lease_id=lease_id,
        attempt=delivery.attempt,
        state="failed",
        log_id=str(uuid_utils.uuid7()),
        error_code=code,
        error_message=f"Not sent. {message}",
        request_url=webhook.url,
        attempted_at=datetime.now(UTC),
    )


def _problem(answer: Answer) -> tuple[str | None, str | None]:
    """Code and words for the log; none where it went well."""
    if answer.status is None:
        message = answer.message or "There was no answer"
        return answer.error, message if answer.was_attempted else f"Not sent. {message}"
    if 200 <= answer.status < 300:
        return None, None
    if 300 <= answer.status < 400:
        return "http_error", f"The receiver answered {answer.status}; redirects are not followed"
    return "http_error", f"The receiver answered {answer.status}"


def _shown(target: Target, signed: Mapping[str, str]) -> dict[str, str]:
    """The request's headers for the log, without signatures and the webhook's own values."""
    layout = target.signing.layout
    signatures = {"webhook-signature", layout.signature_header if layout else ""}
    shown = {name: HIDDEN if name in signatures else value for name, value in signed.items()}
    return dict.fromkeys(target.headers, HIDDEN) | shown
