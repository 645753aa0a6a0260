"""The catalogue of outgoing events: what there is to subscribe to, and what its data looks like."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, JsonValue, StringConstraints, TypeAdapter, computed_field

from shared.database import run
from shared.errors import Forbidden, InvalidRequest, NotFound
from shared.event_schemas import check_schema, problems
from shared.management.cursors import Order, Row
from shared.management.events import equals
from shared.management.models import (
    EVENT_NAME_PATTERN,
    Deleted,
    EventName,
    ListQuery,
    Page,
    Request,
    StoredResource,
    Timestamp,
    at_place,
)
from shared.management.session import UserSession

ORDER = Order(("name", "id"), TypeAdapter(tuple[EventName, UUID]))
MAX_EXAMPLE_BYTES = 65_536


class EventTypeFields(Request):
    """What makes an event type, beside its name."""

    description: Annotated[str, StringConstraints(max_length=2000)] = ""
    json_schema: dict[str, JsonValue] | None = Field(
        default=None,
        alias="schema",
        description="JSON Schema that the data of such an event must meet; without one, any will do.",
    )
    example: dict[str, JsonValue] | None = Field(
        default=None, description="Data of such an event, for readers and for test sends."
    )


class EventType(StoredResource):
    """A kind of outgoing event."""

    name: str
    description: str
    json_schema: dict[str, JsonValue] | None = Field(
        validation_alias="schema", serialization_alias="schema"
    )
    example: dict[str, JsonValue] | None
    user_id: UUID | None = Field(description="Whose it is; null for a shipped one.")
    created_at: Timestamp
    updated_at: Timestamp

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_shipped(self) -> bool:
        return self.user_id is None


async def list_event_types(session: UserSession, wanted: ListQuery) -> Page[EventType]:
    query = session.database.table("event_types").select("*")
    is_own_view = wanted.owner == "me"
    any_of = _meant_for(session.user_id) if is_own_view else ""
    page = ORDER.page_of(query, limit=wanted.limit, cursor=wanted.cursor, any_of=any_of)
    rows, next_cursor = ORDER.cut(await run(page), wanted.limit)
    hidden = await _own_names(session, rows) if is_own_view else set[str]()
    shown = [row for row in rows if row["user_id"] is not None or row["name"] not in hidden]
    items = [EventType.model_validate(row) for row in shown]
    return Page(items=items, next_cursor=next_cursor)


async def get_event_type(session: UserSession, name: str) -> EventType:
    return EventType.model_validate(await _find(session, name))


async def save_event_type(session: UserSession, name: EventName, new: EventTypeFields) -> EventType:
    # In a thread, so that others are answered while a large schema is being looked at.
    await asyncio.to_thread(_check, new)
    row = {"name": name, **new.model_dump(mode="json", by_alias=True)}
    table = session.database.table("event_types")
    rows = await run(table.upsert(row, on_conflict="user_id,name"))
    return EventType.model_validate(rows[0])


async def delete_event_type(session: UserSession, name: str) -> Deleted:
    found = await _find(session, name)
    if found["user_id"] is None:
        raise Forbidden("Shipped event types cannot be deleted")
    await run(session.database.table("event_types").delete().eq("id", found["id"]))
    return Deleted.model_validate(found)


async def schema_of(session: UserSession, name: str) -> dict[str, Any] | None:
    """What the data of such an event must meet, for the caller; None where any will do."""
    found = await _effective(session, name, "user_id,schema")
    schema: dict[str, Any] | None = found["schema"] if found else None
    return schema


def _check(new: EventTypeFields) -> None:
    """Raises InvalidRequest, naming field and place."""
    if new.json_schema is not None:
        with at_place("schema"):
            check_schema(new.json_schema)
    if new.example is None:
        return
    if len(json.dumps(new.example)) > MAX_EXAMPLE_BYTES:
        raise InvalidRequest(f"example: it has at most {MAX_EXAMPLE_BYTES} bytes as JSON")
    problem = None if new.json_schema is None else problems(new.json_schema, new.example)
    if problem is not None:
        raise InvalidRequest(f"example: {problem}")


async def _own_names(session: UserSession, rows: list[Row] | Any) -> set[str]:
    """Those names of shipped types on a page that the caller has a type of too."""
    shipped = [row["name"] for row in rows if row["user_id"] is None]
    if not shipped:
        return set()
    quoted = ",".join(f'"{name}"' for name in shipped)
    query = session.database.table("event_types").select("name").eq("user_id", session.user_id)
    return {row["name"] for row in await run(query.filter("name", "in", f"({quoted})"))}


def _meant_for(user_id: UUID) -> str:
    return f"user_id.is.null,user_id.eq.{user_id}"


async def _effective(session: UserSession, name: str, columns: str) -> Row | None:
    query = equals(session.database.table("event_types").select(columns), "name", name)
    rows: list[Row] = await run(query.or_(_meant_for(session.user_id)))
    return min(rows, key=lambda row: row["user_id"] is None, default=None)


async def _find(session: UserSession, name: str) -> Row:
    found = await _effective(session, name, "*") if re.match(EVENT_NAME_PATTERN, name) else None
    if found is None:
        raise NotFound("There is no such event type")
    return found
