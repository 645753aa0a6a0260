"""Deliveries to a webhook: every attempt with what was sent and answered, and sending once more."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from starlette.responses import Response

from functions.console.forms import as_model
from functions.console.pages.webhooks import SPANS
from functions.console.visits import Visit, get, post
from shared.errors import InvalidRequest
from shared.management import deliveries, webhooks
from shared.management.deliveries import Recover


async def show(visit: Visit) -> Response:
    webhook_id, delivery_id = _ids(visit)
    webhook = await webhooks.get_webhook(visit.session, webhook_id)
    delivery = await deliveries.get_delivery(visit.session, webhook_id, delivery_id)
    return await visit.live_page(
        "delivery.html", "delivery_live.html", webhook=webhook, delivery=delivery
    )


async def retry(visit: Visit) -> Response:
    webhook_id, delivery_id = _ids(visit)
    delivery = await deliveries.retry_delivery(visit.session, webhook_id, delivery_id)
    back = f"/webhooks/{webhook_id}"
    if visit.form.text("back") == "delivery":
        back += f"/deliveries/{delivery_id}"
    return visit.go(back, f"{delivery.event_type} is on its way again")


async def recover(visit: Visit) -> Response:
    """Sends once more what has failed since a time: so long ago, or from a moment on."""
    webhook_id: UUID = visit.request.path_params["webhook_id"]
    span = SPANS.get(visit.form.text("span"))
    since = (datetime.now(UTC) - span).isoformat() if span else visit.form.text("since")
    if not since:
        raise InvalidRequest("Say since when")
    if not span and "+" not in since and not since.endswith("Z"):
        since += "Z"
    answer = await deliveries.recover_webhook(
        visit.session, webhook_id, as_model(Recover, {"since": since})
    )
    words = (
        f"{answer.queued} deliveries are on their way again"
        if answer.queued
        else "Nothing has failed since then"
    )
    return visit.go(f"/webhooks/{webhook_id}", words)


def _ids(visit: Visit) -> tuple[UUID, UUID]:
    found = visit.request.path_params
    return found["webhook_id"], found["delivery_id"]


WEBHOOK = "/webhooks/{webhook_id:uuid}"
ROUTES = (
    post(f"{WEBHOOK}/recover", recover),
    get(f"{WEBHOOK}/deliveries/{{delivery_id:uuid}}", show),
    post(f"{WEBHOOK}/deliveries/{{delivery_id:uuid}}/retry", retry),
)
