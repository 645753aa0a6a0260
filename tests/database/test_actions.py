"""What each rule action does to the owner's rows, and that doing it twice has one effect."""

from __future__ import annotations

import pytest

from tests.database.deliveries import make_webhook, published, receivers
from tests.database.factories import Endpoint, make_endpoint
from tests.database.pipeline import act, action, log, make_due, prepared, send_again, written
from tests.database.rpcs import Connection, Row, one

ACTIONS: dict[str, Row] = {
    "tag": {"tags": ["vip"]},
    "assign_role": {"role": "customer"},
    "extract_invoice": {"fields": {"number": "R-1", "amount": 5}},
    "create_ticket": {"subject": "Help"},
    "store_message": {"content": "Hello"},
    "set_field": {"field": "status", "value": "checked"},
    "send_notification": {"title": "An order"},
    "call_webhook": {"event": "order.noted", "data": {"id": 7}},
}


@pytest.fixture
def endpoint(hosted_database: Connection) -> Endpoint:
    return make_endpoint(hosted_database)


@pytest.fixture
def order(hosted_database: Connection, endpoint: Endpoint) -> Row:
    return prepared(
        hosted_database,
        endpoint,
        person={"email": "ada@example.com"},
        fields={"external_id": "o1", "status": "open"},
    )


def failure(connection: Connection, event: Row) -> str:
    (entry,) = (e for e in log(connection, event["id"]) if not e["success"])
    return str(entry["error_message"])


@pytest.mark.parametrize(("kind", "config"), ACTIONS.items())
def test_an_action_changes_something(
    hosted_database: Connection, order: Row, kind: str, config: Row
) -> None:
    before = written(hosted_database)

    assert act(hosted_database, order["id"], action(kind, config))["status"] == "processed"

    assert written(hosted_database) != before


@pytest.mark.parametrize(("kind", "config"), ACTIONS.items())
def test_an_action_done_again_changes_nothing_more(
    hosted_database: Connection, order: Row, kind: str, config: Row
) -> None:
    done = action(kind, config)
    act(hosted_database, order["id"], done)
    after = written(hosted_database)
    send_again(hosted_database, order, "rules")

    found = act(hosted_database, order["id"], done)

    assert found["status"] == "processed"
    assert written(hosted_database) == after
    entries = [e for e in log(hosted_database, order["id"]) if e["action_type"] == kind]
    assert [entry["success"] for entry in entries] == [True]


@pytest.mark.parametrize(("kind", "config"), ACTIONS.items())
def test_an_action_listed_twice_in_one_result_is_done_once(
    hosted_database: Connection, endpoint: Endpoint, order: Row, kind: str, config: Row
) -> None:
    done = action(kind, config)
    act(hosted_database, order["id"], done, done)

    entries = [e for e in log(hosted_database, order["id"]) if e["action_type"] == kind]
    assert len(entries) == 1
    for table in ("chat_messages", "notifications", "tickets", "invoices", "published_events"):
        assert len(written(hosted_database)[table]) <= 1


@pytest.mark.parametrize(("kind", "config"), ACTIONS.items())
def test_everything_an_action_makes_belongs_to_the_events_owner(
    hosted_database: Connection, order: Row, kind: str, config: Row
) -> None:
    act(hosted_database, order["id"], action(kind, config))

    owners = {row["user_id"] for rows in written(hosted_database).values() for row in rows}
    assert owners == {order["user_id"]}


@pytest.mark.parametrize("target", ["entity", "person"])
def test_tags_and_roles_go_to_the_target(
    hosted_database: Connection, order: Row, target: str
) -> None:
    act(
        hosted_database,
        order["id"],
        action("tag", {"tags": ["vip"], "target": target}),
        action("assign_role", {"role": "customer", "target": target}),
    )

    query = (
        "select t.entity_id from public.entity_tags t join public.entity_roles using (entity_id)"
    )
    assert one(hosted_database, query)["entity_id"] == order[f"{target}_id"]


