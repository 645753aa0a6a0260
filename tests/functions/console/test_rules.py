"""Rules and types on pages: written, checked, ordered, deleted."""

from __future__ import annotations

from tests.functions.console.conftest import (
    RULE,
    Browser,
    create_rule,
    words_of,
)


async def test_a_rule_keeps_its_actions_ids_and_order(anna: Browser) -> None:
    second = {"actions.1.type": "send_notification", "actions.1.send_notification.title": "Look"}
    rule_id = await create_rule(anna, **second)
    edit = f"/rules/{rule_id}/edit"
    page = (await anna.get(edit)).text
    ids = [part.split('"')[0] for part in page.split('.id" value="')[1:] if part[0] != '"']
    assert len(ids) == 2
    moved = {
        "actions.1.id": ids[1],
        "actions.1.type": "send_notification",
        "actions.1.send_notification.title": "Look",
        "actions.0.id": ids[0],
        "actions.0.type": "tag",
        "actions.0.tag.tags": "big",
    }
    rest = {name: value for name, value in RULE.items() if not name.startswith("actions")}
    await anna.post(edit, page=edit, **rest, **moved)
    page = (await anna.get(edit)).text
    now = [part.split('"')[0] for part in page.split('.id" value="')[1:] if part[0] != '"']
    assert now == [ids[1], ids[0]]
    await anna.post(f"/rules/{rule_id}/delete")
    await anna.get(edit, 404)


async def test_what_is_wrong_with_a_rule_is_told_while_it_is_written_and_when_it_is_saved(
    anna: Browser,
) -> None:
    answer = await anna.post("/rules/check", condition="event.data.total >")
    assert "bad-text" in answer.text
    answer = await anna.post("/rules/check", condition="event.data.total > 1")
    assert "This can be saved" in words_of(answer)
    answer = await anna.post("/rules/check", kind="filter", filter="person.name == 'a'")
    assert "bad-text" in answer.text
    answer = await anna.post("/rules/new", page="/rules/new", **RULE | {"condition": "1 +"})
    assert answer.status_code == 400
    assert "condition: " in words_of(answer)
    wrong = RULE | {"actions.0.type": "assign_role", "actions.0.tag.tags": "x"}
    answer = await anna.post("/rules/new", page="/rules/new", **wrong)
    assert "actions.0.actionConfig: role" in words_of(answer)


async def test_a_rule_that_would_set_what_no_rule_may_set_is_not_saved(anna: Browser) -> None:
    wrong = RULE | {
        "actions.0.type": "set_field",
        "actions.0.set_field.field": "user_id",
        "actions.0.set_field.value": "x",
    }
    answer = await anna.post("/rules/new", page="/rules/new", **wrong)
    assert answer.status_code == 400
    assert "There is no field user_id that a rule may set" in words_of(answer)


async def test_types_are_registered_changed_and_deleted(anna: Browser) -> None:
    fields = {
        "name": "lead",
        "description": "A lead",
        "targetTable": "people",
        "matchColumns": "email",
        "fieldMap": '{"email": "lower(data.email)"}',
    }
    new = "/settings/entity-types/new"
    answer = await anna.post(new, page=new, **fields)
    assert answer.status_code == 303, words_of(answer)
    answer = await anna.post(new, page=new, **fields | {"targetTable": "webhook_events"})
    assert answer.status_code == 400
    page = await anna.get("/settings")
    lead = page.text.split(">lead<")[0].rsplit("entity-types/", 1)[1][:36]
    await anna.post(f"/settings/entity-types/{lead}/delete")
    await anna.get(f"/settings/entity-types/{lead}", 404)

    await anna.post("/settings/event-types", name="order.packed", example='{"id": 1}')
    assert "order.packed" in words_of(await anna.get("/settings"))
    answer = await anna.post("/settings/event-types", name="order packed")
    assert answer.status_code == 400
    await anna.post("/settings/event-types/order.packed/delete")
    await anna.get("/settings/event-types/order.packed", 404)
