"""The way of an event, from the body that came in to the deliveries that came of it."""

from __future__ import annotations

import hashlib
import uuid

import pytest

from tests.database.deliveries import make_webhook, published, work_deliveries
from tests.database.factories import (
    Endpoint,
    incoming,
    make_admin,
    make_endpoint,
    make_event,
    make_user,
)
from tests.database.pipeline import (
    act,
    action,
    approve,
    classify,
    event,
    ingest,
    override,
    prepare,
    prepared,
    send_again,
    work,
)
from tests.database.rpcs import Connection, Row, call_as, refused

BODY = b'{"id": 1, "email": "ada@example.com"}'


@pytest.fixture
def endpoint(hosted_database: Connection) -> Endpoint:
    return make_endpoint(hosted_database)


def trace(connection: Connection, event_id: object, user_id: uuid.UUID | None = None) -> Row:
    """As its owner sees it, unless told otherwise."""
    owner = event(connection, uuid.UUID(str(event_id)))["user_id"]
    answer: Row = call_as(connection, user_id or owner, "get_event_trace", p_event_id=event_id)
    return answer


def rule_of(connection: Connection, user_id: uuid.UUID, *actions: tuple[str, Row]) -> Row:
    rule = {
        "entity_table": "order",
        "name": "All orders",
        "actions": [{"action_type": kind, "action_config": config} for kind, config in actions],
    }
    saved: Row = call_as(connection, user_id, "save_rule", p_rule_id=None, p_rule=rule)
    return saved


def done(rule: Row, place: int = 0) -> Row:
    """An action of a saved rule, as process_rules reports it."""
    saved = rule["actions"][place]
    kind, config = saved["action_type"], saved["action_config"]
    return action(kind, config, rule_id=rule["id"], action_id=saved["id"])


