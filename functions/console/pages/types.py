"""Entity types and event types: their forms."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from starlette.responses import Response

from functions.console.formatting import plain_json
from functions.console.forms import Form, as_model
from functions.console.visits import Visit, get, post
from shared.errors import Conflict, Forbidden, InvalidRequest
from shared.management import entity_types, event_types
from shared.management.entity_types import EntityType, EntityTypeFields
from shared.management.event_types import EventType, EventTypeFields
from shared.management.models import EventName

EVENT_NAME = TypeAdapter(EventName)


async def show_new_entity_type(visit: Visit) -> Response:
    values = {
        "name": "",
        "description": "",
        "target_table": "",
        "match_columns": "",
        "field_map": "{}",
    }
    return await _entity_form(visit, None, values)


async def create_entity_type(visit: Visit) -> Response:
    try:
        made = await entity_types.create_entity_type(visit.session, _entity_fields(visit.form))
    except (InvalidRequest, Conflict) as error:
        return await _entity_form(visit, None, _entity_values(visit.form), error.message)
    return visit.go("/settings", f"{made.name} is registered")


async def show_entity_type(visit: Visit) -> Response:
    found = await entity_types.get_entity_type(visit.session, _id(visit))
    values = {
        "name": found.name,
        "description": found.description,
        "target_table": found.target_table,
        "match_columns": ", ".join(found.match_columns),
        "field_map": plain_json(found.field_map),
    }
    return await _entity_form(visit, found, values)


async def change_entity_type(visit: Visit) -> Response:
    found = await entity_types.get_entity_type(visit.session, _id(visit))
    try:
        await entity_types.replace_entity_type(visit.session, found.id, _entity_fields(visit.form))
    except (InvalidRequest, Conflict, Forbidden) as error:
        return await _entity_form(visit, found, _entity_values(visit.form), error.message)
    return visit.go("/settings", "Saved")


async def delete_entity_type(visit: Visit) -> Response:
    await entity_types.delete_entity_type(visit.session, _id(visit))
    return visit.go("/settings", "The entity type is deleted; its table and records stay")


async def show_new_event_type(visit: Visit) -> Response:
    values = {"name": "", "description": "", "schema": "", "example": ""}
    return await _event_form(visit, None, values)


async def show_event_type(visit: Visit) -> Response:
    found = await event_types.get_event_type(visit.session, visit.request.path_params["name"])
    values = {
        "name": found.name,
        "description": found.description,
        "schema": "" if found.json_schema is None else plain_json(found.json_schema),
        "example": "" if found.example is None else plain_json(found.example),
    }
    return await _event_form(visit, found, values)


async def save_event_type(visit: Visit) -> Response:
    form = visit.form
    try:
        name = _event_name(form.text("name"))
        fields = as_model(
            EventTypeFields,
            {
                "description": form.text("description"),
                "schema": form.json("schema"),
                "example": form.json("example"),
            },
        )
        await event_types.save_event_type(visit.session, name, fields)
    except InvalidRequest as error:
        values = {one: form.text(one) for one in ("name", "description", "schema", "example")}
        return await _event_form(visit, None, values, error.message)
    return visit.go("/settings", f"{name} is saved")


async def delete_event_type(visit: Visit) -> Response:
    await event_types.delete_event_type(visit.session, visit.request.path_params["name"])
    return visit.go("/settings", "The event type is deleted")


def _event_name(text: str) -> str:
    try:
        return EVENT_NAME.validate_python(text)
    except ValueError:
        raise InvalidRequest(
            "name: words of letters, digits, _ and -, with dots between them"
        ) from None


def _entity_fields(form: Form) -> EntityTypeFields:
    return as_model(
        EntityTypeFields,
        {
            "name": form.text("name"),
            "description": form.text("description"),
            "targetTable": form.text("targetTable"),
            "matchColumns": form.lines("matchColumns"),
            "fieldMap": form.json("fieldMap", {}),
        },
    )


def _entity_values(form: Form) -> dict[str, str]:
    return {
        "name": form.text("name"),
        "description": form.text("description"),
        "target_table": form.text("targetTable"),
        "match_columns": form.text("matchColumns"),
        "field_map": form.text("fieldMap"),
    }


async def _entity_form(
    visit: Visit, found: EntityType | None, values: dict[str, Any], problem: str | None = None
) -> Response:
    status = 400 if problem else 200
    return await visit.page(
        "entity_type_form.html", status, found=found, values=values, problem=problem
    )


async def _event_form(
    visit: Visit, found: EventType | None, values: dict[str, Any], problem: str | None = None
) -> Response:
    status = 400 if problem else 200
    return await visit.page(
        "event_type_form.html", status, found=found, values=values, problem=problem
    )


def _id(visit: Visit) -> UUID:
    type_id: UUID = visit.request.path_params["type_id"]
    return type_id


ENTITY = "/settings/entity-types/{type_id:uuid}"
ROUTES = (
    get("/settings/entity-types/new", show_new_entity_type),
    post("/settings/entity-types/new", create_entity_type),
    get(ENTITY, show_entity_type),
    post(ENTITY, change_entity_type),
    post(f"{ENTITY}/delete", delete_entity_type),
    get("/settings/event-types/new", show_new_event_type),
    post("/settings/event-types", save_event_type),
    get("/settings/event-types/{name}", show_event_type),
    post("/settings/event-types/{name}/delete", delete_event_type),
)
