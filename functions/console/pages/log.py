"""The log: events that are through or have failed, and the trace of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import PlainTextResponse, Response

from functions.console.formatting import plain_json
from functions.console.lists import FIRST_LOOK, FURTHER_LOOK, PAGE_SIZE, choices, cursor_of
from functions.console.visits import Visit, get, post
from shared.errors import InvalidRequest
from shared.management import log, queue
from shared.management.events import EventSummary, Looked
from shared.management.log import LogQuery
from shared.management.queue import REASONS, ReprocessMany

LOOKS_BY_ITSELF = 10
"""So many further looks a page takes until it asks its reader whether to go on."""
SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
STOP_POLLING = 286
"""htmx takes the answer, and asks no more."""


async def show(visit: Visit) -> Response:
    wanted = _wanted(visit)
    text = _text(visit)
    most = FURTHER_LOOK if wanted.cursor else FIRST_LOOK
    page = await log.look_through_log(visit.session, wanted, text, most)
    response = await visit.live_page(
        "log.html",
        "log_live.html",
        page=page,
        look=_look(visit, page, 0),
        wanted=wanted,
        text=text,
        spans=SPANS,
        moments={name: _moment(visit, name) for name in ("from", "to")},
        **await choices(visit),
    )
    if page.looked_back_to is not None and response.status_code == 200 and visit.is_htmx:
        # What further looks find stands below the live list, so from here on it must not move.
        response.status_code = STOP_POLLING
    return response


async def look_further(visit: Visit) -> Response:
    """The rows of a further look, and where to go on from it."""
    wanted = _wanted(visit)
    number = visit.request.query_params.get("look", "")
    page = await log.look_through_log(visit.session, wanted, _text(visit), FURTHER_LOOK)
    look = _look(visit, page, int(number) if number.isdecimal() and len(number) < 9 else 0)
    return visit.fragment("log_further.html", page=page, look=look)


def _look(visit: Visit, page: Looked[EventSummary], number: int) -> dict[str, Any]:
    """Whether a page goes on looking by itself, and what it asks for then."""
    shown = visit.request.query_params.get("shown", "")
    total = len(page.items) + (int(shown) if shown.isdecimal() and len(shown) < 9 else 0)
    query = {
        name: value
        for name, value in visit.request.query_params.items()
        if name not in {"cursor", "look", "shown"}
    }
    rest = query | {"cursor": page.next_cursor or ""}
    return {
        "by_itself": total < PAGE_SIZE and (number + 1) % LOOKS_BY_ITSELF != 0,
        "total": total,
        "next": urlencode(rest | {"look": number + 1, "shown": total}),
        "page": urlencode(rest),
    }


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
    since = [datetime.now(UTC) - span] if span else []
    begins, ends = _moment(visit, "from"), _moment(visit, "to")
    values["since"] = max([*since, *([begins] if begins else [])], default=None)
    values["until"] = ends and _through_its_second(ends)
    given = {name: value for name, value in values.items() if value}
    try:
        return LogQuery.model_validate(given | {"limit": PAGE_SIZE, "owner": visit.owner})
    except ValueError:
        raise InvalidRequest("There is no such filter") from None


def _text(visit: Visit) -> str:
    return visit.request.query_params.get("text", "").strip()[:200]


def _moment(visit: Visit, name: str) -> datetime | None:
    """A time of the address: UTC, or in the zone that it names."""
    text = visit.request.query_params.get(name, "").strip()
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest("This is no time: 2026-11-25T10:00 would be one") from None


def _through_its_second(moment: datetime) -> datetime:
    """The end of a second that is named as a whole: times are shown and picked without fractions."""
    try:
        return moment if moment.microsecond else moment + timedelta(seconds=1)
    except OverflowError:
        return moment


def _id(visit: Visit) -> UUID:
    event_id: UUID = visit.request.path_params["event_id"]
    return event_id


ROUTES = (
    get("/log", show),
    post("/log/reprocess", reprocess_many),
    get("/log/further", look_further),
    get("/log/{event_id:uuid}", show_one),
    get("/log/{event_id:uuid}/body", show_body),
)
