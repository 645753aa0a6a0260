"""Webhooks: where events go out to, and what they are signed with."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body, Query

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import InvalidExpression, InvalidRequest, NotFound
from shared.management import webhooks
from shared.management.endpoint_models import NewSecret, RotateSecret
from shared.management.models import Deleted, ListQuery, Page
from shared.management.webhook_models import (
    Webhook,
    WebhookChanges,
    WebhookFields,
    WebhookWithSecret,
)

router = create_router("webhooks")


CHANGE = refusals(*WITH_BODY, InvalidExpression, NotFound)


@router.post("/webhooks", status_code=201, responses=refusals(*WITH_BODY, InvalidExpression))
async def create_webhook(session: Session, new: WebhookFields) -> Success[WebhookWithSecret]:
    """Registers a receiver. The answer shows its secret, this once."""
    return Success(data=await webhooks.create_webhook(session, new))


@router.get("/webhooks", responses=refusals(InvalidRequest))
async def list_webhooks(
    session: Session, wanted: Annotated[ListQuery, Query()]
) -> Success[Page[Webhook]]:
    """The caller's webhooks, newest first."""
    return Success(data=await webhooks.list_webhooks(session, wanted))


@router.get("/webhooks/{webhook_id:uuid}", responses=refusals(NotFound))
async def get_webhook(session: Session, webhook_id: UUID) -> Success[Webhook]:
    """One webhook."""
    return Success(data=await webhooks.get_webhook(session, webhook_id))


@router.put("/webhooks/{webhook_id:uuid}", responses=CHANGE)
async def update_webhook(
    session: Session, webhook_id: UUID, changes: WebhookChanges
) -> Success[Webhook]:
    """Changes some fields of a webhook, as PATCH does. Switching it on again sends what has waited."""
    return Success(data=await webhooks.update_webhook(session, webhook_id, changes))


@router.patch("/webhooks/{webhook_id:uuid}", responses=CHANGE)
async def change_webhook(
    session: Session, webhook_id: UUID, changes: WebhookChanges
) -> Success[Webhook]:
    """Changes some fields of a webhook. Switching it on again sends what has waited."""
    return Success(data=await webhooks.change_webhook(session, webhook_id, changes))


@router.delete("/webhooks/{webhook_id:uuid}", responses=refusals(NotFound))
async def delete_webhook(session: Session, webhook_id: UUID) -> Success[Deleted]:
    """Deletes a webhook with its deliveries and their log. What was published stays."""
    return Success(data=await webhooks.delete_webhook(session, webhook_id))


@router.post(
    "/webhooks/{webhook_id:uuid}/regenerate-secret", responses=refusals(*WITH_BODY, NotFound)
)
async def regenerate_secret(
    session: Session,
    webhook_id: UUID,
    rotation: Annotated[RotateSecret, Body(default_factory=RotateSecret)],
) -> Success[NewSecret]:
    """Gives a webhook a new secret, shown this once. The old ones sign beside it for a while."""
    return Success(data=await webhooks.regenerate_secret(session, webhook_id, rotation))
