"""Rules: what is done with events, in which order, and on which condition."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from starlette.responses import Response

from functions.console.forms import as_model
from functions.console.lists import PAGE_SIZE, list_query
from functions.console.rule_form import FORMS, form_values, rule_fields, values_of
from functions.console.visits import Visit, get, post
from shared.conditions import compile_condition, compile_filter
from shared.errors import InvalidRequest
from shared.management import entity_types, rules
from shared.management.models import ListQuery
from shared.management.rules import Rule, RuleChanges, RuleFields

STEP = 10


async def show_list(visit: Visit) -> Response:
    page = await rules.list_rules(visit.session, list_query(visit, min(100, PAGE_SIZE * 2)))
    return await visit.live_page("rules.html", "rules_live.html", page=page)


async def show_new(visit: Visit) -> Response:
    return await _form(visit, None, form_values(None))


async def create(visit: Visit) -> Response:
    try:
        made = await rules.create_rule(visit.session, as_model(RuleFields, rule_fields(visit.form)))
    except InvalidRequest as error:
        return await _form(visit, None, values_of(visit.form), error.message)
    return visit.go("/rules", f"{made.name} is saved")


async def show_edit(visit: Visit) -> Response:
    rule = await rules.get_rule(visit.session, _id(visit))
    return await _form(visit, rule, form_values(rule))


async def change(visit: Visit) -> Response:
    rule = await rules.get_rule(visit.session, _id(visit))
    try:
        fields = as_model(RuleFields, rule_fields(visit.form))
        await rules.replace_rule(visit.session, rule.id, fields)
    except InvalidRequest as error:
        return await _form(visit, rule, values_of(visit.form), error.message)
    return visit.go("/rules", f"{fields.name} is saved")


async def switch(visit: Visit) -> Response:
    is_active = visit.form.checked("active")
    changes = RuleChanges.model_validate({"isActive": is_active})
    rule = await rules.change_rule(visit.session, _id(visit), changes)
    return visit.go("/rules", f"{rule.name} is {'on' if is_active else 'off'}")


async def move(visit: Visit) -> Response:
    """Puts a rule before or after its neighbour. Where priorities leave no room, they are dealt out anew."""
    page = await rules.list_rules(visit.session, ListQuery(limit=100, owner=visit.owner))
    order = list(page.items)
    place = next((at for at, rule in enumerate(order) if rule.id == _id(visit)), None)
    if place is None:
        raise InvalidRequest(
            "This rule is not among the first hundred; change its priority instead"
        )
    other = place + (-1 if visit.form.text("direction") == "up" else 1)
    if not 0 <= other < len(order):
        return visit.go("/rules", "It is there already")
    order[place], order[other] = order[other], order[place]
    await _renumber(visit, order)
    return visit.go("/rules", f"{order[other].name} is {other + 1} of {len(order)} now")


async def _renumber(visit: Visit, order: list[Rule]) -> None:
    """Gives rules priorities that grow, changing those only that do not."""
    before = -1
    for rule in order:
        priority = rule.priority
        if priority <= before:
            priority = before + STEP
            changes = RuleChanges.model_validate({"priority": priority})
            await rules.change_rule(visit.session, rule.id, changes)
        before = priority


async def check(visit: Visit) -> Response:
    """What is wrong with an expression, while it is being written."""
    compile_one = compile_filter if visit.form.text("kind") == "filter" else compile_condition
    text = visit.form.text("condition") or visit.form.text("filter")
    problem = None
    try:
        compile_one(text[:2001])
    except InvalidRequest as error:
        problem = error.message
    return visit.fragment("checked.html", problem=problem, is_empty=not text)


async def delete(visit: Visit) -> Response:
    await rules.delete_rule(visit.session, _id(visit))
    return visit.go("/rules", "The rule is deleted")


async def _form(
    visit: Visit, rule: Rule | None, values: dict[str, Any], problem: str | None = None
) -> Response:
    types = await entity_types.list_entity_types(visit.session, ListQuery(limit=100))
    return await visit.page(
        "rule_form.html",
        400 if problem else 200,
        rule=rule,
        values=values,
        problem=problem,
        forms=FORMS,
        entity_types=sorted({one.name for one in types.items}),
    )


def _id(visit: Visit) -> UUID:
    rule_id: UUID = visit.request.path_params["rule_id"]
    return rule_id


ONE = "/rules/{rule_id:uuid}"
ROUTES = (
    get("/rules", show_list),
    get("/rules/new", show_new),
    post("/rules/new", create),
    post("/rules/check", check),
    get(f"{ONE}/edit", show_edit),
    post(f"{ONE}/edit", change),
    post(f"{ONE}/switch", switch),
    post(f"{ONE}/move", move),
    post(f"{ONE}/delete", delete),
)
