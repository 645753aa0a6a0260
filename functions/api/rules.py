"""Rules: what is done with every event of an entity type, and on which condition."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from functions.api.models import WITH_BODY, Success, refusals
from functions.api.routing import Session, create_router
from shared.errors import InvalidExpression, InvalidRequest, NotFound
from shared.management import rules
from shared.management.models import Deleted, ListQuery, Page
from shared.management.rules import Rule, RuleChanges, RuleFields

router = create_router("rules")


SAVE = (*WITH_BODY, InvalidExpression)


@router.get("/rules", responses=refusals(InvalidRequest))
async def list_rules(
    session: Session, wanted: Annotated[ListQuery, Query()]
) -> Success[Page[Rule]]:
    """The caller's rules in the order in which they run."""
    return Success(data=await rules.list_rules(session, wanted))


@router.post("/rules", status_code=201, responses=refusals(*SAVE))
async def create_rule(session: Session, new: RuleFields) -> Success[Rule]:
    """Makes a rule with its actions."""
    return Success(data=await rules.create_rule(session, new))


@router.get("/rules/{rule_id:uuid}", responses=refusals(NotFound))
async def get_rule(session: Session, rule_id: UUID) -> Success[Rule]:
    """One rule with its actions."""
    return Success(data=await rules.get_rule(session, rule_id))


@router.put("/rules/{rule_id:uuid}", responses=refusals(*SAVE, NotFound))
async def replace_rule(session: Session, rule_id: UUID, new: RuleFields) -> Success[Rule]:
    """Replaces a rule with its actions."""
    return Success(data=await rules.replace_rule(session, rule_id, new))


@router.patch("/rules/{rule_id:uuid}", responses=refusals(*SAVE, NotFound))
async def change_rule(session: Session, rule_id: UUID, changes: RuleChanges) -> Success[Rule]:
    """Changes some fields of a rule."""
    return Success(data=await rules.change_rule(session, rule_id, changes))


@router.delete("/rules/{rule_id:uuid}", responses=refusals(NotFound))
async def delete_rule(session: Session, rule_id: UUID) -> Success[Deleted]:
    """Deletes a rule. What it has done, and the log of that, stays."""
    return Success(data=await rules.delete_rule(session, rule_id))
