"""Deliveries: what became of each event at a webhook, and sending it once more."""

from __future__ import annotations

from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field, JsonValue

from shared.database import run
from shared.errors import NotFound
from shared.management.cursors import Row
from shared.management.delivery_log import ATTEMPT_COLUMNS, Attempt
from shared.management.events import NEWEST_FIRST, Looked
from shared.management.models import (
    Page,
    PageQuery,
    Request,
    Resource,
    StoredResource,
    Timestamp,
    TimeText,
)
from shared.management.session import UserSession
from shared.management.webhooks import find_webhook

Status = Literal["pending", "delivering", "delivered", "failed", "filtered"]

DELIVERY_COLUMNS = (
    "id,webhook_id,published_event_id,status,attempts,run_after,response_status,error_message,"
    "finished_at,created_at"
)
COLUMNS = f"{DELIVERY_COLUMNS},published_events(type,is_test)"


class DeliveryQuery(PageQuery):
    """Filters of a webhook's deliveries."""

    status: Status | None = None


class Delivery(StoredResource):
    """An event on its way to a webhook, or arrived."""

    webhook_id: UUID
    event_id: UUID = Field(validation_alias="published_event_id")
    event_type: str
    is_test: bool
    status: Status = Field(description="`filtered`: the webhook's filter has left it out.")
    attempts: int = Field(description="Begun so far.")
    next_attempt_at: Timestamp | None = Field(description="The earliest; null if none is due.")
    response_status: int | None = Field(description="Of the last attempt.")
    error: str | None = Field(
        validation_alias="error_message", description="What the last attempt ended with."
    )
    finished_at: Timestamp | None
    created_at: Timestamp

    @classmethod
    def of(cls, row: Row, event: Row, **more: Any) -> Self:
        """From a row of the table, and one of the event."""
        facts = {"event_type": event["type"], "is_test": event["is_test"]}
        next_at = row["run_after"] if row["status"] == "pending" else None
        return cls.model_validate({**row, **facts, "next_attempt_at": next_at, **more})


class DeliveryDetail(Delivery):
    """A delivery with what is sent, and all attempts."""

    data: dict[str, JsonValue] = Field(description="The event's.")
    log: list[Attempt] = Field(description="In the order in which they were made.")


class Recover(Request):
    """The time in which a receiver was away."""

    since: TimeText = Field(description="What was published at this time or later.")
    until: TimeText | None = Field(default=None, description="What was published before this time.")


class Recovered(Resource):
    """What is on its way again."""

    queued: int = Field(description="How many deliveries.")


async def list_deliveries(
    session: UserSession, webhook_id: UUID, wanted: DeliveryQuery
) -> Page[Delivery]:
    await find_webhook(session, webhook_id, "id")
    query = session.database.table("webhook_deliveries").select(COLUMNS)
    query = query.eq("webhook_id", webhook_id)
    if wanted.status is not None:
        query = query.eq("status", wanted.status)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    items = [Delivery.of(row, row["published_events"]) for row in shown]
    return Page(items=items, next_cursor=next_cursor)


async def look_through_deliveries(
    session: UserSession, webhook_id: UUID, wanted: DeliveryQuery, most: int
) -> Looked[Delivery]:
    """The same, but with a status so many are looked at, and no more: it costs the same beside many as beside few."""
    if wanted.status is None:
        page = await list_deliveries(session, webhook_id, wanted)
        return Looked(items=page.items, next_cursor=page.next_cursor, looked_back_to=None)
    found = await session.database.call(
        "find_deliveries",
        p_webhook_id=str(webhook_id),
        p_status=wanted.status,
        p_before=NEWEST_FIRST.start_of(wanted.cursor),
        p_limit=wanted.limit,
        p_look=most,
    )
    rows: list[Row] = []
    if found["ids"]:
        query = session.database.table("webhook_deliveries").select(COLUMNS)
        rows = await run(query.in_("id", found["ids"]).order("id", desc=True))
    return Looked.of(found, [Delivery.of(row, row["published_events"]) for row in rows])


async def get_delivery(session: UserSession, webhook_id: UUID, delivery_id: UUID) -> DeliveryDetail:
    columns = f"{DELIVERY_COLUMNS},published_events(type,is_test,data)"
    row = await _find(session, webhook_id, delivery_id, columns)
    query = session.database.table("webhook_logs").select(ATTEMPT_COLUMNS)
    log = await run(query.eq("delivery_id", delivery_id).order("attempt"))
    event = row["published_events"]
    return DeliveryDetail.of(row, event, data=event["data"], log=log)


async def retry_delivery(session: UserSession, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    await _find(session, webhook_id, delivery_id, "id")
    await session.database.call("retry_delivery", p_delivery_id=str(delivery_id))
    row = await _find(session, webhook_id, delivery_id, COLUMNS)
    return Delivery.of(row, row["published_events"])


async def recover_webhook(session: UserSession, webhook_id: UUID, window: Recover) -> Recovered:
    answer = await session.database.call(
        "recover_webhook",
        p_webhook_id=str(webhook_id),
        p_since=window.since.isoformat(),
        p_until=None if window.until is None else window.until.isoformat(),
    )
    return Recovered.model_validate(answer)


async def _find(session: UserSession, webhook_id: UUID, delivery_id: UUID, columns: str) -> Row:
    query = session.database.table("webhook_deliveries").select(columns)
    rows: list[Row] = await run(query.eq("id", delivery_id).eq("webhook_id", webhook_id))
    if not rows:
        raise NotFound("There is no such delivery")
    return rows[0]
