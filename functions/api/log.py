"""The log: events that are through or have failed, and what was done with each."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from functions.api.models import Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import InvalidRequest, NotFound
from shared.management import log
from shared.management.events import EventSummary
from shared.management.log import LoggedEvent, LogQuery
from shared.management.models import Page

router = create_router("log")


@router.get("/log", responses=refusals(InvalidRequest))
async def list_log(
    session: Session, wanted: Annotated[LogQuery, Query()]
) -> Success[Page[EventSummary]]:
    """Events that are through or have failed, newest first."""
    return Success(data=await log.list_log(session, wanted))


@router.get("/log/{event_id:uuid}", responses=refusals(NotFound))
async def get_logged_event(session: Session, event_id: UUID) -> Success[LoggedEvent]:
    """One event with what was sent, all that was done with it, and what it became."""
    return Success(data=await log.get_logged_event(session, event_id))
