"""How a webhook fares: rates, latencies and a series for a chart."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from functions.api.models import Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import InvalidRequest, NotFound
from shared.management import webhook_stats
from shared.management.webhook_stats import Stats, StatsQuery

router = create_router("webhooks")


@router.get("/webhooks/{webhook_id:uuid}/stats", responses=refusals(InvalidRequest, NotFound))
async def get_webhook_stats(
    session: Session, webhook_id: UUID, wanted: Annotated[StatsQuery, Query()]
) -> Success[Stats]:
    """Success rate, latencies and their course."""
    return Success(data=await webhook_stats.get_webhook_stats(session, webhook_id, wanted))
