"""Remembered overrides: what a person decided in the queue, and the classifier keeps to since."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field, TypeAdapter

from functions.api.models import Success, refusals
from functions.api.routing import Session, create_router
from shared.database import run
from shared.errors import InvalidRequest, NotFound
from shared.management.cursors import Order
from shared.management.events import EndpointReference
from shared.management.models import Deleted, ListQuery, Page, StoredResource, Timestamp

router = create_router("overrides")

NEWEST_FIRST = Order(("updated_at", "id"), TypeAdapter(tuple[Timestamp, UUID]), descending=True)
COLUMNS = (
    "id,event_type,entity_table,is_person,decided_by,created_at,updated_at,"
    "webhook_endpoints(id,name,slug)"
)


class OverrideQuery(ListQuery):
    """Filters of the list."""

    endpoint_id: UUID | None = None


class RememberedOverride(StoredResource):
    """A decision that holds for events of one type that come in by one endpoint."""

    endpoint: EndpointReference = Field(validation_alias="webhook_endpoints")
    event_type: str
    entity_table: str | None = Field(description="What they become; null: as classified.")
    is_person: bool | None = Field(description="Null: as classified.")
    decided_by: UUID = Field(description="Who decided last.")
    created_at: Timestamp
    updated_at: Timestamp


@router.get("/overrides", responses=refusals(InvalidRequest))
async def list_overrides(
    session: Session, wanted: Annotated[OverrideQuery, Query()]
) -> Success[Page[RememberedOverride]]:
    """What was decided in the queue and is kept to since, newest first."""
    query = session.database.table("classification_overrides").select(COLUMNS)
    if wanted.owner == "me":
        query = query.eq("user_id", session.user_id)
    if wanted.endpoint_id is not None:
        query = query.eq("endpoint_id", wanted.endpoint_id)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    items = [RememberedOverride.model_validate(row) for row in shown]
    return Success(data=Page(items=items, next_cursor=next_cursor))


@router.delete("/overrides/{override_id:uuid}", responses=refusals(NotFound))
async def delete_override(session: Session, override_id: UUID) -> Success[Deleted]:
    """Takes a decision back: later events are for the classifier again. Earlier ones stay as they are."""
    table = session.database.table("classification_overrides")
    rows = await run(table.delete().eq("id", override_id))
    if not rows:
        raise NotFound("There is no such remembered override")
    return Success(data=Deleted.model_validate(rows[0]))
