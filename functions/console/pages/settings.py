"""Settings: whose rows are shown, and what events can be and become."""

from __future__ import annotations

from starlette.responses import Response

from functions.console import sessions
from functions.console.visits import Visit, get, post
from shared.errors import Forbidden
from shared.management import entity_types, event_types
from shared.management.models import ListQuery


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
    return await visit.page("settings.html", entity_types=types, event_types=events)


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
)
