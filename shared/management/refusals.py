"""What an endpoint refused, and why: more than the sender was told."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field, TypeAdapter

from shared.database import run
from shared.management.cursors import Order
from shared.management.endpoints import find_endpoint
from shared.management.models import Page, PageQuery, StoredResource, Timestamp
from shared.management.session import UserSession

COLUMNS = "id,status,code,reason,method,headers,body_bytes,body_start,created_at"

# The ids are UUIDv7, so this is newest first.
NEWEST_FIRST = Order(("id",), TypeAdapter(tuple[UUID]), descending=True)


class Refusal(StoredResource):
    """A request that was refused."""

    status: int = Field(description="What the sender was answered.")
    code: str = Field(description="Which error that was.")
    reason: str = Field(description="Why, for the owner alone.")
    method: str
    headers: dict[str, str] = Field(description="As they came, without credentials.")
    body_bytes: int | None = Field(description="Size of the body; null if it was not read.")
    body_start: str | None = Field(
        description="Base64 of the body's beginning, where the signature was genuine and the content "
        "was not."
    )
    created_at: Timestamp


async def list_refusals(
    session: UserSession, endpoint_id: UUID, wanted: PageQuery
) -> Page[Refusal]:
    """Newest first. There are at most a hundred of each endpoint."""
    await find_endpoint(session, endpoint_id)
    query = session.database.table("webhook_refusals").select(COLUMNS)
    query = query.eq("endpoint_id", endpoint_id)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    return Page(items=[Refusal.model_validate(row) for row in shown], next_cursor=next_cursor)
