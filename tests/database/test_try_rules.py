"""Events as a rule that is tried sees them: the worker's shape, the caller's rights, and nothing changed."""

from __future__ import annotations

import uuid

import pytest

from tests.database.factories import (
    PROCESSED,
    Endpoint,
    insert,
    make_admin,
    make_endpoint,
    make_event,
    make_user,
)
from tests.database.pipeline import act, action, claim, event, prepared
from tests.database.rpcs import Connection, Row, call_as, refused


@pytest.fixture
def endpoint(hosted_database: Connection) -> Endpoint:
    return make_endpoint(hosted_database)


def tried(
    connection: Connection,
    caller: uuid.UUID,
    owner: uuid.UUID,
    event_id: uuid.UUID | None = None,
    limit: int = 100,
) -> Row:
    """What the caller is given of an owner's orders."""
    answer: Row = call_as(
        connection,
        caller,
        "get_events_for_rules",
        p_user_id=owner,
        p_entity_table="order",
        p_event_id=event_id,
        p_limit=limit,
    )
    return answer


def ids(answer: Row) -> list[uuid.UUID]:
    return [uuid.UUID(given["id"]) for given in answer["events"]]


def test_a_user_is_given_an_event_as_the_worker_is(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = prepared(
        hosted_database,
        endpoint,
        person={"email": "ada@example.com"},
        fields={"external_id": "o1", "total": 5},
    )
    owner = endpoint.user_id

    found = tried(hosted_database, owner, owner, made["id"])
    claimed = claim(hosted_database, "rules")

    (given,) = found["events"]
    assert (given.pop("status"), given.pop("stage")) == ("pending", "rules")
    assert [given] == claimed["events"]
    assert found["invoice_field_maps"] == claimed["invoice_field_maps"]
    assert given["person"]["email"] == "ada@example.com"
    assert given["entity"]["total"] == 5


def test_the_last_events_of_the_type_come_newest_first(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    owner = endpoint.user_id
    orders = [make_event(hosted_database, endpoint, **PROCESSED) for _ in range(3)]
    make_event(hosted_database, endpoint, **PROCESSED, entity_table="invoice")
    make_event(hosted_database, endpoint, stage="prepare")
    make_event(hosted_database, make_endpoint(hosted_database), **PROCESSED)

    assert ids(tried(hosted_database, owner, owner)) == orders[::-1]
    assert ids(tried(hosted_database, owner, owner, limit=2)) == orders[:0:-1]


def test_large_events_come_to_fewer_and_to_one_at_least(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    owner = endpoint.user_id
    small = make_event(hosted_database, endpoint, **PROCESSED)
    large = [
        make_event(hosted_database, endpoint, payload={"text": "x" * size}, **PROCESSED)
        for size in (5_000_000, 5_000_000)
    ]
    assert ids(tried(hosted_database, owner, owner)) == [large[1]]

    huge = make_event(hosted_database, endpoint, payload={"text": "x" * 9_000_000}, **PROCESSED)
    assert ids(tried(hosted_database, owner, owner)) == [huge]
    assert ids(tried(hosted_database, owner, owner, small)) == [small]


def test_what_has_been_done_is_told(hosted_database: Connection, endpoint: Endpoint) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    tag = action("tag", {"tags": ["vip"]})
    act(hosted_database, made["id"], tag)

    (given,) = tried(hosted_database, endpoint.user_id, endpoint.user_id)["events"]
    assert given["done_actions"] == [tag["action_id"]]


def test_looking_changes_nothing(hosted_database: Connection, endpoint: Endpoint) -> None:
    made = prepared(hosted_database, endpoint, fields={"external_id": "o1"})
    tried(hosted_database, endpoint.user_id, endpoint.user_id)

    assert event(hosted_database, made["id"]) == made


def test_nobody_is_given_anothers_events_but_an_admin(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    made = make_event(hosted_database, endpoint, **PROCESSED)
    other, admin = make_user(hosted_database), make_admin(hosted_database)
    owner = endpoint.user_id

    assert ids(tried(hosted_database, other, owner)) == []
    with refused("WH007"):
        tried(hosted_database, other, owner, made)
    with refused("WH007"):
        tried(hosted_database, owner, other, made)
    assert ids(tried(hosted_database, admin, owner)) == [made]
    assert ids(tried(hosted_database, admin, owner, made)) == [made]


def test_a_record_in_a_table_that_the_owner_may_not_read_is_none(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    hosted_database.execute(
        "create table public.leads (id uuid primary key, user_id uuid not null);"
        "alter table public.leads enable row level security;"
        "grant select, insert, update on public.leads to authenticated, service_role"
    )
    owner = endpoint.user_id
    insert(
        hosted_database,
        "public.entity_types",
        user_id=owner,
        name="order",
        description="A lead",
        target_table="leads",
    )
    made = prepared(hosted_database, endpoint, fields={})

    (given,) = tried(hosted_database, owner, owner, made["id"])["events"]
    assert given["entity"] is None  # no policy lets anybody in
    (claimed,) = claim(hosted_database, "rules")["events"]
    assert claimed["entity"] == {"id": str(made["entity_id"])}
