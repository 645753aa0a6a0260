"""The log of a webhook: one entry per attempt to deliver something."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, computed_field

from shared.database import run
from shared.management.events import NEWEST_FIRST, equals
from shared.management.models import EventName, Page, PageQuery, StoredResource, Timestamp
from shared.management.session import UserSession
from shared.management.webhooks import find_webhook

Outcome = Literal["delivered", "failed", "unknown"]

ATTEMPT_COLUMNS = (
    "id,delivery_id,webhook_id,published_event_id,event_type,is_test,attempt,outcome,error_code,"
    "error_message,request_url,request_headers,request_body_sha256,response_status,"
    "response_headers,response_body,latency_ms,attempted_at"
)


class LogQuery(PageQuery):
    """Filters of a webhook's log."""

    success: bool | None = Field(default=None, description="Whether it was delivered.")
    outcome: Outcome | None = None
    event_type: EventName | None = None
    delivery_id: UUID | None = None
    since: AwareDatetime | None = Field(default=None, description="Begun at this time or later.")
    until: AwareDatetime | None = Field(default=None, description="Begun before this time.")


class Attempt(StoredResource):
    """One attempt to deliver an event."""

    delivery_id: UUID
    webhook_id: UUID
    event_id: UUID = Field(validation_alias="published_event_id")
    event_type: str
    is_test: bool
    attempt: int = Field(description="1 for the first.")
    outcome: Outcome = Field(
        description="`unknown`: who sent it did not live to tell, so the receiver may have it."
    )
    error_code: str | None
    error: str | None = Field(validation_alias="error_message")
    request_url: str | None = Field(description="Without what is secret about it.")
    request_headers: dict[str, Any] = Field(description="Without signatures and your own values.")
    request_body_sha256: str | None
    response_status: int | None = Field(description="Null if there was no answer.")
    response_headers: dict[str, Any]
    response_body: str | None = Field(description="The first 16 KiB.")
    latency_ms: float | None = Field(description="Until the end of the answer.")
    attempted_at: Timestamp

    @computed_field(description="Whether it was answered with a 2xx.")  # type: ignore[prop-decorator]
    @property
    def success(self) -> bool:
        return self.outcome == "delivered"


async def list_webhook_logs(
    session: UserSession, webhook_id: UUID, wanted: LogQuery
) -> Page[Attempt]:
    await find_webhook(session, webhook_id, "id")
    query = session.database.table("webhook_logs").select(ATTEMPT_COLUMNS)
    query = _narrowed(query.eq("webhook_id", webhook_id), wanted)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    items = [Attempt.model_validate(row) for row in shown]
    return Page(items=items, next_cursor=next_cursor)


def _narrowed(query: Any, wanted: LogQuery) -> Any:
    if wanted.success is not None:
        compare = query.eq if wanted.success else query.neq
        query = compare("outcome", "delivered")
    if wanted.outcome is not None:
        query = query.eq("outcome", wanted.outcome)
    if wanted.event_type is not None:
        query = equals(query, "event_type", wanted.event_type)
    if wanted.delivery_id is not None:
        query = query.eq("delivery_id", wanted.delivery_id)
    if wanted.since is not None:
        query = query.gte("attempted_at", wanted.since.isoformat())
    if wanted.until is not None:
        query = query.lt("attempted_at", wanted.until.isoformat())
    return query
