"""The queue: what waits for review, and what a person decides about it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from starlette.responses import JSONResponse, Response

from functions.console.forms import as_model
from functions.console.lists import PAGE_SIZE, choices, cursor_of
from functions.console.visits import Visit, get, post
from shared.errors import InvalidRequest
from shared.management import queue
from shared.management.queue import REASONS, Approve, Override, QueueQuery, Reprocess

STAGES = ("review", "classify", "prepare", "rules")
NEXT_AT_ONCE = 100


async def show(visit: Visit) -> Response:
    wanted = _wanted(visit, PAGE_SIZE, cursor_of(visit))
    page = await queue.list_queue(visit.session, wanted)
    return await visit.live_page(
        "queue.html",
        "queue_live.html",
        page=page,
        ready=await queue.count_ready(visit.session, wanted, page),
        stages=STAGES,
        wanted=wanted,
        **await choices(visit),
    )


async def show_payload(visit: Visit) -> Response:
    """What was sent, to be unfolded below an event of the list."""
    event = await queue.get_queued_event(visit.session, _id(visit))
    return visit.fragment("payload.html", event=event)


async def override(visit: Visit) -> Response:
    """Corrects the type, or whether a person is behind an event."""
    given: dict[str, Any] = {}
    if visit.form.text("entityTable"):
        given["entityTable"] = visit.form.text("entityTable")
    if "isPerson" in visit.form:
        given["isPerson"] = visit.form.checked("isPerson")
    event = await queue.override_event(visit.session, _id(visit), as_model(Override, given))
    words = "a person" if event.is_person else "no person"
    return visit.go(_back(visit), f"{event.event_type}: {event.entity_table or 'no type'}, {words}")


async def approve(visit: Visit) -> Response:
    event = await queue.approve_event(visit.session, _id(visit))
    return visit.go("/queue", f"{event.event_type} goes on")


async def approve_many(visit: Visit) -> Response:
    """Sends the chosen events on; told to the script that shows the progress."""
    chosen = as_model(Approve, {"ids": visit.form.all("id")})
    answer = await queue.approve_events(visit.session, chosen)
    return _told(visit, answer)


async def approve_next(visit: Visit) -> Response:
    """Sends on some of all events that wait, the filter minded: a script asks until none are left."""
    wanted = QueueQuery.model_validate(_filters(visit.form.text, visit) | {"limit": NEXT_AT_ONCE})
    waiting = await queue.list_queue(visit.session, wanted, only_ready=True)
    ids = [event.id for event in waiting.items]
    if not ids:
        return JSONResponse({"approved": 0, "skipped": [], "left": 0})
    answer = await queue.approve_events(visit.session, Approve(ids=ids))
    return _told(visit, answer, waiting.count - len(answer.approved))


async def reprocess(visit: Visit) -> Response:
    given = {"stage": visit.form.text("stage")} if visit.form.text("stage") else {}
    event = await queue.reprocess_event(visit.session, _id(visit), as_model(Reprocess, given))
    return visit.go(_back(visit), f"{event.event_type} is on its way again, from {event.stage}")


def _told(visit: Visit, answer: queue.Approved, left: int = 0) -> Response:
    if visit.form.text("script") != "1":
        words = f"{len(answer.approved)} sent on"
        if answer.skipped:
            words += (
                f", {len(answer.skipped)} left: {REASONS.get(answer.skipped[0].reason, 'gone')}"
            )
        return visit.go("/queue", words)
    skipped = [REASONS.get(one.reason, "It is gone") for one in answer.skipped]
    return JSONResponse({"approved": len(answer.approved), "skipped": skipped, "left": left})


def _wanted(visit: Visit, limit: int, cursor: str | None) -> QueueQuery:
    query = visit.request.query_params
    values = _filters(lambda name: query.get(name, ""), visit)
    try:
        return QueueQuery.model_validate(values | {"limit": limit, "cursor": cursor})
    except ValueError:
        raise InvalidRequest("There is no such filter") from None


def _filters(text_of: Any, visit: Visit) -> dict[str, Any]:
    given = {
        "stage": text_of("stage"),
        "endpointId": text_of("endpoint"),
        "entityTable": text_of("type"),
    }
    return {name: text for name, text in given.items() if text} | {"owner": visit.owner}


def _back(visit: Visit) -> str:
    """The page that a form stands on: the queue, or the trace of an event."""
    return f"/log/{_id(visit)}" if visit.form.text("back") == "log" else "/queue"


def _id(visit: Visit) -> UUID:
    event_id: UUID = visit.request.path_params["event_id"]
    return event_id


ONE = "/queue/{event_id:uuid}"
ROUTES = (
    get("/queue", show),
    post("/queue/approve", approve_many),
    post("/queue/approve-next", approve_next),
    get(f"{ONE}/payload", show_payload),
    post(f"{ONE}/override", override),
    post(f"{ONE}/approve", approve),
    post(f"{ONE}/reprocess", reprocess),
)
