"""Trying a rule: what it would do for events that came in, without doing it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Annotated, Any, Self
from uuid import UUID, uuid4

from fastapi import Body
from pydantic import Field, JsonValue, model_validator

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from shared import rules
from shared.errors import InvalidExpression, NotFound
from shared.management.events import Stage, Status
from shared.management.models import WHOLE, Request, Resource, StoredResource, Timestamp, UuidText
from shared.management.rules import RuleFields, check_rule, find_rule
from shared.management.session import UserSession
from shared.replays import as_json
from shared.rule_trials import Outcome, Trial, try_on_all

router = create_router("rules")

LAST = 10
UNSAVED = "unsaved-"
"""Begins the id of an action while it has none of its own."""
JUDGED = frozenset({"set_field", "tag", "assign_role"})
"""Types of actions that the database knows something against: what they act on may not be there."""


class TrialEvents(Request):
    """The events to try it on: one, or the last ones."""

    event_id: UuidText | None = None
    last: Annotated[int, Field(ge=1, le=100), WHOLE] | None = Field(
        default=None,
        description=f"How many of the last events of the rule's entity type; {LAST} if nothing is said. "
        "Large ones may come to fewer.",
    )

    @model_validator(mode="after")
    def _names_events_one_way(self) -> Self:
        if self.event_id is not None and self.last is not None:
            raise ValueError("give eventId or last, not both")
        return self


class SavedTrial(TrialEvents):
    """What to try a saved rule on."""

    rule: RuleFields | None = Field(
        default=None, description="To try this in its place, as it might be saved."
    )


class DraftTrial(TrialEvents):
    """What to try a rule on that is not saved."""

    rule: RuleFields


class TriedAction(Resource):
    """What would become of one action."""

    action_id: UUID | None = Field(description="Null for an action that is not saved.")
    action_type: str
    action_config: dict[str, JsonValue] = Field(description="With its templates filled in.")
    error: str | None = Field(description="Why it cannot be done, in words.")
    already_done: bool = Field(
        description="It has been done for this event and would not be again."
    )


class TriedEvent(StoredResource):
    """What the rule would do for one event."""

    event_type: str
    created_at: Timestamp
    entity_table: str | None
    status: Status
    stage: Stage
    outcome: Outcome
    reason: str | None = Field(description="Why nothing would be done, in words.")
    actions: list[TriedAction]


class Trials(Resource):
    """What the rule would do, newest event first. Nothing has been changed."""

    count: int = Field(description="Events that it was tried on.")
    counts: dict[Outcome, int] = Field(description="How many came out which way.")
    events: list[TriedEvent]


TRY = (*WITH_BODY, InvalidExpression, NotFound)


@router.post("/rules/{rule_id:uuid}/try", responses=refusals(*TRY))
async def try_rule(
    session: Session,
    rule_id: UUID,
    wanted: Annotated[SavedTrial, Body(default_factory=SavedTrial)],
) -> Success[Trials]:
    """What a rule, or what might be saved in its place, would do for events of its owner."""
    row = await find_rule(session, rule_id)
    owner = UUID(row["user_id"])
    if wanted.rule is None:
        return Success(data=await _try(session, owner, _saved(row), wanted))
    columns = wanted.rule.columns()
    await check_rule(session, owner, columns)
    return Success(data=await _try(session, owner, _draft(rule_id, owner, columns), wanted))


@router.post("/rules/try", responses=refusals(*TRY))
async def try_draft(session: Session, wanted: DraftTrial) -> Success[Trials]:
    """What a rule that is not saved would do for events of the caller."""
    columns = wanted.rule.columns()
    await check_rule(session, session.user_id, columns)
    rule = _draft(uuid4(), session.user_id, columns)
    return Success(data=await _try(session, session.user_id, rule, wanted))


async def _try(session: UserSession, owner: UUID, rule: rules.Rule, wanted: TrialEvents) -> Trials:
    found = await session.database.call(
        "get_events_for_rules",
        p_user_id=str(owner),
        p_entity_table=rule.entity_table,
        p_event_id=None if wanted.event_id is None else str(wanted.event_id),
        p_limit=wanted.last or LAST,
    )
    rows = found["events"]
    events = [rules.ClaimedEvent.model_validate(row) for row in rows]
    maps = [rules.InvoiceFieldMap.model_validate(owned) for owned in found["invoice_field_maps"]]
    # In a thread, so that others are answered while a slow rule is thought about.
    trials = await asyncio.to_thread(lambda: list(try_on_all(events, rule, maps, time.thread_time)))
    trials = await _with_problems(session, events, trials)
    outcomes = [trial.outcome for trial in trials]
    return Trials(
        count=len(trials),
        counts={outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        events=[
            _tried(row, event, trial)
            for row, event, trial in zip(rows, events, trials, strict=True)
        ],
    )


async def _with_problems(
    session: UserSession, events: list[rules.ClaimedEvent], trials: list[Trial]
) -> list[Trial]:
    """The trials, with what the database has against actions that would be done."""
    asked = [
        (event.id, result)
        for event, trial in zip(events, trials, strict=True)
        for result in trial.results
        if _is_judged(result)
    ]
    if not asked:
        return trials
    problems = iter(
        await session.database.call(
            "get_action_problems",
            p_event_ids=json.dumps([event_id for event_id, _ in asked]),
            p_action_types=json.dumps([result.action_type for _, result in asked]),
            p_configs=as_json([result.action_config for _, result in asked]),
        )
    )
    return [
        replace(
            trial,
            results=tuple(
                replace(result, error=next(problems)) if _is_judged(result) else result
                for result in trial.results
            ),
        )
        for trial in trials
    ]


def _is_judged(result: rules.Result) -> bool:
    return result.action_type in JUDGED and result.error is None


def _tried(row: dict[str, Any], event: rules.ClaimedEvent, trial: Trial) -> TriedEvent:
    return TriedEvent.model_validate(
        row
        | {
            "outcome": trial.outcome,
            "reason": trial.reason,
            "actions": [_action(result, event.done_actions) for result in trial.results],
        }
    )


def _action(result: rules.Result, done: frozenset[str]) -> dict[str, Any]:
    is_saved = result.action_id is not None and not result.action_id.startswith(UNSAVED)
    return {
        "action_id": result.action_id if is_saved else None,
        "action_type": result.action_type,
        "action_config": result.action_config,
        "error": result.error,
        "already_done": result.action_id in done,
    }


def _saved(row: dict[str, Any]) -> rules.Rule:
    return rules.Rule.model_validate(row | {"actions": row["entity_rule_actions"]})


def _draft(rule_id: UUID, owner: UUID, columns: dict[str, Any]) -> rules.Rule:
    """The rule as it would be saved. An action that the rule has keeps its id."""
    actions = [
        action | {"id": action["id"] or f"{UNSAVED}{position}", "position": position}
        for position, action in enumerate(columns["actions"])
    ]
    known = {"id": str(rule_id), "user_id": str(owner), "actions": actions}
    return rules.Rule.model_validate(columns | known)
