"""What an endpoint refused, and why: more than the sender was told."""

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
from shared.management.endpoints import find_endpoint
from shared.management.models import Page, PageQuery, StoredResource, Timestamp

router = create_router("endpoints")

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


@router.get("/endpoints/{endpoint_id:uuid}/refusals", responses=refusals(NotFound, InvalidRequest))
async def list_refusals(
    session: Session, endpoint_id: UUID, wanted: Annotated[PageQuery, Query()]
) -> Success[Page[Refusal]]:
    """The last hundred requests that an endpoint refused, newest first."""
    await find_endpoint(session, endpoint_id)
    query = session.database.table("webhook_refusals").select(COLUMNS)
    query = query.eq("endpoint_id", endpoint_id)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    items = [Refusal.model_validate(row) for row in shown]
    return Success(data=Page(items=items, next_cursor=next_cursor))
