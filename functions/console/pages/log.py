"""The log: events that are through or have failed, and the trace of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from starlette.responses import PlainTextResponse, Response

from functions.console.formatting import plain_json
from functions.console.lists import PAGE_SIZE, choices, cursor_of
from functions.console.visits import Visit, get, post
from shared.errors import InvalidRequest
from shared.management import log, queue
from shared.management.log import LogQuery
from shared.management.queue import REASONS, ReprocessMany

SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
STEPS = ("classify", "override", "approve", "prepare", "rules")


async def show(visit: Visit) -> Response:
    wanted = _wanted(visit)
    text = visit.request.query_params.get("text", "").strip()[:200]
    page = (
        await log.search_log(visit.session, wanted, text)
        if text
        else await log.list_log(visit.session, wanted)
    )
    return await visit.live_page(
        "log.html",
        "log_live.html",
        page=page,
        wanted=wanted,
        text=text,
        spans=SPANS,
        **await choices(visit),
    )


async def show_one(visit: Visit) -> Response:
    event = await log.get_logged_event(visit.session, _id(visit))
    context = {"event": event}
    if event.stage == "review" or event.status == "failed":
        context |= await choices(visit)
    return await visit.live_page("event.html", "event_live.html", **context)


async def show_body(visit: Visit) -> Response:
    """The payload whole, as text that no browser takes for anything else."""
    event = await log.get_logged_event(visit.session, _id(visit))
    return PlainTextResponse(plain_json(event.payload))


async def reprocess_many(visit: Visit) -> Response:
    ids = visit.form.all("id")
    if not ids:
        return visit.go("/log", "Choose events first")
    try:
        chosen = ReprocessMany.model_validate({"ids": ids})
    except ValueError:
        raise InvalidRequest("Choose up to 1000 events") from None
    answer = await queue.reprocess_events(visit.session, chosen)
    words = f"{len(answer.queued)} on their way again"
    if answer.skipped:
        words += f", {len(answer.skipped)} left: {REASONS.get(answer.skipped[0].reason, 'gone')}"
    return visit.go("/log", words)


def _wanted(visit: Visit) -> LogQuery:
    query = visit.request.query_params
    values: dict[str, Any] = {
        "status": query.get("status"),
        "endpointId": query.get("endpoint"),
        "entityTable": query.get("type"),
        "cursor": cursor_of(visit),
    }
    span = SPANS.get(query.get("span", ""))
    if span is not None:
        values["since"] = datetime.now(UTC) - span
    given = {name: value for name, value in values.items() if value}
    try:
        return LogQuery.model_validate(given | {"limit": PAGE_SIZE, "owner": visit.owner})
    except ValueError:
        raise InvalidRequest("There is no such filter") from None


def _id(visit: Visit) -> UUID:
    event_id: UUID = visit.request.path_params["event_id"]
    return event_id


ROUTES = (
    get("/log", show),
    post("/log/reprocess", reprocess_many),
    get("/log/{event_id:uuid}", show_one),
    get("/log/{event_id:uuid}/body", show_body),
)
