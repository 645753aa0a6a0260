"""The action set_field: one field of the event's record, of those that a rule may set."""

from __future__ import annotations

import uuid

import pytest

from tests.database.factories import Endpoint, make_endpoint
from tests.database.pipeline import act, action, prepared, written
from tests.database.rpcs import Connection, Row, one


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


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [("status", "paid", "paid"), ("total", 5, 5), ("metadata", {"a": 1}, {"a": 1})],
)
def test_a_field_is_set_to_a_value_of_its_type(
    hosted_database: Connection, order: Row, field: str, value: object, stored: object
) -> None:
    act(hosted_database, order["id"], action("set_field", {"field": field, "value": value}))

    assert one(hosted_database, "select * from public.orders")[field] == stored


def test_a_field_may_be_emptied(hosted_database: Connection, order: Row) -> None:
    act(hosted_database, order["id"], action("set_field", {"field": "status", "value": None}))

    assert one(hosted_database, "select status from public.orders") == {"status": None}


@pytest.mark.parametrize(
    "field",
    [
        "id",
        "user_id",
        "endpoint_id",
        "created_at",
        "updated_at",
        "colour",
        "ctid",
        "",
        None,
        'status" = null, "user_id',
    ],
)
def test_a_field_that_rules_may_not_set_is_refused(
    hosted_database: Connection, order: Row, field: str | None
) -> None:
    before = written(hosted_database)

    found = act(
        hosted_database,
        order["id"],
        action("set_field", {"field": field, "value": str(uuid.uuid4())}),
    )

    assert found["status"] == "failed"
    assert written(hosted_database) == before


def test_a_persons_source_cannot_be_set(hosted_database: Connection, endpoint: Endpoint) -> None:
    found = prepared(hosted_database, endpoint, "person", person={"email": "ada@example.com"})
    another = str(make_endpoint(hosted_database, endpoint.user_id).id)

    act(
        hosted_database,
        found["id"],
        action("set_field", {"field": "endpoint_id", "value": another}),
    )

    person = one(hosted_database, "select endpoint_id from public.people")
    assert person["endpoint_id"] == endpoint.id
