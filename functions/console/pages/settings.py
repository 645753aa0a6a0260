"""Settings: whose rows are shown, what events can be and become, Slack, and how long things are kept."""

from __future__ import annotations

from starlette.responses import Response

from functions.console import sessions
from functions.console.visits import Visit, get, post
from shared.errors import Forbidden, InvalidRequest
from shared.management import entity_types, event_types, webhooks
from shared.management.models import ListQuery

MOST_DAYS = 3650


async def show(visit: Visit) -> Response:
    query = visit.request.query_params
    types = await entity_types.list_entity_types(
        visit.session,
        ListQuery(limit=100, owner=visit.owner, cursor=query.get("types") or None),
    )
    events = await event_types.list_event_types(
        visit.session,
        ListQuery(limit=100, owner=visit.owner, cursor=query.get("events") or None),
    )
    slack = await webhooks.list_webhooks(
        visit.session, ListQuery(limit=100, owner=visit.owner), kind="slack"
    )
    retention = await visit.session.database.call("get_retention")
    return await visit.page(
        "settings.html",
        entity_types=types,
        event_types=events,
        slack=slack.items,
        keep_days=retention["keep_days"],
    )


async def set_retention(visit: Visit) -> Response:
    """Lets an admin choose how long what has been finished is kept."""
    days = visit.form.number("keepDays")
    if not isinstance(days, int) or not 0 <= days <= MOST_DAYS:
        raise InvalidRequest(f"Days are a whole number up to {MOST_DAYS}; 0 keeps everything")
    told = await visit.session.database.call("set_retention", p_keep_days=days)
    kept = f"kept for {told['keep_days']} days" if told["keep_days"] else "always kept"
    return visit.go("/settings", f"What is finished is {kept} from now on")


async def see_everybody(visit: Visit) -> Response:
    """Lets an admin see everybody's rows on every page, or their own alone again."""
    wants = visit.form.checked("everybody")
    if wants and not (await visit.navigation())["is_admin"]:
        raise Forbidden("Only admins see everybody's rows")
    response = visit.go(
        "/settings", "Everybody's rows are shown" if wants else "Your own rows are shown"
    )
    if wants:
        sessions.set_cookie(visit.request, response, sessions.EVERYBODY, "1")
    else:
        sessions.delete_cookie(visit.request, response, sessions.EVERYBODY)
    return response


ROUTES = (
    get("/settings", show),
    post("/settings/everybody", see_everybody),
    post("/settings/retention", set_retention),
)
