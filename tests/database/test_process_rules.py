"""The rules stage: what a worker is given, and how an event ends."""

from __future__ import annotations

import uuid

import pytest

from tests.database.factories import Endpoint, insert, make_endpoint, make_user
from tests.database.pipeline import (
    act,
    action,
    claim,
    claimed_ids,
    event,
    finish,
    log,
    prepared,
    send_again,
    work,
)
from tests.database.rpcs import Connection, Row, call_as


def tags(connection: Connection) -> list[str]:
    found = connection.execute("select tag from public.entity_tags order by tag").fetchall()
    return [row["tag"] for row in found]


def make_rule(connection: Connection, user_id: uuid.UUID, **columns: object) -> Row:
    """An active rule for orders with one action, saved as its owner would."""
    rule = {
        "entity_table": "order",
        "name": "Tag",
        "actions": [{"action_type": "tag", "action_config": {"tags": ["vip"]}}],
    }
    saved: Row = call_as(connection, user_id, "save_rule", p_rule_id=None, p_rule=rule | columns)
    return saved


@pytest.fixture
def endpoint(hosted_database: Connection) -> Endpoint:
    return make_endpoint(hosted_database)


@pytest.fixture
def order(hosted_database: Connection, endpoint: Endpoint) -> Row:
    """An event that became an order of Ada's, due for its rules."""
    return prepared(
        hosted_database,
        endpoint,
        person={"email": "ada@example.com"},
        fields={"external_id": "o1", "total": 5},
    )


def test_a_worker_is_given_the_event_with_its_person_and_record(
    hosted_database: Connection, endpoint: Endpoint, order: Row
) -> None:
    (given,) = claim(hosted_database, "rules")["events"]

    assert (given["id"], given["entity_table"], given["is_person"]) == (
        str(order["id"]),
        "order",
        True,
    )
    assert given["person"]["email"] == "ada@example.com"
    assert (given["entity"]["external_id"], given["entity"]["total"]) == ("o1", 5)
    assert given["endpoint"]["id"] == str(endpoint.id)
    assert given["done_actions"] == []
    assert "user_id" not in given["person"]
    assert "user_id" not in given["entity"]


def test_a_worker_is_given_the_owners_active_rules_by_priority(
    hosted_database: Connection, endpoint: Endpoint, order: Row
) -> None:
    owner = endpoint.user_id
    late = make_rule(hosted_database, owner, name="Late", priority=200)
    early = make_rule(hosted_database, owner, name="Early", priority=1, condition="true")
    make_rule(hosted_database, owner, is_active=False)
    make_rule(hosted_database, owner, entity_table="invoice")
    make_rule(hosted_database, make_user(hosted_database))

    rules = claim(hosted_database, "rules")["rules"]

    assert [rule["id"] for rule in rules] == [early["id"], late["id"]]
    assert rules[0] == {
        "id": early["id"],
        "user_id": str(owner),
        "entity_table": "order",
        "name": "Early",
        "condition": "true",
        "priority": 1,
        "actions": [{**early["actions"][0], "position": 1}],
    }


def test_a_worker_is_given_the_invoice_maps_of_its_owners(
    hosted_database: Connection, endpoint: Endpoint, order: Row
) -> None:
    for owner in (endpoint.user_id, make_user(hosted_database)):
        insert(
            hosted_database,
            "public.entity_types",
            user_id=owner,
            name="invoice",
            description="A bill",
            target_table="invoices",
            field_map={"number": "data.no"},
        )

    maps = claim(hosted_database, "rules")["invoice_field_maps"]

    assert {found["user_id"] for found in maps} == {None, str(endpoint.user_id)}
    assert {"user_id": str(endpoint.user_id), "field_map": {"number": "data.no"}} in maps


def test_an_event_without_rules_is_processed(hosted_database: Connection, order: Row) -> None:
    found = work(hosted_database, "rules", order["id"], actions=[])

    assert (found["status"], found["stage"], found["lease_id"]) == ("processed", "done", None)
    assert found["processed_at"] is not None


def test_an_action_is_applied_and_logged(hosted_database: Connection, order: Row) -> None:
    tag = action("tag", {"tags": ["vip", "new"]}, duration_ms=1.5)

    found = act(hosted_database, order["id"], tag)

    assert found["status"] == "processed"
    assert tags(hosted_database) == ["new", "vip"]
    entry = log(hosted_database, order["id"])[-1]
    assert {str(entry["rule_id"]), str(entry["action_id"])} == {tag["rule_id"], tag["action_id"]}
    assert (entry["action_type"], entry["success"], float(entry["duration_ms"])) == (
        "tag",
        True,
        1.5,
    )
    assert entry["action_config"] == {"tags": ["vip", "new"]}
    assert entry["result"] == {"entity_id": str(order["entity_id"])}