def test_a_trace_begins_with_the_body_as_it_came(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    row = incoming(endpoint, BODY, scheme="stripe")
    ingest(hosted_database, row)

    found = trace(hosted_database, row["id"])

    assert found["received"]["body"] == {
        "size": len(BODY),
        "sha256": hashlib.sha256(BODY).hexdigest(),
        "content_type": "application/json",
    }
    verification = found["verification"]
    assert (verification["scheme"], verification["verified"]) == ("stripe", True)
    assert verification["endpoint"]["id"] == str(endpoint.id)
    assert found["received"]["at"] == verification["at"]
    assert (found["person"], found["entity"], found["rules"], found["outgoing"]) == (
        None,
        None,
        [],
        [],
    )


def test_what_nobody_verified_is_told(hosted_database: Connection, endpoint: Endpoint) -> None:
    found = trace(hosted_database, make_event(hosted_database, endpoint))

    assert found["verification"]["verified"] is False
    assert found["received"]["body"] is None


def test_a_label_says_who_gave_it_and_how_surely(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = make_event(hosted_database, endpoint)
    classify(hosted_database, made, confidence=0.4, classified_by="embedding:1")
    owner = endpoint.user_id

    label = trace(hosted_database, made)["label"]
    assert (label["classified_by"], label["confidence"]) == ("embedding:1", 0.4)
    assert label["decisions"] == []

    override(hosted_database, owner, made, entity_table="invoice")
    approve(hosted_database, owner, made)
    label = trace(hosted_database, made)["label"]
    assert (label["entity_table"], label["classified_by"]) == ("invoice", f"user:{owner}")
    assert label["classifier"]["entity_table"] == "order"
    assert label["classifier"]["classified_by"] == "embedding:1"
    assert label["classifier"]["at"]
    told = [(decision["action"], decision["by"]) for decision in label["decisions"]]
    assert sorted(told) == [("event.approve", str(owner)), ("event.override", str(owner))]


@pytest.mark.parametrize("key", ["email", "phone", "external_id"])
def test_a_person_is_made_once_and_found_by_the_key_that_matched(
    hosted_database: Connection, endpoint: Endpoint, key: str
) -> None:
    person = {"email": "ada@example.com", "phone": "+4912345", "external_id": "c1"}
    first = prepared(hosted_database, endpoint, person=person, fields={"external_id": "o1"})
    second = prepared(
        hosted_database, endpoint, person={key: person[key]}, fields={"external_id": "o2"}
    )

    made, found = (trace(hosted_database, one["id"])["person"] for one in (first, second))

    assert (made["how"], made["found_by"]) == ("made", [])
    assert (found["how"], found["found_by"]) == ("found", [key])
    assert made["id"] == found["id"] == str(first["person_id"])


def test_a_person_is_found_by_the_strongest_key(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    person = {"email": "ada@example.com", "phone": "+4912345"}
    prepared(hosted_database, endpoint, person=person, fields={"external_id": "o1"})
    again = prepared(hosted_database, endpoint, person=person, fields={"external_id": "o2"})

    assert trace(hosted_database, again["id"])["person"]["found_by"] == ["email"]


def test_a_record_is_made_once_and_found_by_its_match_columns(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    first, second = (
        prepared(hosted_database, endpoint, fields={"external_id": "o1"}) for _ in range(2)
    )

    made, found = (trace(hosted_database, one["id"])["entity"] for one in (first, second))

    assert (made["how"], made["found_by"]) == ("made", [])
    assert (found["how"], found["found_by"]) == ("found", ["external_id"])
    assert made["id"] == found["id"] == str(first["entity_id"])


def test_an_event_prepared_again_finds_its_own_record_and_is_still_told_to_have_made_it(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(hosted_database, endpoint, person={"name": "Ada"}, fields={"total": 1})
    send_again(hosted_database, made)
    prepare(hosted_database, made["id"], person={"name": "Ada"}, fields={"total": 2})

    found = trace(hosted_database, made["id"])

    assert found["entity"]["how"] == found["person"]["how"] == "made"
    later = {step["action_type"]: step["result"] for step in found["steps"]}
    assert later["update_entity"]["found_by"] == ["earlier_try"]
    assert later["update_person"]["found_by"] == ["earlier_try"]


def test_each_rule_is_told_with_its_actions(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    rule = rule_of(
        hosted_database, endpoint.user_id, ("tag", {"tags": ["vip"]}), ("tag", {"tags": ["x"]})
    )
    failed = done(rule, 1) | {"error": "No"}
    act(hosted_database, made["id"], done(rule), failed)

    (told,) = trace(hosted_database, made["id"])["rules"]

    assert (told["id"], told["name"]) == (rule["id"], "All orders")
    assert [(a["action_id"], a["success"], a["error"]) for a in told["actions"]] == [
        (rule["actions"][0]["id"], True, None),
        (rule["actions"][1]["id"], False, "No"),
    ]
    assert all(step["at"] for step in told["actions"])


def test_a_rule_that_is_gone_has_no_name(hosted_database: Connection, endpoint: Endpoint) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    act(hosted_database, made["id"], action("tag", {"tags": ["vip"]}))

    (told,) = trace(hosted_database, made["id"])["rules"]
    assert told["name"] is None


def test_what_a_rule_published_is_told_with_who_got_it(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    webhook = make_webhook(hosted_database, endpoint.user_id)
    rule = rule_of(
        hosted_database, endpoint.user_id, ("call_webhook", {"event": "order.seen", "data": {}})
    )
    act(hosted_database, made["id"], done(rule))
    work_deliveries(hosted_database)

    (told,) = trace(hosted_database, made["id"])["outgoing"]

    assert (told["type"], told["action_id"]) == ("order.seen", rule["actions"][0]["id"])
    (delivery,) = told["deliveries"]
    assert (delivery["webhook_id"], delivery["webhook_name"]) == (str(webhook.id), "Shop")
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)
    assert delivery["finished_at"]


def test_what_a_tracked_table_published_is_told_with_the_action_that_wrote_to_it(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    rule = rule_of(hosted_database, endpoint.user_id, ("create_ticket", {"subject": "Help"}))
    act(hosted_database, made["id"], done(rule))

    (told,) = trace(hosted_database, made["id"])["outgoing"]
    assert (told["type"], told["action_id"]) == ("ticket.created", rule["actions"][0]["id"])


def test_a_record_that_became_known_by_preparing_is_told_without_an_action(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(hosted_database, endpoint, "ticket", fields={"subject": "Help"})

    (told,) = trace(hosted_database, made["id"])["outgoing"]
    assert (told["type"], told["action_id"]) == ("ticket.created", None)


def test_events_of_one_batch_are_told_apart(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    ids = [prepared(hosted_database, endpoint, fields={"external_id": name})["id"] for name in "ab"]
    for event_id in ids:
        act(hosted_database, event_id, action("create_ticket", {"subject": "Help"}))

    told = [trace(hosted_database, event_id)["outgoing"] for event_id in ids]

    assert [len(outgoing) for outgoing in told] == [1, 1]
    assert told[0][0]["id"] != told[1][0]["id"]


def test_what_is_published_afterwards_is_put_down_to_nothing(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    act(hosted_database, made["id"], action("create_ticket", {"subject": "Help"}))
    hosted_database.execute("update public.tickets set status = 'resolved'")

    causes = [row["webhook_event_id"] for row in published(hosted_database, endpoint.user_id)]
    assert causes == [made["id"], None, None]


def test_what_became_of_others_rows_is_not_put_down_to_an_event(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    other = make_user(hosted_database)
    hosted_database.execute(
        "create function public.echo() returns trigger language plpgsql as $$ begin"  # noqa: S608
        f" insert into public.tickets (user_id, subject) values ('{other}', 'Echo');"
        " return null; end $$;"
        "create trigger echo after insert on public.orders for each row execute function public.echo()"
    )
    prepared(hosted_database, endpoint, fields={"external_id": "o1"})

    (told,) = published(hosted_database, other)
    assert told["webhook_event_id"] is None


def test_an_event_that_is_deleted_leaves_what_it_led_to(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    act(hosted_database, made["id"], action("create_ticket", {"subject": "Help"}))
    hosted_database.execute("delete from public.webhook_events where id = %s", [made["id"]])

    (left,) = published(hosted_database, endpoint.user_id)
    assert (left["type"], left["webhook_event_id"]) == ("ticket.created", None)


def test_what_was_published_before_causes_were_kept_is_found_by_the_log(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    act(hosted_database, made["id"], action("call_webhook", {"event": "order.seen", "data": {}}))
    hosted_database.execute("update public.published_events set webhook_event_id = null")

    (told,) = trace(hosted_database, made["id"])["outgoing"]
    assert told["type"] == "order.seen"


def test_the_steps_of_a_failed_event_say_where_it_stopped(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = make_event(hosted_database, endpoint)
    work(hosted_database, "classify", made, error="Broken", final=True)

    found = trace(hosted_database, made)

    assert (found["status"], found["stage"], found["error"]) == ("failed", "classify", "Broken")
    (step,) = found["steps"]
    assert (step["action_type"], step["success"], step["error"]) == ("classify", False, "Broken")
    assert found["label"]["classifier"] is None


def test_a_trace_is_for_the_owner_and_admins(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    row = incoming(endpoint, BODY)
    ingest(hosted_database, row)

    assert trace(hosted_database, row["id"], make_admin(hosted_database)) == trace(
        hosted_database, row["id"]
    )
    with refused("WH007"):
        trace(hosted_database, row["id"], make_user(hosted_database))


def test_the_facts_of_a_body_are_for_the_owner_and_admins(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    row = incoming(endpoint, BODY)
    ingest(hosted_database, row)

    def facts(user_id: uuid.UUID) -> object:
        hosted_database.execute(
            "select set_config('request.jwt.claims', %s, true)", [f'{{"sub": "{user_id}"}}']
        )
        query = "select private.body_facts(%s) as facts"
        (found,) = hosted_database.execute(query, [row["id"]]).fetchall()
        return found["facts"]

    assert facts(endpoint.user_id) is not None
    assert facts(make_admin(hosted_database)) is not None
    assert facts(make_user(hosted_database)) is None
