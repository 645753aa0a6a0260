"""Events that go out: publishing them, and what became of each."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Header, Query

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import IdempotencyKeyReused, InvalidRequest, NotFound
from shared.management import published_events
from shared.management.models import Page
from shared.management.published_events import (
    EventListQuery,
    Key,
    Publish,
    Published,
    PublishedEvent,
    PublishedEventDetail,
    Replayed,
)

router = create_router("events")


@router.post("/events", status_code=202, responses=refusals(*WITH_BODY, IdempotencyKeyReused))
async def publish_event(
    session: Session,
    new: Publish,
    idempotency_key: Annotated[
        Key | None,
        Header(
            description="An event with a key that was used before is not published again; with "
            "another name or other data than then, it is refused."
        ),
    ] = None,
) -> Success[Published]:
    """Publishes an event: every webhook of the caller's that subscribes to it gets it."""
    return Success(data=await published_events.publish_event(session, new, idempotency_key))


@router.get("/events", responses=refusals(InvalidRequest))
async def list_published_events(
    session: Session, wanted: Annotated[EventListQuery, Query()]
) -> Success[Page[PublishedEvent]]:
    """Events that the caller published or that were published for them, newest first."""
    return Success(data=await published_events.list_published_events(session, wanted))


@router.get("/events/{event_id:uuid}", responses=refusals(NotFound))
async def get_published_event(session: Session, event_id: UUID) -> Success[PublishedEventDetail]:
    """One event with its data, and what became of it at each webhook."""
    return Success(data=await published_events.get_published_event(session, event_id))


@router.post("/events/{event_id:uuid}/replay", responses=refusals(NotFound))
async def replay_event(session: Session, event_id: UUID) -> Success[Replayed]:
    """Delivers an event once more, under the same id, also to webhooks that came to subscribe since."""
    return Success(data=await published_events.replay_event(session, event_id))