def test_an_action_on_a_person_whom_nobody_knows_fails(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    order = prepared(hosted_database, endpoint, is_person=False)

    found = act(hosted_database, order["id"], action("tag", {"tags": ["vip"], "target": "person"}))

    assert found["status"] == "failed"
    assert failure(hosted_database, order) == "The event has no person to act on"


def test_a_tag_that_is_there_already_is_fine(
    hosted_database: Connection, endpoint: Endpoint, order: Row
) -> None:
    act(hosted_database, order["id"], action("tag", {"tags": ["vip"]}))
    again = prepared(hosted_database, endpoint, fields={"external_id": "o1"})

    found = act(hosted_database, again["id"], action("tag", {"tags": ["vip", "new"]}))

    assert found["status"] == "processed"
    assert len(written(hosted_database)["entity_tags"]) == 2


def test_an_invoice_is_extracted_and_linked_to_the_person(
    hosted_database: Connection, order: Row
) -> None:
    fields = {"external_id": "in_1", "number": "R-1", "amount": 12.5, "currency": "EUR"}
    act(hosted_database, order["id"], action("extract_invoice", {"fields": fields}))

    invoice = one(hosted_database, "select * from public.invoices")
    assert (invoice["number"], float(invoice["amount"])) == ("R-1", 12.5)
    query = "select person_id from public.people_entities where entity_id = %s"
    assert one(hosted_database, query, [invoice["id"]])["person_id"] == order["person_id"]
    entry = log(hosted_database, order["id"])[-1]
    assert entry["result"] == {"invoice_id": str(invoice["id"])}


def test_the_same_invoice_extracted_from_another_event_is_updated(
    hosted_database: Connection, endpoint: Endpoint, order: Row
) -> None:
    for event, status in ((order, "open"), (prepared(hosted_database, endpoint), "paid")):
        fields = {"external_id": "in_1", "status": status}
        act(hosted_database, event["id"], action("extract_invoice", {"fields": fields}))

    assert one(hosted_database, "select status from public.invoices") == {"status": "paid"}


def test_a_ticket_gets_a_number_and_its_defaults(hosted_database: Connection, order: Row) -> None:
    config = {"subject": "Help", "customer_email": "ada@example.com", "priority": None}
    act(hosted_database, order["id"], action("create_ticket", config))

    ticket = one(hosted_database, "select * from public.tickets")
    assert ticket["ticket_number"].endswith("-001")
    assert (ticket["subject"], ticket["status"], ticket["priority"]) == ("Help", "new", "medium")


def test_two_rules_may_each_open_a_ticket(hosted_database: Connection, order: Row) -> None:
    tickets = [action("create_ticket", {"subject": "Help"}) for _ in range(2)]

    act(hosted_database, order["id"], *tickets)

    assert len(written(hosted_database)["tickets"]) == 2


def test_a_failed_ticket_uses_up_no_number(hosted_database: Connection, order: Row) -> None:
    bad = action("create_ticket", {"subject": "Help", "priority": "sky-high"})
    good = action("create_ticket", {"subject": "Help"})

    act(hosted_database, order["id"], bad, good)

    assert one(hosted_database, "select * from public.tickets")["ticket_number"].endswith("-001")


def test_a_message_is_stored_with_its_conversation(hosted_database: Connection, order: Row) -> None:
    config = {
        "content": "Hello",
        "direction": "outbound",
        "conversation_id": "c1",
        "external_id": "m1",
        "sender": "Ada",
    }
    act(hosted_database, order["id"], action("store_message", config))

    message = one(hosted_database, "select * from public.chat_messages")
    assert config.items() <= message.items()
    for key in ("entity_id", "person_id"):
        assert message[key] == order[key]
    assert message["webhook_event_id"] == order["id"]


def test_a_message_outlives_its_event(hosted_database: Connection, order: Row) -> None:
    act(hosted_database, order["id"], action("store_message", {"content": "Hello"}))

    hosted_database.execute("delete from public.webhook_events")

    message = one(hosted_database, "select * from public.chat_messages")
    assert (message["webhook_event_id"], message["user_id"]) == (None, order["user_id"])


def test_a_notification_names_its_event(hosted_database: Connection, order: Row) -> None:
    config = {"title": "An order", "body": "Of Ada"}
    act(hosted_database, order["id"], action("send_notification", config))

    notification = one(hosted_database, "select * from public.notifications")
    assert (notification["title"], notification["body"]) == ("An order", "Of Ada")
    assert (notification["webhook_event_id"], notification["read_at"]) == (order["id"], None)


def test_a_webhook_is_called_with_the_event_of_the_rule(
    hosted_database: Connection, order: Row
) -> None:
    webhook = make_webhook(hosted_database, order["user_id"], events=["order.*"])
    make_webhook(hosted_database)

    act(hosted_database, order["id"], action("call_webhook", ACTIONS["call_webhook"]))

    (event,) = published(hosted_database)
    assert (event["user_id"], event["type"], event["data"]) == (
        order["user_id"],
        "order.noted",
        {"id": 7},
    )
    assert receivers(hosted_database, event["id"]) == {webhook.id}
    entry = log(hosted_database, order["id"])[-1]
    assert entry["result"] == {"published_event_id": str(event["id"])}


def test_two_rules_may_each_call_a_webhook(hosted_database: Connection, order: Row) -> None:
    calls = [action("call_webhook", ACTIONS["call_webhook"]) for _ in range(2)]

    act(hosted_database, order["id"], *calls)

    assert len(published(hosted_database)) == 2


def test_a_webhook_is_not_called_again_for_an_event_whose_log_is_lost(
    hosted_database: Connection, order: Row
) -> None:
    done = action("call_webhook", ACTIONS["call_webhook"])
    act(hosted_database, order["id"], done)
    (event,) = published(hosted_database)
    hosted_database.execute("delete from public.webhook_event_logs where action_id is not null")
    send_again(hosted_database, order, "rules")

    act(hosted_database, order["id"], done)

    assert published(hosted_database) == [event]
    entry = log(hosted_database, order["id"])[-1]
    assert entry["result"] == {"published_event_id": str(event["id"])}


def test_a_ticket_that_a_rule_opens_is_published(hosted_database: Connection, order: Row) -> None:
    act(hosted_database, order["id"], action("create_ticket", {"subject": "Help"}))

    (event,) = published(hosted_database)
    assert (event["type"], event["user_id"]) == ("ticket.created", order["user_id"])


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("call_webhook", {"event": "order noted", "data": {}}),
        ("call_webhook", {"event": "order.noted"}),
        ("call_webhook", {"event": "order.noted", "data": [1]}),
        ("tag", {"tags": "vip"}),
        ("tag", {"tags": ["x" * 101]}),
        ("assign_role", {}),
        ("store_message", {}),
        ("store_message", {"content": "Hi", "direction": "sideways"}),
        ("send_notification", {}),
        ("extract_invoice", {"fields": {"amount": "a lot"}}),
    ],
)
def test_a_config_that_does_not_fit_fails_the_event_and_writes_nothing(
    hosted_database: Connection, order: Row, kind: str, config: Row
) -> None:
    before = written(hosted_database)

    found = act(hosted_database, order["id"], action(kind, config))

    assert (found["status"], found["stage"]) == ("failed", "rules")
    assert found["error_message"].startswith(f"{kind}: ")
    assert written(hosted_database) == before


def test_a_failed_event_waits_to_be_reprocessed(hosted_database: Connection, order: Row) -> None:
    act(hosted_database, order["id"], action("send_notification", {}))

    make_due(hosted_database, order["id"])

    query = "select count(*) from private.lease_events('rules', 10, 60, null, gen_random_uuid())"
    assert one(hosted_database, query)["count"] == 0
