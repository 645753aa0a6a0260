"""Rules over HTTP, on a real database."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.functions.api.conftest import Account, Connection, all_of, data_of, refused

RULE: dict[str, Any] = {
    "name": "Large orders",
    "description": "Tell us",
    "entityTable": "order",
    "condition": "event.data.total > 100",
    "priority": 10,
    "isActive": False,
    "actions": [
        {"actionType": "tag", "actionConfig": {"tags": ["large"], "target": "entity"}},
        {"actionType": "send_notification", "actionConfig": {"title": "{{ entity.total }}"}},
    ],
}


def set_field(name: str) -> dict[str, Any]:
    return {"actionType": "set_field", "actionConfig": {"field": name, "value": "x"}}


def without_ids(rule: dict[str, Any]) -> dict[str, Any]:
    actions = [
        {name: action[name] for name in ("actionType", "actionConfig")}
        for action in rule["actions"]
    ]
    return {name: rule[name] for name in RULE} | {"actions": actions}


async def test_a_rule_is_kept_with_its_actions_in_order(anna: Account) -> None:
    made = await anna.create_rule(**RULE)
    assert without_ids(made) == RULE
    assert made["_id"] == made["id"]
    assert made["userId"] == str(anna.user.id)
    assert made["createdAt"].endswith("Z")
    assert all(action["_id"] == action["id"] for action in made["actions"])
    assert await data_of(anna.client.get(f"/api/rules/{made['id']}")) == made


async def test_a_rule_needs_little(anna: Account) -> None:
    made = await anna.create_rule()
    assert (made["condition"], made["priority"], made["isActive"]) == ("", 100, True)
    assert (made["description"], made["actions"]) == (None, [])


@pytest.mark.parametrize(
    ("fields", "code", "told"),
    [
        ({"condition": "event.data.total >"}, "invalid_expression", "condition: "),
        ({"condition": "1 + 1"}, "invalid_expression", "condition: "),
        ({"condition": "x" * 2001}, "invalid_request", "condition: "),
        ({"entityTable": "spaceship"}, "invalid_request", "There is no entity type spaceship"),
        ({"name": ""}, "invalid_request", "name: "),
        ({"priority": -1}, "invalid_request", "priority: "),
        ({"priority": 2**31}, "invalid_request", "priority: "),
        (
            {"actions": [{"actionType": "launch"}]},
            "invalid_request",
            "actions.0.actionType: must be one of",
        ),
        (
            {"actions": [RULE["actions"][0], {"actionType": "tag", "actionConfig": {}}]},
            "invalid_request",
            "actions.1.actionConfig: tags",
        ),
        (
            {"actions": [{"actionType": "tag", "actionConfig": {"tags": ["{{ event. }}"]}}]},
            "invalid_expression",
            "actions.0.actionConfig: tags.0: ",
        ),
        ({"actions": [{"type": "tag"}]}, "invalid_request", "actions.0."),
        ({"actions": [{"actionType": "tag"}]}, "invalid_request", "actions.0.actionConfig: "),
        ({"actions": [{"actionType": "tag"}] * 51}, "invalid_request", "actions"),
        ({"surprise": 1}, "invalid_request", "surprise"),
        (
            {"actions": [set_field("status"), set_field("user_id")]},
            "invalid_request",
            "There is no field user_id that a rule may set",
        ),
        (
            {"actions": [set_field("nope")]},
            "invalid_request",
            "There is no field nope that a rule may set",
        ),
    ],
)
async def test_a_rule_that_does_not_work_is_refused_with_the_place(
    fields: dict[str, Any], code: str, told: str, anna: Account
) -> None:
    body = RULE | fields
    words = await refused(anna.client.post("/api/rules", json=body), 400, code)
    assert told in words
    rule = await anna.create_rule()
    url = f"/api/rules/{rule['id']}"
    assert told in await refused(anna.client.put(url, json=body), 400, code)
    assert told in await refused(anna.client.patch(url, json=fields), 400, code)
    assert await data_of(anna.client.get(url)) == rule


async def test_put_replaces_a_rule_and_its_actions(anna: Account) -> None:
    before = await anna.create_rule(**RULE)
    kept = before["actions"][1]
    body = {
        "name": "All orders",
        "entityTable": "person",
        "actions": [
            {"actionType": "assign_role", "actionConfig": {"role": "lead"}},
            {"id": kept["id"], "actionType": "tag", "actionConfig": {"tags": ["x"]}},
        ],
    }
    after = await data_of(anna.client.put(f"/api/rules/{before['id']}", json=body))
    assert (after["name"], after["entityTable"], after["condition"]) == (
        "All orders",
        "person",
        "",
    )
    assert [action["actionType"] for action in after["actions"]] == ["assign_role", "tag"]
    assert after["actions"][1]["id"] == kept["id"]
    assert after["actions"][0]["id"] not in {action["id"] for action in before["actions"]}
    assert await data_of(anna.client.get(f"/api/rules/{before['id']}")) == after


async def test_an_action_cannot_be_taken_from_another_rule(anna: Account) -> None:
    first = await anna.create_rule(**RULE)
    action = first["actions"][0]
    stolen = {name: action[name] for name in ("id", "actionType", "actionConfig")}
    second = await anna.create_rule(actions=[stolen])
    assert second["actions"][0]["id"] != action["id"]
    assert await data_of(anna.client.get(f"/api/rules/{first['id']}")) == first


async def test_an_action_is_listed_once(anna: Account) -> None:
    rule = await anna.create_rule(**RULE)
    action = {"id": rule["actions"][0]["id"], "actionType": "tag", "actionConfig": {"tags": ["x"]}}
    body = RULE | {"actions": [action, action]}
    response = anna.client.put(f"/api/rules/{rule['id']}", json=body)
    assert "actions" in await refused(response, 400, "invalid_request")


async def test_patch_changes_what_it_names(anna: Account) -> None:
    before = await anna.create_rule(**RULE)
    url = f"/api/rules/{before['id']}"
    after = await data_of(anna.client.patch(url, json={"isActive": True, "description": None}))
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"isActive", "description", "updatedAt"}
    tag = {"actionType": "tag", "actionConfig": {"tags": ["x"]}}
    after = await data_of(anna.client.patch(url, json={"actions": [tag]}))
    assert without_ids(after) == RULE | {"isActive": True, "description": None, "actions": [tag]}


async def test_a_rule_goes_to_no_type_whose_fields_it_does_not_set(anna: Account) -> None:
    rule = await anna.create_rule(actions=[set_field("order_number")])
    url = f"/api/rules/{rule['id']}"

    body = {"entityTable": "invoice"}
    told = await refused(anna.client.patch(url, json=body), 400, "invalid_request")
    assert told == "There is no field order_number that a rule may set"
    assert await data_of(anna.client.get(url)) == rule

    after = await data_of(anna.client.patch(url, json=body | {"actions": [set_field("number")]}))
    assert after["entityTable"] == "invoice"
    moved = await data_of(anna.client.patch(url, json={"entityTable": "ticket", "actions": []}))
    assert (moved["entityTable"], moved["actions"]) == ("ticket", [])


async def test_a_rule_keeps_its_actions_in_another_type(anna: Account) -> None:
    rule = await anna.create_rule(**RULE)
    url = f"/api/rules/{rule['id']}"
    after = await data_of(anna.client.patch(url, json={"entityTable": "invoice"}))
    assert (after["entityTable"], after["actions"]) == ("invoice", rule["actions"])


async def test_a_rule_saved_before_fields_were_looked_at_is_listed_switched_off_and_deleted(
    newcomer: Account, database: Connection
) -> None:
    rule = await newcomer.create_rule(actions=[set_field("status")])
    database.execute(
        "update public.entity_rule_actions set action_config = "
        "jsonb_set(action_config, '{field}', '\"nope\"') where rule_id = %s",
        [rule["id"]],
    )
    url = f"/api/rules/{rule['id']}"

    (listed,) = await all_of(newcomer, "/api/rules")
    assert listed["actions"][0]["actionConfig"]["field"] == "nope"
    changes = {"isActive": False, "priority": 5, "name": "Wrong"}
    after = await data_of(newcomer.client.patch(url, json=changes))
    assert (after["isActive"], after["actions"]) == (False, listed["actions"])
    assert await data_of(newcomer.client.delete(url)) == {"id": rule["id"], "_id": rule["id"]}


async def test_rules_are_listed_in_the_order_in_which_they_run(ben: Account) -> None:
    made = {priority: (await ben.create_rule(priority=priority))["id"] for priority in (30, 10, 20)}
    made_later = (await ben.create_rule(priority=20))["id"]
    expected = [made[10], made[20], made_later, made[30]]
    seen = [rule["id"] for rule in await all_of(ben, "/api/rules", limit=1)]
    assert [rule for rule in seen if rule in expected] == expected


async def test_a_deleted_rule_is_gone(anna: Account) -> None:
    rule = await anna.create_rule()
    url = f"/api/rules/{rule['id']}"
    assert await data_of(anna.client.delete(url)) == {"id": rule["id"], "_id": rule["id"]}
    await refused(anna.client.get(url), 404, "not_found")
    await refused(anna.client.delete(url), 404, "not_found")


async def test_nobody_reaches_the_rules_of_another(
    anna: Account, ben: Account, admin: Account
) -> None:
    rule = await anna.create_rule(**RULE)
    for rule_id in (rule["id"], uuid.uuid4()):
        url = f"/api/rules/{rule_id}"
        await refused(ben.client.get(url), 404, "not_found")
        await refused(ben.client.put(url, json=RULE), 404, "not_found")
        await refused(ben.client.patch(url, json={"isActive": True}), 404, "not_found")
        await refused(ben.client.patch(url, json={"actions": []}), 404, "not_found")
        await refused(ben.client.delete(url), 404, "not_found")
    url = f"/api/rules/{rule['id']}"
    assert await data_of(anna.client.get(url)) == rule
    after = await data_of(admin.client.put(url, json=RULE | {"name": "By an admin"}))
    assert (after["name"], after["userId"]) == ("By an admin", str(anna.user.id))
    listed = await data_of(ben.client.get("/api/rules?limit=100&owner=all"))
    assert rule["id"] not in {item["id"] for item in listed["items"]}
