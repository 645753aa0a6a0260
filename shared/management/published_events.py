"""Events that go out: publishing them, and what became of each."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, JsonValue, StringConstraints

from shared.database import run
from shared.errors import InvalidRequest, NotFound
from shared.event_schemas import problems
from shared.management.cursors import Row
from shared.management.deliveries import DELIVERY_COLUMNS, Delivery
from shared.management.event_types import schema_of
from shared.management.events import NEWEST_FIRST, equals
from shared.management.models import (
    EventName,
    ListQuery,
    Page,
    Request,
    Resource,
    StoredResource,
    Timestamp,
)
from shared.management.session import UserSession

Key = Annotated[str, StringConstraints(min_length=1, max_length=255)]

SUMMARY_COLUMNS = "id,type,idempotency_key,is_test,created_at"


class EventListQuery(ListQuery):
    """Filters of the list of events."""

    event: EventName | None = Field(default=None, description="Name of the event.")


class Publish(Request):
    """An event to publish."""

    event: EventName = Field(description="Its name, such as `ticket.created`.")
    data: dict[str, JsonValue] = Field(
        description="What it tells; it must meet the schema of the event's type."
    )
    idempotency_key: Key | None = Field(
        default=None, description="The same as the header Idempotency-Key."
    )


class Published(Resource):
    """What became of a call to publish."""

    id: UUID
    state: Literal["published", "duplicate"] = Field(
        description="`published`, or `duplicate`: the key was used before, and this is that event."
    )
    deliveries: int = Field(description="How many webhooks get it.")


class PublishedEvent(StoredResource):
    """An event that went out."""

    event: str = Field(validation_alias="type", description="Its name.")
    idempotency_key: str | None
    is_test: bool = Field(description="Made to try one webhook.")
    created_at: Timestamp


class PublishedEventDetail(PublishedEvent):
    """An event with its data, and its deliveries."""

    data: dict[str, JsonValue]
    deliveries: list[Delivery]


class Replayed(Resource):
    """What is on its way again."""

    id: UUID
    queued: int = Field(description="How many deliveries.")


async def publish_event(
    session: UserSession,
    new: Publish,
    idempotency_key: Key | None,
) -> Published:
    keys = {new.idempotency_key, idempotency_key} - {None}
    if len(keys) > 1:
        raise InvalidRequest("idempotencyKey: the header Idempotency-Key says something else")
    await _require_valid(session, new)
    answer = await session.database.call(
        "publish_event",
        p_type=new.event,
        p_data=json.dumps(new.data),
        p_idempotency_key=next(iter(keys), None),
    )
    return Published.model_validate(answer)


async def list_published_events(
    session: UserSession, wanted: EventListQuery
) -> Page[PublishedEvent]:
    query = session.database.table("published_events").select(SUMMARY_COLUMNS)
    if wanted.owner == "me":
        query = query.eq("user_id", session.user_id)
    if wanted.event is not None:
        query = equals(query, "type", wanted.event)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    items = [PublishedEvent.model_validate(row) for row in shown]
    return Page(items=items, next_cursor=next_cursor)


async def get_published_event(session: UserSession, event_id: UUID) -> PublishedEventDetail:
    columns = f"{SUMMARY_COLUMNS},data,webhook_deliveries({DELIVERY_COLUMNS})"
    query = session.database.table("published_events").select(columns).eq("id", event_id)
    rows: list[Row] = await run(query)
    if not rows:
        raise NotFound("There is no such event")
    return _detail(rows[0])


async def replay_event(session: UserSession, event_id: UUID) -> Replayed:
    answer = await session.database.call("replay_event", p_event_id=str(event_id))
    return Replayed.model_validate(answer)


async def _require_valid(session: UserSession, new: Publish) -> None:
    """Raises InvalidRequest, with the place, unless the data meets the schema of the event's type."""
    schema: dict[str, Any] | None = await schema_of(session, new.event)
    if schema is None:
        return
    # In a thread, so that others are answered while large data is being looked at.
    problem = await asyncio.to_thread(problems, schema, new.data)
    if problem is not None:
        raise InvalidRequest(f"data: {problem}")


def _detail(row: Row) -> PublishedEventDetail:
    deliveries = sorted(row["webhook_deliveries"], key=lambda one: str(one["id"]))
    told = [Delivery.of(one, row) for one in deliveries]
    return PublishedEventDetail.model_validate({**row, "deliveries": told})
