"""Rules that are tried: what they would do and why not, and that nothing is done."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.database.factories import insert
from tests.functions.api.conftest import Account, Connection, MakeEvent, data_of, refused

THROUGH: dict[str, Any] = {"stage": "done", "status": "processed", "processed_at": "now"}
TAG: dict[str, Any] = {
    "actionType": "tag",
    "actionConfig": {"tags": ["{{ event.data.total }} {{ endpoint.scheme }}"]},
}
RULE: dict[str, Any] = {
    "name": "Large orders",
    "entityTable": "order",
    "condition": "event.data.total > 100",
    "actions": [TAG],
}


@pytest.fixture
async def orders(newcomer: Account, make_event: MakeEvent, database: Connection) -> dict[str, str]:
    """Of somebody who has no others: their ids by what they show, oldest first."""
    endpoint = await newcomer.create_endpoint()
    record = insert(database, "public.orders", user_id=newcomer.user.id)
    through = THROUGH | {"entity_id": record["id"]}
    payloads: dict[str, Any] = {
        "small": {"data": {"total": 5}},
        "large": {"data": {"total": 500}},
        "missing": {"data": {}},
        "text": {"data": {"total": "many"}},
    }
    return {
        name: make_event(endpoint, payload=payload, **through) for name, payload in payloads.items()
    }


def outcomes(trials: dict[str, Any]) -> dict[str, str]:
    return {event["id"]: event["outcome"] for event in trials["events"]}


async def test_a_rule_tells_what_it_would_do_for_the_last_events(
    newcomer: Account, orders: dict[str, str]
) -> None:
    rule = await newcomer.create_rule(**RULE)

    found = await data_of(newcomer.client.post(f"/api/rules/{rule['id']}/try"))

    assert [event["id"] for event in found["events"]] == list(orders.values())[::-1]
    assert outcomes(found) == {
        orders["small"]: "condition_false",
        orders["large"]: "acts",
        orders["missing"]: "condition_false",
        orders["text"]: "condition_failed",
    }
    assert found["count"] == 4
    assert found["counts"] == {"acts": 1, "condition_false": 2, "condition_failed": 1}


async def test_each_event_says_why_nothing_would_be_done(
    newcomer: Account, orders: dict[str, str]
) -> None:
    rule = await newcomer.create_rule(**RULE)
    found = await data_of(newcomer.client.post(f"/api/rules/{rule['id']}/try", json={"last": 100}))

    why = {event["id"]: event["reason"] for event in found["events"]}
    assert why[orders["small"]] == "The condition is false"
    assert why[orders["large"]] is None
    assert "event.data.total is not there" in why[orders["missing"]]
    assert "types of the values do not go together" in why[orders["text"]]


async def test_actions_come_with_their_templates_filled_in(
    newcomer: Account, orders: dict[str, str]
) -> None:
    rule = await newcomer.create_rule(**RULE)

    found = await data_of(
        newcomer.client.post(f"/api/rules/{rule['id']}/try", json={"eventId": orders["large"]})
    )

    (event,) = found["events"]
    assert (event["stage"], event["status"], event["entityTable"]) == ("done", "processed", "order")
    assert event["actions"] == [
        {
            "actionId": rule["actions"][0]["id"],
            "actionType": "tag",
            "actionConfig": {"tags": ["500 none"], "target": "entity"},
            "error": None,
            "alreadyDone": False,
        }
    ]


async def test_an_action_that_cannot_be_done_says_why(
    newcomer: Account, orders: dict[str, str]
) -> None:
    config = {"role": "{{ event.data.nothing }}"}
    actions = [{"actionType": "assign_role", "actionConfig": config}, TAG]
    rule = await newcomer.create_rule(**RULE | {"actions": actions})
    wanted = {"eventId": orders["large"]}

    found = await data_of(newcomer.client.post(f"/api/rules/{rule['id']}/try", json=wanted))

    failed, tagged = found["events"][0]["actions"]
    assert failed["error"] == "role: this is empty"
    assert tagged["error"] is None


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("user_id", "x", "There is no field user_id that a rule may set"),
        ("nope", "x", "There is no field nope that a rule may set"),
        ("total", "abc", 'invalid input syntax for type numeric: "abc"'),
        ("total", "{{ event.data.word }}", None),
        ("total", "{{ event.data.total }}", None),
    ],
)
async def test_a_field_that_cannot_be_set_says_why_beside_the_other_actions(
    field: str, value: str, told: str | None, newcomer: Account, make_event: MakeEvent
) -> None:
    endpoint = await newcomer.create_endpoint()
    event_id = make_event(endpoint, stage="prepare", payload={"data": {"total": 7}})
    config = {"field": field, "value": value}
    actions = [TAG, {"actionType": "set_field", "actionConfig": config}, TAG]
    draft = RULE | {"condition": "", "actions": actions}

    body = {"rule": draft, "eventId": event_id}
    found = await data_of(newcomer.client.post("/api/rules/try", json=body))

    errors = [action["error"] for action in found["events"][0]["actions"]]
    assert errors == [None, told, None]


async def test_an_action_whose_target_is_not_there_says_so_as_the_run_will(
    newcomer: Account, make_event: MakeEvent
) -> None:
    event_id = make_event(await newcomer.create_endpoint(), **THROUGH)
    role = {"role": "customer", "target": "person"}
    actions = [
        TAG,
        {"actionType": "send_notification", "actionConfig": {"title": "Look"}},
        {"actionType": "assign_role", "actionConfig": role},
    ]
    draft = RULE | {"condition": "", "actions": actions}

    body = {"rule": draft, "eventId": event_id}
    found = await data_of(newcomer.client.post("/api/rules/try", json=body))

    told = [action["error"] for action in found["events"][0]["actions"]]
    assert told == ["The event has no entity to act on", None, "The event has no person to act on"]


async def test_what_has_been_done_for_an_event_is_told(
    newcomer: Account, orders: dict[str, str], database: Connection
) -> None:
    rule = await newcomer.create_rule(**RULE)
    action_id = rule["actions"][0]["id"]
    database.execute(
        "insert into public.webhook_event_logs (webhook_event_id, user_id, rule_id, action_id,"
        " action_type, success) values (%s, %s, %s, %s, 'tag', true)",
        [orders["large"], newcomer.user.id, rule["id"], action_id],
    )

    found = await data_of(newcomer.client.post(f"/api/rules/{rule['id']}/try"))

    (action,) = (action for event in found["events"] for action in event["actions"])
    assert (action["actionId"], action["alreadyDone"]) == (action_id, True)


async def test_a_change_is_tried_before_it_is_saved(
    newcomer: Account, orders: dict[str, str]
) -> None:
    rule = await newcomer.create_rule(**RULE)
    kept = {name: rule["actions"][0][name] for name in ("id", "actionType", "actionConfig")}
    draft = RULE | {"condition": "event.data.total < 100", "actions": [kept, TAG]}
    url = f"/api/rules/{rule['id']}"

    found = await data_of(newcomer.client.post(f"{url}/try", json={"rule": draft}))

    acting = [event for event in found["events"] if event["outcome"] == "acts"]
    assert [event["id"] for event in acting] == [orders["small"]]
    assert [action["actionId"] for action in acting[0]["actions"]] == [kept["id"], None]
    assert await data_of(newcomer.client.get(url)) == rule


async def test_a_rule_is_tried_without_being_saved(
    newcomer: Account, orders: dict[str, str]
) -> None:
    found = await data_of(newcomer.client.post("/api/rules/try", json={"rule": RULE, "last": 3}))

    assert len(found["events"]) == 3
    assert outcomes(found)[orders["large"]] == "acts"
    assert (await data_of(newcomer.client.get("/api/rules")))["items"] == []


async def test_trying_changes_nothing(
    newcomer: Account, orders: dict[str, str], database: Connection
) -> None:
    def everything() -> list[Any]:
        return [
            database.execute(
                f"select t.xmin::text, t.* from public.{table} t where user_id = %s",  # noqa: S608
                [newcomer.user.id],
            ).fetchall()
            for table in ("webhook_events", "webhook_event_logs", "entity_tags", "audit_logs")
        ]

    before = everything()
    await data_of(newcomer.client.post("/api/rules/try", json={"rule": RULE}))
    assert everything() == before


async def test_a_rule_of_another_entity_type_says_so(
    newcomer: Account, orders: dict[str, str]
) -> None:
    body = {"rule": RULE | {"entityTable": "invoice"}, "eventId": orders["large"]}
    found = await data_of(newcomer.client.post("/api/rules/try", json=body))

    (event,) = found["events"]
    assert event["outcome"] == "other_entity_type"
    assert event["reason"] == "The rule is for invoice, the event is order"


async def test_a_rule_without_events_is_tried_on_none(newcomer: Account) -> None:
    found = await data_of(newcomer.client.post("/api/rules/try", json={"rule": RULE}))
    assert found == {"count": 0, "counts": {}, "events": []}


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ({"last": 0}, "invalid_request", "last: "),
        ({"last": 101}, "invalid_request", "last: "),
        ({"eventId": "x"}, "invalid_request", "eventId: "),
        ({"eventId": str(uuid.uuid4()), "last": 1}, "invalid_request", "not both"),
        ({"rule": RULE | {"condition": "1 +"}}, "invalid_expression", "condition: "),
        (
            {"rule": RULE | {"actions": [{"actionType": "tag", "actionConfig": {}}]}},
            "invalid_request",
            "actions.0.actionConfig: tags",
        ),
        ({"rule": RULE | {"entityTable": "spaceship"}}, "invalid_request", "spaceship"),
    ],
)
async def test_what_cannot_be_tried_is_refused_with_the_place(
    body: dict[str, Any], code: str, told: str, anna: Account
) -> None:
    rule = await anna.create_rule()
    url = f"/api/rules/{rule['id']}/try"
    assert told in await refused(anna.client.post(url, json=body), 400, code)
    draft = {"rule": RULE} | body
    assert told in await refused(anna.client.post("/api/rules/try", json=draft), 400, code)


async def test_nobody_tries_rules_or_events_of_another(
    anna: Account, ben: Account, admin: Account, make_event: MakeEvent
) -> None:
    rule = await anna.create_rule(**RULE)
    event_id = make_event(await anna.create_endpoint(), **THROUGH)
    url = f"/api/rules/{rule['id']}/try"
    wanted = {"eventId": event_id}

    await refused(ben.client.post(url, json=wanted), 404, "not_found")
    draft = wanted | {"rule": RULE}
    await refused(ben.client.post("/api/rules/try", json=draft), 404, "not_found")
    for account in (anna, admin):
        (event,) = (await data_of(account.client.post(url, json=wanted)))["events"]
        assert event["id"] == event_id
