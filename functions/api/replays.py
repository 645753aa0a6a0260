"""Replays: a stage of the pipeline run anew over a range of history, first dry and then for real."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Query
from pydantic import Field, JsonValue, TypeAdapter, model_validator

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from shared.database import run
from shared.errors import InvalidRequest, InvalidState, NotFound
from shared.management.cursors import Order, Row
from shared.management.models import (
    Deleted,
    EntityTypeName,
    ListQuery,
    Page,
    PageQuery,
    Request,
    Resource,
    StoredResource,
    Timestamp,
    TimeText,
    UuidText,
)
from shared.management.session import UserSession

router = create_router("queue")

ReplayStage = Literal["classify", "prepare", "rules"]

NEWEST_FIRST = Order(("id",), TypeAdapter(tuple[UUID]), descending=True)
BY_EVENT = Order(("webhook_event_id",), TypeAdapter(tuple[UUID]))
COLUMNS = (
    "id,user_id,stage,is_dry_run,endpoint_id,entity_table,since,until,total,examined,different,"
    "failing,requeued,status,error_message,created_at,finished_at"
)


class ReplayFields(Request):
    """Which events to decide anew about, and what."""

    stage: ReplayStage = Field(
        description="`classify` leaves out what a person has labelled; `prepare` and `rules` take "
        "events that are past them."
    )
    endpoint_id: UuidText | None = None
    entity_table: EntityTypeName | None = None
    since: TimeText | None = Field(default=None, description="Arrived at this time or later.")
    until: TimeText | None = Field(default=None, description="Arrived before this time.")
    dry_run: bool = Field(
        default=True,
        description="Only list what would be different. `false`: put these events back into the "
        "queue too. What has been done for an event is not done again.",
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("since: must be before until")
        return self


class Replay(StoredResource):
    """A replay and how far it has come."""

    stage: ReplayStage
    dry_run: bool = Field(validation_alias="is_dry_run")
    endpoint_id: UUID | None
    entity_table: str | None
    since: Timestamp | None
    until: Timestamp | None
    status: Literal["pending", "running", "done", "failed"]
    total: int = Field(description="Events in the range when it began, counted up to a million.")
    examined: int = Field(description="Of these, decided about anew so far.")
    different: int = Field(description="Of these, would not come out as they are.")
    failing: int = Field(
        description="Of these, nothing can be decided about, or an action would fail."
    )
    requeued: int = Field(description="Put back into the queue; none in a dry run.")
    error_message: str | None
    user_id: UUID
    created_at: Timestamp
    finished_at: Timestamp | None


class Difference(Resource):
    """What would come out differently for one event."""

    event_id: UUID = Field(validation_alias="webhook_event_id")
    before: dict[str, JsonValue] = Field(description="How the event is.")
    after: dict[str, JsonValue] = Field(
        description="How it would be: its label, its person and fields, or the actions that would be "
        "done; `error` if nothing can be decided."
    )


@router.post(
    "/queue/replay", status_code=202, responses=refusals(*WITH_BODY, NotFound, InvalidState)
)
async def start_replay(session: Session, wanted: ReplayFields) -> Success[Replay]:
    """Has a stage decide anew about past events, in the background. Dry unless told otherwise."""
    columns = wanted.columns()
    columns["is_dry_run"] = columns.pop("dry_run")
    row = await session.database.call("start_replay", p_replay=json.dumps(columns))
    return Success(data=Replay.model_validate(row))


@router.get("/queue/replays", responses=refusals(InvalidRequest))
async def list_replays(
    session: Session, wanted: Annotated[ListQuery, Query()]
) -> Success[Page[Replay]]:
    """Replays, newest first."""
    query = session.database.table("event_replays").select(COLUMNS)
    if wanted.owner == "me":
        query = query.eq("user_id", session.user_id)
    rows = await run(NEWEST_FIRST.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = NEWEST_FIRST.cut(rows, wanted.limit)
    items = [Replay.model_validate(row) for row in shown]
    return Success(data=Page(items=items, next_cursor=next_cursor))


@router.get("/queue/replays/{replay_id:uuid}", responses=refusals(NotFound))
async def get_replay(session: Session, replay_id: UUID) -> Success[Replay]:
    """One replay and how far it has come."""
    return Success(data=Replay.model_validate(await _find(session, replay_id)))


@router.get(
    "/queue/replays/{replay_id:uuid}/differences", responses=refusals(InvalidRequest, NotFound)
)
async def list_differences(
    session: Session, replay_id: UUID, wanted: Annotated[PageQuery, Query()]
) -> Success[Page[Difference]]:
    """What would come out differently, oldest event first; 10,000 events at most."""
    await _find(session, replay_id)
    query = session.database.table("event_replay_differences").select(
        "webhook_event_id,before,after"
    )
    query = query.eq("replay_id", replay_id)
    rows = await run(BY_EVENT.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = BY_EVENT.cut(rows, wanted.limit)
    items = [Difference.model_validate(row) for row in shown]
    return Success(data=Page(items=items, next_cursor=next_cursor))


@router.delete("/queue/replays/{replay_id:uuid}", responses=refusals(NotFound))
async def delete_replay(session: Session, replay_id: UUID) -> Success[Deleted]:
    """Stops a replay that is under way, and deletes it with its differences."""
    rows = await run(session.database.table("event_replays").delete().eq("id", replay_id))
    if not rows:
        raise NotFound("There is no such replay")
    return Success(data=Deleted.model_validate(rows[0]))


async def _find(session: UserSession, replay_id: UUID) -> Row:
    query: Any = session.database.table("event_replays").select(COLUMNS).eq("id", replay_id)
    rows: list[Row] = await run(query)
    if not rows:
        raise NotFound("There is no such replay")
    return rows[0]
