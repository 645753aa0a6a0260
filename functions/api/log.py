"""The log: events that are through or have failed, and what was done with each."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, Field, JsonValue

from functions.api.cursors import Row
from functions.api.events import (
    DETAIL_COLUMNS,
    NEWEST_FIRST,
    SUMMARY_COLUMNS,
    EventDetail,
    EventQuery,
    EventSummary,
    equals,
    filtered,
    find_event,
)
from functions.api.models import Page, StoredResource, Success, Timestamp, refusals
from functions.api.routing import Session, UserSession, create_router
from shared.database import run
from shared.errors import InvalidRequest, NotFound

router = create_router("log")

ENTRY_COLUMNS = (
    "id,rule_id,action_id,action_type,action_config,success,error_message,result,duration_ms,"
    "processed_at"
)
LINK_COLUMNS = "people(id,name,email,kind),entities(id,entity_table)"


class LogQuery(EventQuery):
    """Filters of the log."""

    status: Literal["processed", "failed"] | None = None
    event_type: str | None = Field(default=None, min_length=1, max_length=255)
    since: AwareDatetime | None = Field(default=None, description="Arrived at this time or later.")
    until: AwareDatetime | None = Field(default=None, description="Arrived before this time.")


class LogEntry(StoredResource):
    """One thing that was done with an event: a step of the pipeline, a decision, or a rule's action."""

    action_type: str
    action_config: dict[str, JsonValue] = Field(description="What was asked for, templates filled.")
    success: bool
    error: str | None = Field(validation_alias="error_message")
    result: dict[str, JsonValue] = Field(description="What came of it.")
    duration_ms: float | None
    rule_id: UUID | None = Field(description="The rule, for a rule's action.")
    action_id: UUID | None
    processed_at: Timestamp


class PersonLink(StoredResource):
    """The person that an event was found to be of."""

    name: str | None
    email: str | None
    kind: Literal["person", "automated"]


class EntityLink(StoredResource):
    """The record that an event made or changed."""

    entity_table: str = Field(description="Name of its entity type.")


class LoggedEvent(EventDetail):
    """An event with all that was done."""

    person: PersonLink | None = Field(validation_alias="people")
    entity: EntityLink | None = Field(validation_alias="entities")
    log: list[LogEntry] = Field(description="In the order in which it was done.")


@router.get("/log", responses=refusals(InvalidRequest))
async def list_log(
    session: Session, wanted: Annotated[LogQuery, Query()]
) -> Success[Page[EventSummary]]:
    """Events that are through or have failed, newest first."""
    query = session.database.table("webhook_events").select(SUMMARY_COLUMNS)
    query = _narrowed(filtered(query, session, wanted), wanted)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    items = [EventSummary.model_validate(row) for row in shown]
    return Success(data=Page(items=items, next_cursor=next_cursor))


@router.get("/log/{event_id:uuid}", responses=refusals(NotFound))
async def get_logged_event(session: Session, event_id: UUID) -> Success[LoggedEvent]:
    """One event with what was sent, all that was done with it, and what it became."""
    row = await find_event(session, event_id, f"{DETAIL_COLUMNS},{LINK_COLUMNS}")
    entries = await _entries(session, event_id)
    return Success(data=LoggedEvent.model_validate(row | {"log": entries}))


def _narrowed(query: Any, wanted: LogQuery) -> Any:
    query = query.in_("status", [wanted.status] if wanted.status else ["processed", "failed"])
    if wanted.event_type is not None:
        query = equals(query, "event_type", wanted.event_type)
    if wanted.since is not None:
        query = query.gte("created_at", wanted.since.isoformat())
    if wanted.until is not None:
        query = query.lt("created_at", wanted.until.isoformat())
    return query


async def _entries(session: UserSession, event_id: UUID) -> list[Row]:
    query = session.database.table("webhook_event_logs").select(ENTRY_COLUMNS)
    entries: list[Row] = await run(
        query.eq("webhook_event_id", event_id).order("processed_at").order("id")
    )
    return entries
