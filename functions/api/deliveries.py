"""Deliveries: what became of each event at a webhook, and sending it once more."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Query
from pydantic import Field, JsonValue

from functions.api.cursors import Row
from functions.api.delivery_log import ATTEMPT_COLUMNS, Attempt
from functions.api.events import NEWEST_FIRST
from functions.api.models import (
    WITH_BODY,
    Page,
    PageQuery,
    Request,
    Resource,
    StoredResource,
    Success,
    Timestamp,
    TimeText,
    refusals,
)
from functions.api.routing import Session, UserSession, create_router
from functions.api.webhooks import find_webhook
from shared.database import run
from shared.errors import InvalidRequest, InvalidState, NotFound

router = create_router("webhooks")

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


@router.get("/webhooks/{webhook_id:uuid}/deliveries", responses=refusals(InvalidRequest, NotFound))
async def list_deliveries(
    session: Session, webhook_id: UUID, wanted: Annotated[DeliveryQuery, Query()]
) -> Success[Page[Delivery]]:
    """Deliveries to a webhook, newest first."""
    await find_webhook(session, webhook_id, "id")
    query = session.database.table("webhook_deliveries").select(COLUMNS)
    query = query.eq("webhook_id", webhook_id)
    if wanted.status is not None:
        query = query.eq("status", wanted.status)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    items = [Delivery.of(row, row["published_events"]) for row in shown]
    return Success(data=Page(items=items, next_cursor=next_cursor))


@router.get(
    "/webhooks/{webhook_id:uuid}/deliveries/{delivery_id:uuid}", responses=refusals(NotFound)
)
async def get_delivery(
    session: Session, webhook_id: UUID, delivery_id: UUID
) -> Success[DeliveryDetail]:
    """One delivery with the event's data and every attempt."""
    columns = f"{DELIVERY_COLUMNS},published_events(type,is_test,data)"
    row = await _find(session, webhook_id, delivery_id, columns)
    query = session.database.table("webhook_logs").select(ATTEMPT_COLUMNS)
    log = await run(query.eq("delivery_id", delivery_id).order("attempt"))
    event = row["published_events"]
    return Success(data=DeliveryDetail.of(row, event, data=event["data"], log=log))


@router.post(
    "/webhooks/{webhook_id:uuid}/deliveries/{delivery_id:uuid}/retry",
    responses=refusals(NotFound, InvalidState),
)
async def retry_delivery(
    session: Session, webhook_id: UUID, delivery_id: UUID
) -> Success[Delivery]:
    """Sends a finished delivery once more, under the same event id, with all its attempts ahead."""
    await _find(session, webhook_id, delivery_id, "id")
    await session.database.call("retry_delivery", p_delivery_id=str(delivery_id))
    row = await _find(session, webhook_id, delivery_id, COLUMNS)
    return Success(data=Delivery.of(row, row["published_events"]))


@router.post("/webhooks/{webhook_id:uuid}/recover", responses=refusals(*WITH_BODY, NotFound))
async def recover_webhook(
    session: Session, webhook_id: UUID, window: Recover
) -> Success[Recovered]:
    """Sends everything once more that has failed for a webhook within a time."""
    answer = await session.database.call(
        "recover_webhook",
        p_webhook_id=str(webhook_id),
        p_since=window.since.isoformat(),
        p_until=None if window.until is None else window.until.isoformat(),
    )
    return Success(data=Recovered.model_validate(answer))


async def _find(session: UserSession, webhook_id: UUID, delivery_id: UUID, columns: str) -> Row:
    query = session.database.table("webhook_deliveries").select(columns)
    rows: list[Row] = await run(query.eq("id", delivery_id).eq("webhook_id", webhook_id))
    if not rows:
        raise NotFound("There is no such delivery")
    return rows[0]
