"""Tests that users send to their webhooks: of which type, with which data, and to nobody else."""

from __future__ import annotations

import uuid

import pytest

from tests.database.deliveries import (
    Webhook,
    claim_deliveries,
    claimed,
    delivery,
    make_webhook,
    published,
    receivers,
    try_out,
)
from tests.database.factories import insert, make_user
from tests.database.rpcs import Connection, Row, listening, refused


@pytest.fixture
def webhook(hosted_database: Connection) -> Webhook:
    return make_webhook(hosted_database, events=["order.*", "ticket.created", "ticket.resolved"])


def test_a_test_is_a_delivery_of_its_own(hosted_database: Connection, webhook: Webhook) -> None:
    make_webhook(hosted_database, webhook.user_id)

    answer = try_out(hosted_database, webhook, p_type="order.paid", p_data={"z": 1, "a": 2})

    (event,) = published(hosted_database)
    assert answer["event_id"] == str(event["id"])
    assert (answer["type"], answer["data"]) == ("order.paid", {"z": 1, "a": 2})
    assert (event["type"], event["data"], event["is_test"]) == (
        "order.paid",
        {"z": 1, "a": 2},
        True,
    )
    assert receivers(hosted_database, event["id"]) == {webhook.id}
    row = delivery(hosted_database, uuid.UUID(answer["delivery_id"]))
    assert (row["status"], row["is_test"], row["user_id"]) == ("pending", True, webhook.user_id)


def test_a_test_is_of_the_first_type_that_is_subscribed_to_by_name(
    hosted_database: Connection, webhook: Webhook
) -> None:
    answer = try_out(hosted_database, webhook)

    assert answer["type"] == "ticket.created"
    assert answer["data"]["ticket"]["ticket_number"] == "TKT-2026-001"


def test_a_test_has_the_example_of_the_owners_own_type(
    hosted_database: Connection, webhook: Webhook
) -> None:
    for owner, example in ((webhook.user_id, '{"a": 1}'), (make_user(hosted_database), "{}")):
        insert(
            hosted_database,
            "public.event_types",
            user_id=owner,
            name="ticket.created",
            example=example,
        )

    assert try_out(hosted_database, webhook)["data"] == {"a": 1}


@pytest.mark.parametrize("events", [["*"], ["a.*", "*"]])
def test_a_webhook_of_patterns_only_is_tried_with_a_type_for_that(
    hosted_database: Connection, events: list[str]
) -> None:
    answer = try_out(hosted_database, make_webhook(hosted_database, events=events))

    assert (answer["type"], answer["data"]) == ("webhook.test", {"message": "This is a test."})


def test_a_type_without_an_example_is_tried_all_the_same(
    hosted_database: Connection, webhook: Webhook
) -> None:
    answer = try_out(hosted_database, webhook, p_type="never.heard.of")

    assert answer["data"] == {"message": "This is a test."}


def test_a_webhook_that_is_off_can_be_tried(
    committed: Connection, hosted_database_url: str
) -> None:
    webhook = make_webhook(committed, active=False)
    with listening(hosted_database_url) as woken:
        answer = try_out(committed, webhook)

    assert woken == ["dispatch"]
    assert claimed(claim_deliveries(committed)) == {uuid.UUID(answer["delivery_id"])}


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_type": "a b"},
        {"p_type": "*"},
        {"p_data": "[]"},
        {"p_data": "null"},
        {"p_data": "{"},
        {"p_data": '{"a": "\\u0000"}'},
        {"p_data": "[" * 100_000},
    ],
    ids=range(7),
)
def test_a_test_that_no_event_could_be_is_refused(
    hosted_database: Connection, webhook: Webhook, arguments: Row
) -> None:
    with refused("WH001"):
        try_out(hosted_database, webhook, **arguments)
    assert published(hosted_database) == []
