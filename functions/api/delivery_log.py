"""The log of a webhook: one entry per attempt to deliver something."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from functions.api.models import Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import InvalidRequest, NotFound
from shared.management import delivery_log
from shared.management.delivery_log import Attempt, LogQuery
from shared.management.models import Page

router = create_router("webhooks")


@router.get("/webhooks/{webhook_id:uuid}/logs", responses=refusals(InvalidRequest, NotFound))
async def list_webhook_logs(
    session: Session, webhook_id: UUID, wanted: Annotated[LogQuery, Query()]
) -> Success[Page[Attempt]]:
    """Attempts to deliver something to a webhook, newest first."""
    return Success(data=await delivery_log.list_webhook_logs(session, webhook_id, wanted))
