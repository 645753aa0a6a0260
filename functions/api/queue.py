"""The queue: events on their way, and what a person decides about them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Body, Query

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import InvalidRequest, InvalidState, NotFound
from shared.management import queue
from shared.management.events import EventDetail, EventSummary
from shared.management.queue import (
    Approve,
    Approved,
    Override,
    Queued,
    QueuePage,
    QueueQuery,
    Reprocess,
    ReprocessMany,
)

router = create_router("queue")


@router.get("/queue", responses=refusals(InvalidRequest))
async def list_queue(
    session: Session, wanted: Annotated[QueueQuery, Query()]
) -> Success[QueuePage]:
    """Events on their way, newest first: those that wait for review, or of another stage or status."""
    return Success(data=await queue.list_queue(session, wanted))


@router.get("/queue/{event_id:uuid}", responses=refusals(NotFound))
async def get_queued_event(session: Session, event_id: UUID) -> Success[EventDetail]:
    """One event with payload and headers."""
    return Success(data=await queue.get_queued_event(session, event_id))


@router.patch("/queue/{event_id:uuid}", responses=refusals(*WITH_BODY, NotFound, InvalidState))
async def override_event(
    session: Session, event_id: UUID, override: Override
) -> Success[EventSummary]:
    """Corrects the classification of an event that waits for review or has failed."""
    return Success(data=await queue.override_event(session, event_id, override))


@router.post("/queue/approve", responses=refusals(*WITH_BODY))
async def approve_events(session: Session, chosen: Approve) -> Success[Approved]:
    """Sends events that wait for review on. What cannot go on is skipped, with a reason."""
    return Success(data=await queue.approve_events(session, chosen))


@router.post("/queue/{event_id:uuid}/approve", responses=refusals(NotFound, InvalidState))
async def approve_event(session: Session, event_id: UUID) -> Success[EventSummary]:
    """Sends one event that waits for review on."""
    return Success(data=await queue.approve_event(session, event_id))


@router.post("/queue/reprocess", responses=refusals(*WITH_BODY))
async def reprocess_events(session: Session, chosen: ReprocessMany) -> Success[Queued]:
    """Puts failed or processed events back into the queue. Actions that have succeeded are not repeated."""
    return Success(data=await queue.reprocess_events(session, chosen))


@router.post(
    "/queue/{event_id:uuid}/reprocess", responses=refusals(*WITH_BODY, NotFound, InvalidState)
)
async def reprocess_event(
    session: Session,
    event_id: UUID,
    start: Annotated[Reprocess, Body(default_factory=Reprocess)],
) -> Success[EventSummary]:
    """Puts one failed or processed event back into the queue."""
    return Success(data=await queue.reprocess_event(session, event_id, start))
