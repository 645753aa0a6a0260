"""What an endpoint refused, and why: more than the sender was told."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from functions.api.models import Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import InvalidRequest, NotFound
from shared.management import refusals as refused
from shared.management.models import Page, PageQuery
from shared.management.refusals import Refusal

router = create_router("endpoints")


@router.get("/endpoints/{endpoint_id:uuid}/refusals", responses=refusals(NotFound, InvalidRequest))
async def list_refusals(
    session: Session, endpoint_id: UUID, wanted: Annotated[PageQuery, Query()]
) -> Success[Page[Refusal]]:
    """The last hundred requests that an endpoint refused, newest first."""
    return Success(data=await refused.list_refusals(session, endpoint_id, wanted))
