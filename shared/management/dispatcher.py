"""Has dispatch deliver something at once."""

from __future__ import annotations

import asyncio
import logging

import httpx

from shared import telemetry
from shared.errors import ServiceUnavailable
from shared.management.session import Backend
from shared.management.settings import ManagementSettings

logger = logging.getLogger(__name__)

PATH = "/functions/v1/dispatch"


async def deliver_now(backend: Backend, delivery_id: str, *, within_seconds: float) -> None:
    """Returns when dispatch has done with a delivery, or has left it to another worker.

    Raises ServiceUnavailable. The delivery stays in the queue then.
    """
    secret = backend.settings.functions_secret.get_secret_value()
    try:
        async with asyncio.timeout(within_seconds):
            response = await backend.http.post(
                dispatch_url(backend.settings),
                json={"delivery_ids": [delivery_id]},
                headers={"Authorization": f"Bearer {secret}", **telemetry.outgoing_headers()},
                timeout=within_seconds,
            )
    except (httpx.HTTPError, TimeoutError) as error:
        logger.warning("dispatch not reachable", extra={"error": type(error).__name__})
        raise _unavailable("cannot be reached") from None
    if not response.is_success:
        logger.error("dispatch refused a call", extra={"status": response.status_code})
        raise _unavailable(f"answered {response.status_code}")


def dispatch_url(settings: ManagementSettings) -> str:
    return settings.dispatch_url or f"{settings.functions_url.rstrip('/')}{PATH}"


def _unavailable(what: str) -> ServiceUnavailable:
    words = f"dispatch {what}; the test is queued and will be in the webhook's log once it is sent"
    return ServiceUnavailable(words, retry_after=5)
