"""The action set_field: one field of the event's record, of those that a rule may set."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.database.factories import (
    PROCESSED,
    Endpoint,
    make_admin,
    make_endpoint,
    make_event,
    make_user,
)
from tests.database.pipeline import act, action, differences, prepared, replay, work, written
from tests.database.rpcs import Connection, Row, call_as, one


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


REFUSED: list[tuple[str | None, object, str]] = [
    ("user_id", "x", "There is no field user_id that a rule may set"),
    ("nope", "x", "There is no field nope that a rule may set"),
    ("'Total", "x", """There is no field "'Total" that a rule may set"""),
    (None, "x", "There is no field without a name that a rule may set"),
    ("total", "abc", 'invalid input syntax for type numeric: "abc"'),
    ("ordered_at", "soon", 'invalid input syntax for type timestamp with time zone: "soon"'),
    ("metadata", None, "The field metadata may not be empty"),
]


def problems(
    connection: Connection, caller: uuid.UUID, *fields: tuple[uuid.UUID, str | None, object]
) -> list[str | None]:
    """What the caller is told of fields that would be set for events."""
    answer: list[str | None] = call_as(
        connection,
        caller,
        "get_field_problems",
        p_event_ids=json.dumps([str(event_id) for event_id, _, _ in fields]),
        p_configs=json.dumps([{"field": name, "value": value} for _, name, value in fields]),
    )
    return answer


@pytest.mark.parametrize(("field", "value", "told"), REFUSED)
def test_a_trial_a_dry_run_and_the_real_run_tell_the_same(
    hosted_database: Connection,
    endpoint: Endpoint,
    order: Row,
    field: str | None,
    value: object,
    told: str,
) -> None:
    owner = endpoint.user_id
    wrong = action("set_field", {"field": field, "value": value})
    before = written(hosted_database)

    assert problems(hosted_database, owner, (order["id"], field, value)) == [told]
    assert written(hosted_database) == before
    real = work(hosted_database, "rules", order["id"], actions=[wrong])
    assert real["error_message"] == f"set_field: {told}"

    dry = replay(hosted_database, owner, "rules", {"id": order["id"], "actions": [wrong]})
    assert (dry["different"], dry["failing"]) == (1, 1)
    (listed,) = differences(hosted_database, dry["id"])[order["id"]]["after"]["actions"]
    assert listed["error"] == told


def test_a_trial_and_a_dry_run_have_nothing_against_what_can_be_done(
    hosted_database: Connection, endpoint: Endpoint, order: Row
) -> None:
    owner = endpoint.user_id
    fields = [("total", 5), ("total", "5"), ("status", None), ("metadata", {"a": 1})]
    asked = [(order["id"], *field) for field in fields]
    act(hosted_database, order["id"])

    assert problems(hosted_database, owner, *asked) == [None] * 4
    right = action("set_field", {"field": "total", "value": 5})
    dry = replay(hosted_database, owner, "rules", {"id": order["id"], "actions": [right]})
    assert (dry["different"], dry["failing"]) == (1, 0)
    (listed,) = differences(hosted_database, dry["id"])[order["id"]]["after"]["actions"]
    assert "error" not in listed


def test_each_field_has_the_problem_at_its_own_place(
    hosted_database: Connection, endpoint: Endpoint, order: Row
) -> None:
    order_id = order["id"]
    asked = [(order_id, "status", "ok"), (order_id, "status", "a\x00b"), (order_id, "nope", 1)]

    right, unstorable, unknown = problems(hosted_database, endpoint.user_id, *asked)

    assert right is None
    assert "Unicode" in str(unstorable)
    assert unknown == "There is no field nope that a rule may set"
    assert problems(hosted_database, endpoint.user_id) == []


def test_an_event_whose_record_is_gone_says_so_and_one_that_has_none_yet_does_not(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    gone = make_event(hosted_database, endpoint, **PROCESSED)
    early = make_event(hosted_database, endpoint, stage="prepare", entity_table="order")

    told = problems(hosted_database, endpoint.user_id, (gone, "total", 1), (early, "total", 1))

    assert told == ["The event has no entity to act on", None]


def test_nobody_is_told_of_anothers_events_but_an_admin(
    hosted_database: Connection, order: Row
) -> None:
    asked = (order["id"], "nope", 1)
    told = "There is no field nope that a rule may set"

    assert problems(hosted_database, make_user(hosted_database), asked) == [None]
    assert problems(hosted_database, make_admin(hosted_database), asked) == [told]
