"""Endpoints: the sources that webhooks come from."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from starlette.responses import Response

from functions.console.endpoint_form import changed_fields, form_values, new_fields, values_of
from functions.console.lists import list_query
from functions.console.sample_events import send_sample
from functions.console.scheme_guides import GUIDES
from functions.console.scheme_settings import every_setting, settings_of
from functions.console.visits import Visit, get, post
from shared.errors import Conflict, InvalidRequest
from shared.management import endpoints, entity_types, refusals
from shared.management.endpoint_models import Endpoint, EndpointChanges, RotateSecret
from shared.management.models import ListQuery, PageQuery
from shared.signatures import SCHEMES

RECENT = timedelta(hours=24)
REFUSALS_SHOWN = 20


async def show_list(visit: Visit) -> Response:
    page = await endpoints.list_endpoints(visit.session, list_query(visit))
    return await visit.live_page(
        "endpoints.html",
        "endpoints_live.html",
        page=page,
        activity=await _activity(visit, page.items),
        guides=GUIDES,
    )


async def show_one(visit: Visit) -> Response:
    endpoint = await endpoints.get_endpoint(visit.session, _id(visit))
    activity = await _activity(visit, [endpoint])
    command = await endpoints.get_sample_curl(visit.session, endpoint.id)
    refused = await refusals.list_refusals(
        visit.session, endpoint.id, PageQuery(limit=REFUSALS_SHOWN)
    )
    return await visit.live_page(
        "endpoint.html",
        "endpoint_live.html",
        endpoint=endpoint,
        activity=activity.get(str(endpoint.id)),
        guide=GUIDES[endpoint.scheme],
        curl=command.curl,
        refusals=refused.items,
        has_more_refusals=refused.next_cursor is not None,
    )


async def show_new(visit: Visit) -> Response:
    chosen = visit.request.query_params.get("scheme", "standard_webhooks")
    scheme = chosen if chosen in SCHEMES else "standard_webhooks"
    return await _form(visit, None, form_values({"scheme": scheme}))


async def create(visit: Visit) -> Response:
    try:
        made = await endpoints.create_endpoint(visit.session, new_fields(visit.form))
    except (InvalidRequest, Conflict) as error:
        return await _form(visit, None, values_of(visit.form), error.message, error.status)
    return await visit.page(
        "endpoint_secret.html",
        status=201,
        endpoint=made,
        secret=made.secret,
        is_new=True,
        previous_valid_until=None,
        guide=GUIDES[made.scheme],
    )


async def show_edit(visit: Visit) -> Response:
    endpoint = await endpoints.get_endpoint(visit.session, _id(visit))
    return await _form(visit, endpoint, form_values(endpoint.model_dump(mode="json")))


async def change(visit: Visit) -> Response:
    endpoint = await endpoints.get_endpoint(visit.session, _id(visit))
    try:
        changes = changed_fields(visit.form)
        made = await endpoints.change_endpoint(visit.session, endpoint.id, changes)
    except (InvalidRequest, Conflict) as error:
        return await _form(visit, endpoint, values_of(visit.form), error.message, error.status)
    if made.secret is None:
        return visit.go(f"/endpoints/{endpoint.id}", "Saved")
    return await visit.page(
        "endpoint_secret.html",
        endpoint=made,
        secret=made.secret,
        is_new=False,
        previous_valid_until=None,
        guide=GUIDES[made.scheme],
    )


async def switch(visit: Visit) -> Response:
    is_active = visit.form.checked("active")
    changes = EndpointChanges.model_validate({"isActive": is_active})
    endpoint = await endpoints.change_endpoint(visit.session, _id(visit), changes)
    words = "takes webhooks again" if is_active else "refuses webhooks from now on"
    return visit.go(f"/endpoints/{endpoint.id}", f"{endpoint.name} {words}")


async def rotate(visit: Visit) -> Response:
    endpoint = await endpoints.get_endpoint(visit.session, _id(visit))
    given: dict[str, Any] = {"overlapSeconds": visit.form.number("overlapSeconds") or 0}
    if visit.form.text("secret"):
        given["secret"] = visit.form.text("secret")
    try:
        answer = await endpoints.rotate_secret(
            visit.session, endpoint.id, RotateSecret.model_validate(given)
        )
    except ValueError:
        raise InvalidRequest("The old secret may stay valid for up to 7 days") from None
    if "secret" in given:
        return visit.go(f"/endpoints/{endpoint.id}", "The secret is set")
    return await visit.page(
        "endpoint_secret.html",
        endpoint=endpoint,
        secret=answer.secret,
        is_new=False,
        previous_valid_until=answer.previous_valid_until,
        guide=GUIDES[endpoint.scheme],
    )


async def send_test(visit: Visit) -> Response:
    """Posts a signed sample as the source would."""
    endpoint = await endpoints.get_endpoint(visit.session, _id(visit))
    result = await send_sample(visit.session, endpoint)
    return visit.fragment("endpoint_test.html", result=result, endpoint=endpoint)


async def delete(visit: Visit) -> Response:
    await endpoints.delete_endpoint(visit.session, _id(visit))
    return visit.go("/endpoints", "The endpoint is deleted")


async def _form(
    visit: Visit,
    endpoint: Endpoint | None,
    values: dict[str, Any],
    problem: str | None = None,
    status: int = 200,
) -> Response:
    wanted = ListQuery(limit=100)
    types = await entity_types.list_entity_types(visit.session, wanted)
    return await visit.page(
        "endpoint_form.html",
        status,
        endpoint=endpoint,
        values=values,
        problem=problem,
        guides=GUIDES,
        settings=every_setting(),
        settings_of=settings_of,
        entity_types=sorted({one.name for one in types.items}),
    )


async def _activity(visit: Visit, shown: list[Endpoint]) -> dict[str, Any]:
    """What came in lately, by endpoint."""
    if not shown:
        return {}
    rows = await visit.session.database.call(
        "get_endpoint_activity",
        p_endpoint_ids=json.dumps([str(one.id) for one in shown]),
        p_since=(datetime.now(UTC) - RECENT).isoformat(),
    )
    for row in rows:
        at = row["last_event_at"]
        row["last_event_at"] = None if at is None else datetime.fromisoformat(at)
    return {row["id"]: row for row in rows}


def _id(visit: Visit) -> UUID:
    endpoint_id: UUID = visit.request.path_params["endpoint_id"]
    return endpoint_id


ONE = "/endpoints/{endpoint_id:uuid}"
ROUTES = (
    get("/endpoints", show_list),
    get("/endpoints/new", show_new),
    post("/endpoints/new", create),
    get(ONE, show_one),
    get(f"{ONE}/edit", show_edit),
    post(f"{ONE}/edit", change),
    post(f"{ONE}/switch", switch),
    post(f"{ONE}/rotate", rotate),
    post(f"{ONE}/test", send_test),
    post(f"{ONE}/delete", delete),
)
