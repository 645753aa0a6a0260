"""The catalogue of outgoing events: what there is to subscribe to, and what its data looks like."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import Forbidden, InvalidRequest, NotFound
from shared.management import event_types
from shared.management.event_types import EventType, EventTypeFields
from shared.management.models import Deleted, EventName, ListQuery, Page

router = create_router("event types")


@router.get("/event-types", responses=refusals(InvalidRequest))
async def list_event_types(
    session: Session, wanted: Annotated[ListQuery, Query()]
) -> Success[Page[EventType]]:
    """The shipped types and the caller's own, by name. An own type hides a shipped one of its name."""
    return Success(data=await event_types.list_event_types(session, wanted))


@router.get("/event-types/{name}", responses=refusals(NotFound))
async def get_event_type(session: Session, name: str) -> Success[EventType]:
    """One event type: the caller's own of this name, else the shipped one."""
    return Success(data=await event_types.get_event_type(session, name))


@router.put("/event-types/{name}", responses=refusals(*WITH_BODY))
async def save_event_type(
    session: Session, name: EventName, new: EventTypeFields
) -> Success[EventType]:
    """Makes or replaces an event type of the caller's."""
    return Success(data=await event_types.save_event_type(session, name, new))


@router.delete("/event-types/{name}", responses=refusals(Forbidden, NotFound))
async def delete_event_type(session: Session, name: str) -> Success[Deleted]:
    """Deletes an event type of the caller's. A shipped one of its name is back then."""
    return Success(data=await event_types.delete_event_type(session, name))
