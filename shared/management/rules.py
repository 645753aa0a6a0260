"""Rules: what is done with every event of an entity type, and on which condition."""

from __future__ import annotations

import json
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from shared.actions import ACTIONS, validate_action
from shared.conditions import compile_condition
from shared.database import run
from shared.errors import NotFound
from shared.management.cursors import Order, Row
from shared.management.entity_types import require_entity_types
from shared.management.models import (
    WHOLE,
    Changes,
    Deleted,
    Description,
    EntityTypeName,
    ListQuery,
    Name,
    Page,
    Request,
    StoredResource,
    Timestamp,
    UuidText,
    at_place,
)
from shared.management.session import UserSession

# The order in which they run.
ORDER = Order(("priority", "created_at", "id"), TypeAdapter(tuple[int, Timestamp, UUID]))
COLUMNS = "*,entity_rule_actions(id,position,action_type,action_config)"


def _known_action(action_type: str) -> str:
    if action_type not in ACTIONS:
        raise ValueError(f"must be one of {', '.join(ACTIONS)}")
    return action_type


ActionType = Annotated[
    str, AfterValidator(_known_action), Field(json_schema_extra={"enum": list(ACTIONS)})
]


class ActionFields(Request):
    """One thing to do."""

    id: UuidText | None = Field(
        default=None,
        description="The action's id, if it is one that the rule has: then it is known where it has been done.",
    )
    action_type: ActionType
    action_config: dict[str, JsonValue] = Field(
        default_factory=dict, description="Texts may hold templates: `{{ CEL }}`."
    )


class RuleFields(Request):
    """What makes a rule."""

    entity_table: EntityTypeName
    name: Name
    description: Description | None = None
    condition: Annotated[str, StringConstraints(max_length=2000)] = Field(
        default="", description="CEL over event, person, entity and endpoint; empty means always."
    )
    priority: Annotated[int, Field(ge=0, le=1_000_000), WHOLE] = Field(
        default=100, description="The lower, the earlier."
    )
    is_active: bool = True
    actions: Annotated[list[ActionFields], Field(max_length=50)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _actions_are_distinct(self) -> Self:
        ids = [action.id for action in self.actions or () if action.id is not None]
        if len(ids) != len(set(ids)):
            raise ValueError("actions: an id may be there once only")
        return self


class RuleChanges(Changes, RuleFields):
    """What to change of a rule. `actions`, if given, are all that the rule has then."""


class RuleAction(StoredResource):
    """One thing that a rule does."""

    action_type: str
    action_config: dict[str, JsonValue]


class Rule(StoredResource):
    """What is done with every event of an entity type."""

    entity_table: str
    name: str
    description: str | None
    condition: str
    priority: int
    is_active: bool
    actions: list[RuleAction] = Field(description="In the order in which they are done.")
    user_id: UUID
    created_at: Timestamp
    updated_at: Timestamp


async def list_rules(session: UserSession, wanted: ListQuery) -> Page[Rule]:
    query = session.database.table("entity_automation_rules").select(COLUMNS)
    if wanted.owner == "me":
        query = query.eq("user_id", session.user_id)
    rows = await run(ORDER.page_of(query, limit=wanted.limit, cursor=wanted.cursor))
    shown, next_cursor = ORDER.cut(rows, wanted.limit)
    return Page(items=[_rule(row) for row in shown], next_cursor=next_cursor)


async def create_rule(session: UserSession, new: RuleFields) -> Rule:
    columns = new.columns()
    await check_rule(session, session.user_id, columns)
    return await _save(session, None, columns)


async def get_rule(session: UserSession, rule_id: UUID) -> Rule:
    return _rule(await find_rule(session, rule_id))


async def replace_rule(session: UserSession, rule_id: UUID, new: RuleFields) -> Rule:
    columns = new.columns()
    before = await find_rule(session, rule_id)
    await check_rule(session, UUID(before["user_id"]), columns)
    return await _save(session, rule_id, columns)


async def change_rule(session: UserSession, rule_id: UUID, changes: RuleChanges) -> Rule:
    columns = changes.columns()
    before = await find_rule(session, rule_id)
    await check_rule(session, UUID(before["user_id"]), columns)
    # Which fields its actions may set, the entity type says.
    if columns.keys() & {"actions", "entity_table"}:
        kept = {name: before[name] for name in RuleFields.model_fields if name in before}
        return await _save(session, rule_id, kept | {"actions": _actions(before)} | columns)
    if columns:
        table = session.database.table("entity_automation_rules")
        await run(table.update(columns).eq("id", rule_id))
    return _rule(await find_rule(session, rule_id))


async def delete_rule(session: UserSession, rule_id: UUID) -> Deleted:
    rows = await run(session.database.table("entity_automation_rules").delete().eq("id", rule_id))
    if not rows:
        raise NotFound("There is no such rule")
    return Deleted.model_validate(rows[0])


async def check_rule(session: UserSession, owner: UUID, columns: dict[str, Any]) -> None:
    """Raises InvalidRequest or InvalidExpression, naming the field and the place in it."""
    with at_place("condition"):
        compile_condition(columns.get("condition"))
    for position, action in enumerate(columns.get("actions", ())):
        with at_place(f"actions.{position}.actionConfig"):
            validate_action(action["action_type"], action["action_config"])
    named = [columns["entity_table"]] if "entity_table" in columns else []
    await require_entity_types(session, owner, named)


async def find_rule(session: UserSession, rule_id: UUID) -> Row:
    query = session.database.table("entity_automation_rules").select(COLUMNS).eq("id", rule_id)
    rows: list[Row] = await run(query)
    if not rows:
        raise NotFound("There is no such rule")
    return rows[0]


async def _save(session: UserSession, rule_id: UUID | None, columns: dict[str, Any]) -> Rule:
    row = await session.database.call(
        "save_rule",
        p_rule_id=None if rule_id is None else str(rule_id),
        p_rule=json.dumps(columns),
    )
    return Rule.model_validate(row)


def _rule(row: Row) -> Rule:
    return Rule.model_validate(row | {"actions": _actions(row)})


def _actions(row: Row) -> list[Row]:
    """In the order in which they are done."""
    return sorted(row["entity_rule_actions"], key=lambda action: int(action["position"]))
