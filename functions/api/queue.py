"""The queue: events on their way, and what a person decides about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Body, Query
from pydantic import Field, model_validator

from functions.api.events import (
    DETAIL_COLUMNS,
    NEWEST_FIRST,
    SUMMARY_COLUMNS,
    EventDetail,
    EventQuery,
    EventSummary,
    filtered,
    find_event,
    reasons,
    summary,
)
from functions.api.models import (
    WITH_BODY,
    EntityTypeName,
    Page,
    Request,
    Resource,
    Success,
    UuidText,
    refusals,
)
from functions.api.routing import Session, UserSession, create_router
from shared.database import run
from shared.errors import InvalidRequest, InvalidState, NotFound

router = create_router("queue")

MAX_COUNT = 1000
EventIds = Annotated[list[UuidText], Field(min_length=1, max_length=1000)]
ReprocessStage = Literal["classify", "prepare", "rules"]

REASONS = {
    "not_in_review": "The event does not wait for review",
    "no_entity_type": "The event has no entity type yet: set one first",
    "not_finished": "The event is still being processed",
    "not_classified": "The event was never classified: reprocess it from classify",
}


class QueueQuery(EventQuery):
    """Filters of the queue."""

    stage: Literal["classify", "review", "prepare", "rules"] | None = Field(
        default=None, description="`review` unless this or `status` is given."
    )
    status: Literal["pending", "processing", "failed"] | None = None


class QueuePage(Page[EventSummary]):
    """Events on their way, newest first."""

    count: int = Field(description=f"How many match, counted up to {MAX_COUNT}.", le=MAX_COUNT)


class Override(Request):
    """What a person knows better than the classifier. Null leaves a value as it is."""

    entity_table: EntityTypeName | None = None
    is_person: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.entity_table is None and self.is_person is None:
            raise ValueError("give entityTable, isPerson or both")
        return self


class Approve(Request):
    """The events to send on."""

    ids: EventIds


class Reprocess(Request):
    """Where to begin again."""

    stage: ReprocessStage | None = Field(
        default=None,
        description="Without one: where the event failed; `prepare` for one that did not.",
    )


class ReprocessMany(Reprocess):
    """The events to put back into the queue."""

    ids: EventIds


class Skipped(Resource):
    """An event that was left as it is."""

    id: UUID
    reason: Literal[
        "not_found", "not_in_review", "no_entity_type", "not_finished", "not_classified"
    ]


class Approved(Resource):
    """What became of each event."""

    approved: list[UUID]
    skipped: list[Skipped]


class Queued(Resource):
    """What became of each event."""

    queued: list[UUID]
    skipped: list[Skipped]


@router.get("/queue", responses=refusals(InvalidRequest))
async def list_queue(
    session: Session, wanted: Annotated[QueueQuery, Query()]
) -> Success[QueuePage]:
    """Events on their way, newest first: those that wait for review, or of another stage or status."""
    query = _queued(session, wanted, SUMMARY_COLUMNS)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    count = len(shown)
    if next_cursor is not None or wanted.cursor is not None:
        count = len(await run(_queued(session, wanted, "id").limit(MAX_COUNT)))
    items = [EventSummary.model_validate(row) for row in shown]
    return Success(data=QueuePage(items=items, next_cursor=next_cursor, count=count))


@router.get("/queue/{event_id:uuid}", responses=refusals(NotFound))
async def get_queued_event(session: Session, event_id: UUID) -> Success[EventDetail]:
    """One event with payload and headers."""
    row = await find_event(session, event_id, DETAIL_COLUMNS)
    return Success(data=EventDetail.model_validate(row))


@router.patch("/queue/{event_id:uuid}", responses=refusals(*WITH_BODY, NotFound, InvalidState))
async def override_event(
    session: Session, event_id: UUID, override: Override
) -> Success[EventSummary]:
    """Corrects the classification of an event that waits for review or has failed."""
    await session.database.call(
        "override_event",
        p_event_id=str(event_id),
        p_entity_table=override.entity_table,
        p_is_person=override.is_person,
    )
    return Success(data=await summary(session, event_id))


@router.post("/queue/approve", responses=refusals(*WITH_BODY))
async def approve_events(session: Session, chosen: Approve) -> Success[Approved]:
    """Sends events that wait for review on. What cannot go on is skipped, with a reason."""
    return Success(data=Approved.model_validate(await _approve(session, chosen.ids)))


@router.post("/queue/{event_id:uuid}/approve", responses=refusals(NotFound, InvalidState))
async def approve_event(session: Session, event_id: UUID) -> Success[EventSummary]:
    """Sends one event that waits for review on."""
    _require_done(await _approve(session, [event_id]), event_id)
    return Success(data=await summary(session, event_id))


@router.post("/queue/reprocess", responses=refusals(*WITH_BODY))
async def reprocess_events(session: Session, chosen: ReprocessMany) -> Success[Queued]:
    """Puts failed or processed events back into the queue. Actions that have succeeded are not repeated."""
    answer = await _reprocess(session, chosen.ids, chosen.stage)
    return Success(data=Queued.model_validate(answer))


@router.post(
    "/queue/{event_id:uuid}/reprocess", responses=refusals(*WITH_BODY, NotFound, InvalidState)
)
async def reprocess_event(
    session: Session,
    event_id: UUID,
    start: Annotated[Reprocess, Body(default_factory=Reprocess)],
) -> Success[EventSummary]:
    """Puts one failed or processed event back into the queue."""
    _require_done(await _reprocess(session, [event_id], start.stage), event_id)
    return Success(data=await summary(session, event_id))


def _queued(session: UserSession, wanted: QueueQuery, columns: str) -> Any:
    query = session.database.table("webhook_events").select(columns)
    query = filtered(query, session, wanted).neq("status", "processed")
    if wanted.status is not None:
        query = query.eq("status", wanted.status)
    stage = wanted.stage or ("review" if wanted.status is None else None)
    return query if stage is None else query.eq("stage", stage)


async def _approve(session: UserSession, ids: Sequence[UUID]) -> dict[str, Any]:
    answer: dict[str, Any] = await session.database.call("approve_events", p_event_ids=_text(ids))
    return answer


async def _reprocess(
    session: UserSession, ids: Sequence[UUID], stage: ReprocessStage | None
) -> dict[str, Any]:
    answer: dict[str, Any] = await session.database.call(
        "reprocess_events", p_event_ids=_text(ids), p_stage=stage
    )
    return answer


def _text(ids: Sequence[UUID]) -> str:
    """Each id once, as the JSON text that the RPCs take."""
    return json.dumps([str(one) for one in dict.fromkeys(ids)])


def _require_done(answer: dict[str, Any], event_id: UUID) -> None:
    """Raises NotFound or InvalidState if the event was left out."""
    reason = reasons(answer).get(event_id)
    if reason == "not_found":
        raise NotFound("There is no such event")
    if reason is not None:
        raise InvalidState(REASONS[reason])
