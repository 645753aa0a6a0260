"""Test sends: one event for one webhook, delivered at once, and what the receiver made of it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import NotFound, ServiceUnavailable
from shared.management import webhook_trials
from shared.management.webhook_trials import Trial, TrialResult

router = create_router("webhooks")


@router.post(
    "/webhooks/{webhook_id:uuid}/test", responses=refusals(*WITH_BODY, NotFound, ServiceUnavailable)
)
async def test_webhook(
    session: Session,
    webhook_id: UUID,
    trial: Annotated[Trial, Body(default_factory=Trial)],
) -> Success[TrialResult]:
    """Sends one event to a webhook and waits for the answer; also to one that is off, whatever its filter.

    It is tried once.
    """
    return Success(data=await webhook_trials.test_webhook(session, webhook_id, trial))
