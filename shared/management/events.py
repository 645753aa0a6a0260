"""Events as the queue and the log show them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field, JsonValue, TypeAdapter

from shared.database import run
from shared.errors import NotFound
from shared.management.cursors import Order, Row
from shared.management.models import (
    Data,
    EntityTypeName,
    ListQuery,
    Page,
    StoredResource,
    Timestamp,
)
from shared.management.session import UserSession

Status = Literal["pending", "processing", "processed", "failed"]
Stage = Literal["classify", "review", "prepare", "rules", "done"]

SUMMARY_COLUMNS = (
    "id,event_type,external_id,entity_table,is_person,ai_confidence,classified_by,status,stage,"
    "attempts,error_message,person_id,entity_id,processed_at,created_at,"
    "webhook_endpoints(id,name,slug)"
)
DETAIL_COLUMNS = f"{SUMMARY_COLUMNS},scheme,payload,headers"

# The ids of events are UUIDv7, so this is newest first.
NEWEST_FIRST = Order(("id",), TypeAdapter(tuple[UUID]), descending=True)


class EndpointReference(StoredResource):
    """The endpoint that an event came in by."""

    name: str
    slug: str


class EventSummary(StoredResource):
    """An event without what was sent."""

    endpoint: EndpointReference = Field(validation_alias="webhook_endpoints")
    event_type: str
    external_id: str | None = Field(description="The source's id of what the event is about.")
    entity_table: str | None = Field(description="Name of the entity type; null if undecided.")
    is_person: bool | None
    confidence: float | None = Field(validation_alias="ai_confidence")
    classified_by: str | None = Field(
        description="The classifier, `default`, `user:` and an id, or `override:` and the id of a "
        "remembered decision."
    )
    status: Status
    stage: Stage
    attempts: int = Field(description="Tries in the present stage.")
    error_message: str | None
    person_id: UUID | None
    entity_id: UUID | None
    processed_at: Timestamp | None
    created_at: Timestamp


class EventDetail(EventSummary):
    """An event with what was sent."""

    scheme: str = Field(description="How the request was verified; `none`: it was not.")
    payload: JsonValue
    headers: dict[str, str] = Field(description="As they came, without credentials.")


class EventQuery(ListQuery):
    """The filters that queue and log share."""

    endpoint_id: UUID | None = None
    entity_table: EntityTypeName | None = None


class Looked(Page[Data]):
    """What a stretch of a list holds. It may hold nothing although there is more: `next_cursor` tells."""

    looked_back_to: Timestamp | None
    """Where the stretch ended before the page was full or the list was through."""

    @classmethod
    def of(cls, found: Mapping[str, Any], items: list[Data]) -> Self:
        """From what an RPC of sql/71_search.sql answers."""
        next_cursor = NEWEST_FIRST.after({"id": found["next"]}) if found["next"] else None
        return cls(items=items, next_cursor=next_cursor, looked_back_to=found["looked_back_to"])


def first_id_at(moment: datetime, more_seconds: int = 0) -> UUID:
    """The lowest UUIDv7 that can have been made so long after a time."""
    milliseconds = int((moment.timestamp() + more_seconds) * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def filtered(query: Any, session: UserSession, wanted: EventQuery) -> Any:
    """The query narrowed by the filters that queue and log share."""
    if wanted.owner == "me":
        query = query.eq("user_id", session.user_id)
    if wanted.endpoint_id is not None:
        query = query.eq("endpoint_id", wanted.endpoint_id)
    if wanted.entity_table is not None:
        query = equals(query, "entity_table", wanted.entity_table)
    return query


def equals(query: Any, column: str, text: str) -> Any:
    """The query for rows with this text in the column.

    The local API server does not take a bare true, false or null for text. Quotes are for lists only.
    """
    if text.lower() in {"true", "false", "null"}:
        return query.filter(column, "in", f'("{text}")')
    return query.eq(column, text)


async def find_event(session: UserSession, event_id: UUID, columns: str) -> Row:
    """Raises NotFound for an event that is not there, or not the caller's."""
    query = session.database.table("webhook_events").select(columns).eq("id", event_id)
    rows: list[Row] = await run(query)
    if not rows:
        raise NotFound("There is no such event")
    return rows[0]


async def summary(session: UserSession, event_id: UUID) -> EventSummary:
    """The event as it is now. Raises NotFound."""
    return EventSummary.model_validate(await find_event(session, event_id, SUMMARY_COLUMNS))


def reasons(answer: Mapping[str, Any]) -> dict[UUID, str]:
    """Why a decision about several events left some of them out."""
    return {UUID(one["id"]): one["reason"] for one in answer["skipped"]}
