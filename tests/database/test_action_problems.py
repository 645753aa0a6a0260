"""What is wrong with actions before they are done: a trial, a dry run and the run itself tell the same."""

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
from tests.database.pipeline import action, differences, prepared, replay, work, written
from tests.database.rpcs import Connection, Row, call_as

NO_RECORD, NO_PERSON = "The event has no entity to act on", "The event has no person to act on"
TAG, ROLE = ("tag", {"tags": ["vip"]}), ("assign_role", {"role": "customer"})
SET = ("set_field", {"field": "status", "value": "paid"})
PERSON = {"target": "person"}

Asked = tuple[str, Row]


@pytest.fixture
def endpoint(hosted_database: Connection) -> Endpoint:
    return make_endpoint(hosted_database)


def without_record(connection: Connection, endpoint: Endpoint) -> Row:
    """An event whose record and person were deleted before its rules ran."""
    event = prepared(
        connection,
        endpoint,
        person={"email": "ada@example.com"},
        fields={"external_id": "o1"},
    )
    connection.execute(
        "delete from public.entities where id in (%s, %s)", [event["entity_id"], event["person_id"]]
    )
    return event


def problems(
    connection: Connection, caller: uuid.UUID, event_id: uuid.UUID, *actions: Asked
) -> list[str | None]:
    """What the caller is told of actions that would be done for an event."""
    answer: list[str | None] = call_as(
        connection,
        caller,
        "get_action_problems",
        p_event_ids=json.dumps([str(event_id)] * len(actions)),
        p_action_types=json.dumps([kind for kind, _ in actions]),
        p_configs=json.dumps([config for _, config in actions]),
    )
    return answer


@pytest.mark.parametrize(
    ("kind", "config", "told"),
    [
        (*TAG, NO_RECORD),
        (*ROLE, NO_RECORD),
        (*SET, NO_RECORD),
        (TAG[0], TAG[1] | {"target": "entity"}, NO_RECORD),
        (TAG[0], TAG[1] | PERSON, NO_PERSON),
        (ROLE[0], ROLE[1] | PERSON, NO_PERSON),
    ],
)
def test_a_trial_a_dry_run_and_the_real_run_miss_the_same(
    hosted_database: Connection, endpoint: Endpoint, kind: str, config: Row, told: str
) -> None:
    event = without_record(hosted_database, endpoint)
    wrong, owner = action(kind, config), endpoint.user_id
    before = written(hosted_database)

    assert problems(hosted_database, owner, event["id"], (kind, config)) == [told]
    assert written(hosted_database) == before
    real = work(hosted_database, "rules", event["id"], actions=[wrong])
    assert real["error_message"] == f"{kind}: {told}"

    dry = replay(hosted_database, owner, "rules", {"id": event["id"], "actions": [wrong]})
    assert (dry["different"], dry["failing"]) == (1, 1)
    (listed,) = differences(hosted_database, dry["id"])[event["id"]]["after"]["actions"]
    assert listed["error"] == told


def test_nothing_is_said_against_an_action_whose_target_is_there(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    event = prepared(
        hosted_database, endpoint, person={"email": "ada@example.com"}, fields={"external_id": "o1"}
    )
    actions: list[Asked] = [
        TAG,
        ROLE,
        SET,
        (TAG[0], TAG[1] | PERSON),
        (ROLE[0], ROLE[1] | PERSON),
    ]

    assert problems(hosted_database, endpoint.user_id, event["id"], *actions) == [None] * 5


def test_an_event_that_has_no_record_yet_may_have_one_by_then(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    early = make_event(hosted_database, endpoint, stage="prepare", entity_table="order")

    told = problems(hosted_database, endpoint.user_id, early, TAG, (ROLE[0], ROLE[1] | PERSON))
    assert told == [None, None]


def test_each_action_has_the_problem_at_its_own_place(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    event_id = make_event(hosted_database, endpoint, **PROCESSED)
    asked: list[Asked] = [
        ("send_notification", {"title": "An order"}),
        ("tag", {"tags": ["a\x00b"], "target": "person"}),
        ("set_field", {"field": "nope", "value": 1}),
        TAG,
    ]

    fine, unstorable, unknown, missing = problems(
        hosted_database, endpoint.user_id, event_id, *asked
    )

    assert fine is None
    assert "Unicode" in str(unstorable)
    assert unknown == "There is no field nope that a rule may set"
    assert missing == NO_RECORD
    assert problems(hosted_database, endpoint.user_id, event_id) == []


def test_nobody_is_told_of_anothers_events_but_an_admin(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    event_id = make_event(hosted_database, endpoint, **PROCESSED)

    assert problems(hosted_database, make_user(hosted_database), event_id, TAG) == [None]
    assert problems(hosted_database, make_admin(hosted_database), event_id, TAG) == [NO_RECORD]
