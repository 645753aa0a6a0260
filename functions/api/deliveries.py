"""Deliveries: what became of each event at a webhook, and sending it once more."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import InvalidRequest, InvalidState, NotFound
from shared.management import deliveries
from shared.management.deliveries import Delivery, DeliveryDetail, DeliveryQuery, Recover, Recovered
from shared.management.models import Page

router = create_router("webhooks")


@router.get("/webhooks/{webhook_id:uuid}/deliveries", responses=refusals(InvalidRequest, NotFound))
async def list_deliveries(
    session: Session, webhook_id: UUID, wanted: Annotated[DeliveryQuery, Query()]
) -> Success[Page[Delivery]]:
    """Deliveries to a webhook, newest first."""
    return Success(data=await deliveries.list_deliveries(session, webhook_id, wanted))


@router.get(
    "/webhooks/{webhook_id:uuid}/deliveries/{delivery_id:uuid}", responses=refusals(NotFound)
)
async def get_delivery(
    session: Session, webhook_id: UUID, delivery_id: UUID
) -> Success[DeliveryDetail]:
    """One delivery with the event's data and every attempt."""
    return Success(data=await deliveries.get_delivery(session, webhook_id, delivery_id))


@router.post(
    "/webhooks/{webhook_id:uuid}/deliveries/{delivery_id:uuid}/retry",
    responses=refusals(NotFound, InvalidState),
)
async def retry_delivery(
    session: Session, webhook_id: UUID, delivery_id: UUID
) -> Success[Delivery]:
    """Sends a finished delivery once more, under the same event id, with all its attempts ahead."""
    return Success(data=await deliveries.retry_delivery(session, webhook_id, delivery_id))


@router.post("/webhooks/{webhook_id:uuid}/recover", responses=refusals(*WITH_BODY, NotFound))
async def recover_webhook(
    session: Session, webhook_id: UUID, window: Recover
) -> Success[Recovered]:
    """Sends everything once more that has failed for a webhook within a time."""
    return Success(data=await deliveries.recover_webhook(session, webhook_id, window))
