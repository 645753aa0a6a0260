"""The queue: events on their way, and what a person decides about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from shared.database import run
from shared.errors import InvalidState, NotFound
from shared.management.events import (
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
from shared.management.models import EntityTypeName, Page, Request, Resource, UuidText
from shared.management.session import UserSession

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


async def list_queue(
    session: UserSession, wanted: QueueQuery, *, only_ready: bool = False
) -> QueuePage:
    """`only_ready` leaves out what has no entity type yet, which cannot be approved."""
    query = _queued(session, wanted, SUMMARY_COLUMNS, only_ready=only_ready)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    count = len(shown)
    if next_cursor is not None or wanted.cursor is not None:
        count = len(
            await run(_queued(session, wanted, "id", only_ready=only_ready).limit(MAX_COUNT))
        )
    items = [EventSummary.model_validate(row) for row in shown]
    return QueuePage(items=items, next_cursor=next_cursor, count=count)


async def count_ready(session: UserSession, wanted: QueueQuery, page: QueuePage) -> int:
    """How many of those that match can be approved, counted up to MAX_COUNT; `page` is what was listed."""
    if page.next_cursor is None and wanted.cursor is None:
        return sum(event.entity_table is not None for event in page.items)
    return len(await run(_queued(session, wanted, "id", only_ready=True).limit(MAX_COUNT)))


async def get_queued_event(session: UserSession, event_id: UUID) -> EventDetail:
    row = await find_event(session, event_id, DETAIL_COLUMNS)
    return EventDetail.model_validate(row)


async def override_event(session: UserSession, event_id: UUID, override: Override) -> EventSummary:
    await session.database.call(
        "override_event",
        p_event_id=str(event_id),
        p_entity_table=override.entity_table,
        p_is_person=override.is_person,
    )
    return await summary(session, event_id)


async def approve_events(session: UserSession, chosen: Approve) -> Approved:
    return Approved.model_validate(await _approve(session, chosen.ids))


async def approve_event(session: UserSession, event_id: UUID) -> EventSummary:
    _require_done(await _approve(session, [event_id]), event_id)
    return await summary(session, event_id)


async def reprocess_events(session: UserSession, chosen: ReprocessMany) -> Queued:
    answer = await _reprocess(session, chosen.ids, chosen.stage)
    return Queued.model_validate(answer)


async def reprocess_event(session: UserSession, event_id: UUID, start: Reprocess) -> EventSummary:
    _require_done(await _reprocess(session, [event_id], start.stage), event_id)
    return await summary(session, event_id)


def _queued(
    session: UserSession, wanted: QueueQuery, columns: str, *, only_ready: bool = False
) -> Any:
    query = session.database.table("webhook_events").select(columns)
    query = filtered(query, session, wanted).neq("status", "processed")
    if only_ready:
        query = query.not_.is_("entity_table", "null")
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
