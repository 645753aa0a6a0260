"""Webhooks: where events go out to, and how each fares."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from starlette.responses import Response

from functions.console.forms import as_model
from functions.console.lists import FIRST_LOOK, FURTHER_LOOK, list_query
from functions.console.pages.overview import WINDOWS, read_times
from functions.console.visits import Visit, get, post
from functions.console.webhook_form import changed_fields, form_values, new_fields, values_of
from shared.errors import InvalidRequest, ServiceUnavailable
from shared.management import deliveries, event_types, webhook_trials, webhooks
from shared.management.deliveries import DeliveryQuery
from shared.management.endpoint_models import RotateSecret
from shared.management.models import ListQuery
from shared.management.webhook_models import Webhook, WebhookChanges
from shared.management.webhook_trials import Trial
from shared.profiles import PROFILES

RECENT = timedelta(hours=24)
STATUSES = ("pending", "delivering", "delivered", "failed", "filtered")
SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


async def show_list(visit: Visit) -> Response:
    page = await webhooks.list_webhooks(visit.session, list_query(visit))
    return await visit.live_page(
        "webhooks.html", "webhooks_live.html", page=page, health=await _health(visit, page.items)
    )


async def show_one(visit: Visit) -> Response:
    webhook = await webhooks.get_webhook(visit.session, _id(visit))
    query = visit.request.query_params
    try:
        wanted = DeliveryQuery.model_validate(
            {"status": query.get("status") or None, "cursor": query.get("cursor") or None}
        )
    except ValueError:
        raise InvalidRequest("There is no such filter") from None
    name = query.get("window", "day")
    window = WINDOWS.get(name, WINDOWS["day"])
    stats = await visit.session.database.call(
        "get_webhook_activity",
        p_webhook_id=str(webhook.id),
        **window.arguments(datetime.now(UTC)),
    )
    read_times(stats["series"])
    sent = await deliveries.look_through_deliveries(
        visit.session, webhook.id, wanted, FURTHER_LOOK if wanted.cursor else FIRST_LOOK
    )
    return await visit.live_page(
        "webhook.html",
        "webhook_live.html",
        webhook=webhook,
        stats=stats,
        page=sent,
        wanted=wanted,
        statuses=STATUSES,
        windows=WINDOWS,
        chosen=name if name in WINDOWS else "day",
        window=window,
        spans=SPANS,
    )


async def show_new(visit: Visit) -> Response:
    kind = "slack" if visit.request.query_params.get("kind") == "slack" else "http"
    return await _form(visit, None, form_values({"kind": kind}))


async def create(visit: Visit) -> Response:
    try:
        made = await webhooks.create_webhook(visit.session, new_fields(visit.form))
    except InvalidRequest as error:
        return await _form(visit, None, values_of(visit.form), error.message)
    if made.kind == "slack":  # which checks no signature
        return visit.go(f"/webhooks/{made.id}", "Saved. Send a test to see it in Slack")
    return await visit.page(
        "webhook_secret.html", 201, webhook=made, secret=made.secret, previous_valid_until=None
    )


async def show_edit(visit: Visit) -> Response:
    webhook = await webhooks.get_webhook(visit.session, _id(visit))
    return await _form(visit, webhook, form_values(webhook.model_dump(mode="json")))


async def change(visit: Visit) -> Response:
    webhook = await webhooks.get_webhook(visit.session, _id(visit))
    try:
        await webhooks.change_webhook(visit.session, webhook.id, changed_fields(visit.form))
    except InvalidRequest as error:
        return await _form(visit, webhook, values_of(visit.form), error.message)
    return visit.go(f"/webhooks/{webhook.id}", "Saved")


async def switch(visit: Visit) -> Response:
    is_active = visit.form.checked("active")
    changes = WebhookChanges.model_validate({"active": is_active})
    webhook = await webhooks.change_webhook(visit.session, _id(visit), changes)
    words = "is on; what has waited is sent now" if is_active else "is paused; events wait"
    return visit.go(f"/webhooks/{webhook.id}", f"{webhook.name} {words}")


async def rotate(visit: Visit) -> Response:
    webhook = await webhooks.get_webhook(visit.session, _id(visit))
    rotation = as_model(RotateSecret, {"overlapSeconds": visit.form.number("overlapSeconds") or 0})
    answer = await webhooks.regenerate_secret(visit.session, webhook.id, rotation)
    return await visit.page(
        "webhook_secret.html",
        webhook=webhook,
        secret=answer.secret,
        previous_valid_until=answer.previous_valid_until,
    )


async def send_test(visit: Visit) -> Response:
    """Sends one event, and shows what the receiver answered."""
    webhook = await webhooks.get_webhook(visit.session, _id(visit))
    given: dict[str, Any] = {}
    try:
        if visit.form.text("eventType"):
            given["eventType"] = visit.form.text("eventType")
        if visit.form.text("payload"):
            given["payload"] = visit.form.json("payload")
        result = await webhook_trials.test_webhook(
            visit.session, webhook.id, as_model(Trial, given)
        )
    except (InvalidRequest, ServiceUnavailable) as error:
        return visit.fragment(
            "webhook_test.html", webhook=webhook, result=None, problem=error.message
        )
    return visit.fragment("webhook_test.html", webhook=webhook, result=result, problem=None)


async def delete(visit: Visit) -> Response:
    await webhooks.delete_webhook(visit.session, _id(visit))
    return visit.go("/webhooks", "The webhook is deleted")


async def _form(
    visit: Visit, webhook: Webhook | None, values: dict[str, Any], problem: str | None = None
) -> Response:
    types = await event_types.list_event_types(visit.session, ListQuery(limit=100))
    return await visit.page(
        "webhook_form.html",
        400 if problem else 200,
        webhook=webhook,
        values=values,
        problem=problem,
        profiles=PROFILES,
        event_types=types.items,
    )


async def _health(visit: Visit, shown: list[Webhook]) -> dict[str, Any]:
    """How each fared lately, by webhook."""
    if not shown:
        return {}
    rows = await visit.session.database.call(
        "get_webhook_health",
        p_webhook_ids=json.dumps([str(one.id) for one in shown]),
        p_since=(datetime.now(UTC) - RECENT).isoformat(),
    )
    for row in rows:
        if row["last"] is not None:
            row["last"]["at"] = datetime.fromisoformat(row["last"]["at"])
    return {row["id"]: row for row in rows}


def _id(visit: Visit) -> UUID:
    webhook_id: UUID = visit.request.path_params["webhook_id"]
    return webhook_id


ONE = "/webhooks/{webhook_id:uuid}"
ROUTES = (
    get("/webhooks", show_list),
    get("/webhooks/new", show_new),
    post("/webhooks/new", create),
    get(ONE, show_one),
    get(f"{ONE}/edit", show_edit),
    post(f"{ONE}/edit", change),
    post(f"{ONE}/switch", switch),
    post(f"{ONE}/rotate", rotate),
    post(f"{ONE}/test", send_test),
    post(f"{ONE}/delete", delete),
)