def test_a_failed_action_fails_the_event_and_the_others_stand(
    hosted_database: Connection, order: Row
) -> None:
    bad = action("set_field", {"field": "total", "value": "a lot"})

    found = act(hosted_database, order["id"], action("tag", {"tags": ["a"]}), bad)

    assert (found["status"], found["stage"]) == ("failed", "rules")
    assert found["error_message"] == 'set_field: invalid input syntax for type numeric: "a lot"'
    assert tags(hosted_database) == ["a"]
    entries = {entry["action_type"]: entry for entry in log(hosted_database, order["id"])}
    assert (entries["tag"]["success"], entries["set_field"]["success"]) == (True, False)
    assert "a lot" in entries["set_field"]["error_message"]


def test_an_action_after_a_failed_one_is_still_done(
    hosted_database: Connection, order: Row
) -> None:
    bad = action("set_field", {"field": "colour", "value": "red"})

    act(hosted_database, order["id"], bad, action("tag", {"tags": ["a"]}))

    assert tags(hosted_database) == ["a"]


def test_an_action_that_the_worker_could_not_render_is_logged_as_failed(
    hosted_database: Connection, order: Row
) -> None:
    found = act(
        hosted_database, order["id"], action("tag", {"tags": ["{{ x }}"]}, error="x is unknown")
    )

    assert (found["status"], found["error_message"]) == ("failed", "tag: x is unknown")
    assert tags(hosted_database) == []
    entry = log(hosted_database, order["id"])[-1]
    assert (entry["success"], entry["error_message"]) == (False, "x is unknown")


def test_an_unknown_action_fails_its_event_alone(hosted_database: Connection, order: Row) -> None:
    other = prepared(hosted_database, make_endpoint(hosted_database))
    batch = claim(hosted_database, "rules")

    finish(
        hosted_database,
        "rules",
        batch["lease_id"],
        {"id": order["id"], "actions": [action("explode", {})]},
        {"id": other["id"], "actions": []},
    )

    assert "explode" in event(hosted_database, order["id"])["error_message"]
    assert event(hosted_database, other["id"])["status"] == "processed"


def test_a_reprocessed_event_names_what_has_been_done(
    hosted_database: Connection, order: Row
) -> None:
    good, bad = action("tag", {"tags": ["a"]}), action("set_field", {"field": "colour"})
    act(hosted_database, order["id"], good, bad)
    send_again(hosted_database, order, "rules")

    (given,) = claim(hosted_database, "rules")["events"]

    assert given["done_actions"] == [good["action_id"]]


def test_reprocessing_does_what_had_failed_and_nothing_else(
    hosted_database: Connection, order: Row
) -> None:
    done = action("store_message", {"content": "Hello"})
    failed = action("send_notification", {"body": "no title"})
    act(hosted_database, order["id"], done, failed)
    send_again(hosted_database, order, "rules")
    mended = failed | {"action_config": {"title": "An order"}}

    found = act(hosted_database, order["id"], done, mended)

    assert (found["status"], found["error_message"]) == ("processed", None)
    assert len(hosted_database.execute("select from public.chat_messages").fetchall()) == 1
    assert len(hosted_database.execute("select from public.notifications").fetchall()) == 1
    entries = log(hosted_database, order["id"])
    assert [e["success"] for e in entries if e["action_id"] is not None] == [True, True]


def test_a_result_submitted_twice_is_applied_once(hosted_database: Connection, order: Row) -> None:
    batch = claim(hosted_database, "rules")
    result = {"id": order["id"], "actions": [action("store_message", {"content": "Hello"})]}
    finish(hosted_database, "rules", batch["lease_id"], result)

    answer = finish(hosted_database, "rules", batch["lease_id"], result)

    assert answer == {"finished": [], "lost": [str(order["id"])]}
    assert len(hosted_database.execute("select from public.chat_messages").fetchall()) == 1


def test_an_event_is_claimed_with_a_record_that_is_gone(
    hosted_database: Connection, order: Row
) -> None:
    hosted_database.execute("delete from public.orders")
    hosted_database.execute("delete from public.people")

    batch = claim(hosted_database, "rules")

    assert claimed_ids(batch) == {order["id"]}
    assert (batch["events"][0]["person"], batch["events"][0]["entity"]) == (None, None)
