"""Publishing: an event and its deliveries exist exactly if the publisher's transaction does."""

from __future__ import annotations

import uuid

import psycopg
import pytest
from psycopg.errors import CheckViolation, ForeignKeyViolation
from psycopg.rows import dict_row

from tests.database.deliveries import (
    claim_deliveries,
    make_webhook,
    publish,
    published,
    receivers,
    set_webhook,
)
from tests.database.factories import insert, make_admin, make_user
from tests.database.rpcs import (
    Connection,
    Row,
    acting,
    at_once,
    call,
    call_as,
    listening,
    one,
    refused,
)


@pytest.fixture
def owner(hosted_database: Connection) -> uuid.UUID:
    return make_user(hosted_database)


def publish_mine(connection: Connection, user_id: uuid.UUID, **arguments: object) -> Row:
    answer: Row = call_as(
        connection,
        user_id,
        "publish_event",
        **{"p_type": "order.completed", "p_data": {"id": 1}} | arguments,
    )
    return answer


def test_an_event_is_stored_and_queued_for_who_subscribes(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    webhooks = {make_webhook(hosted_database, owner).id for _ in range(2)}

    answer = publish_mine(hosted_database, owner)

    (event,) = published(hosted_database)
    assert answer == {"id": str(event["id"]), "state": "published", "deliveries": 2}
    assert (event["user_id"], event["type"], event["data"]) == (owner, "order.completed", {"id": 1})
    assert receivers(hosted_database, event["id"]) == webhooks
    rows = hosted_database.execute("select * from public.webhook_deliveries").fetchall()
    assert {(d["status"], d["user_id"], d["attempts"], d["is_test"]) for d in rows} == {
        ("pending", owner, 0, False)
    }


def test_an_event_that_nobody_subscribes_to_is_stored(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    assert publish_mine(hosted_database, owner)["deliveries"] == 0
    assert len(published(hosted_database)) == 1


def test_what_is_rolled_back_was_never_published(committed: Connection) -> None:
    owner = make_user(committed)
    make_webhook(committed, owner)

    with committed.transaction(force_rollback=True):
        publish(committed, owner)

    assert published(committed) == []
    assert claim_deliveries(committed)["deliveries"] == []


def test_dispatch_is_woken_when_there_is_something_to_deliver(
    committed: Connection, hosted_database_url: str
) -> None:
    owner = make_user(committed)
    with listening(hosted_database_url) as woken:
        publish(committed, owner)
        make_webhook(committed, owner)
        publish(committed, owner)

    assert woken == ["dispatch"]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", True),
        ("ai.response.approved", True),
        ("ai.*", True),
        ("ai.response.*", True),
        ("ai.response", False),
        ("ai", False),
        ("ai.response.approved.*", False),
        ("ai.respons.*", False),
        ("AI.*", False),
        ("response.*", False),
        ("ai.response.rejected", False),
    ],
)
def test_a_webhook_gets_the_events_that_its_patterns_name(
    hosted_database: Connection, owner: uuid.UUID, pattern: str, matches: bool
) -> None:
    webhook = make_webhook(hosted_database, owner, events=["other.event", pattern])

    event_id = publish(hosted_database, owner, "ai.response.approved")

    assert receivers(hosted_database, event_id) == ({webhook.id} if matches else set())


def test_an_event_that_meets_two_patterns_of_a_webhook_comes_once(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    make_webhook(hosted_database, owner, events=["*", "order.*", "order.completed"])

    assert publish_mine(hosted_database, owner)["deliveries"] == 1


def test_webhooks_that_are_off_and_others_webhooks_get_nothing(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    make_webhook(hosted_database, owner, active=False)
    make_webhook(hosted_database)
    make_webhook(hosted_database, make_admin(hosted_database))

    assert publish_mine(hosted_database, owner)["deliveries"] == 0


def test_a_key_that_was_used_before_publishes_nothing(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    make_webhook(hosted_database, owner)
    first = publish_mine(hosted_database, owner, p_idempotency_key="k")

    again = publish_mine(hosted_database, owner, p_idempotency_key="k")

    assert again == first | {"state": "duplicate"}
    assert [event["data"] for event in published(hosted_database)] == [{"id": 1}]


@pytest.mark.parametrize(
    "text",
    [
        '{"b": [1, {"c": "é"}], "a": 1.5}',
        '{"a":1.5,"b":[1,{"c":"\\u00e9"}]}',
        '{"a": 1.50, "b": [1.0, {"c": "é"}]}',
    ],
)
def test_data_that_is_only_written_otherwise_is_the_same(
    hosted_database: Connection, owner: uuid.UUID, text: str
) -> None:
    first = publish_mine(
        hosted_database, owner, p_idempotency_key="k", p_data='{"a": 1.5, "b": [1, {"c": "é"}]}'
    )

    again = publish_mine(hosted_database, owner, p_idempotency_key="k", p_data=text)

    assert again == first | {"state": "duplicate"}


@pytest.mark.parametrize(
    "other",
    [
        {"p_data": {"id": 2}},
        {"p_data": {"id": "1"}},
        {"p_data": {"id": 1, "updated_at": None}},
        {"p_data": {}},
        {"p_type": "order.cancelled"},
    ],
)
def test_a_key_that_was_used_before_for_something_else_is_refused(
    hosted_database: Connection, owner: uuid.UUID, other: Row
) -> None:
    make_webhook(hosted_database, owner)
    first = publish_mine(hosted_database, owner, p_idempotency_key="k")
    before = published(hosted_database)

    with refused("WH020"):
        publish_mine(hosted_database, owner, p_idempotency_key="k", **other)

    assert published(hosted_database) == before
    again = publish_mine(hosted_database, owner, p_idempotency_key="k")
    assert again == first | {"state": "duplicate"}


def test_a_key_is_a_users_own(hosted_database: Connection, owner: uuid.UUID) -> None:
    ids = {publish(hosted_database, user, key="k") for user in (owner, make_user(hosted_database))}

    assert len(ids) == 2


def test_one_key_published_at_once_is_one_event(
    committed: Connection, hosted_database_url: str
) -> None:
    owner = make_user(committed)
    make_webhook(committed, owner)

    answers = at_once(
        hosted_database_url,
        8,
        lambda connection, _: publish_mine(connection, owner, p_idempotency_key="k"),
    )

    assert len({answer["id"] for answer in answers}) == 1
    assert sorted(answer["state"] for answer in answers) == ["duplicate"] * 7 + ["published"]
    assert {answer["deliveries"] for answer in answers} == {1}


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_is_short(hosted_database: Connection, owner: uuid.UUID, key: str) -> None:
    with refused("WH001"):
        publish_mine(hosted_database, owner, p_idempotency_key=key)


@pytest.mark.parametrize("event_type", [None, "", "a b", "order.*", "x" * 129])
def test_a_type_is_the_name_of_an_event(
    hosted_database: Connection, owner: uuid.UUID, event_type: str | None
) -> None:
    with refused("WH001"):
        publish_mine(hosted_database, owner, p_type=event_type)


@pytest.mark.parametrize(
    "data",
    [
        None,
        "",
        "{",
        "[]",
        "null",
        "NaN",
        '{"a": NaN}',
        '{"a": "\\u0000"}',
        '{"a": "\\udead"}',
        '{"a": 1e309}',
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a": "' + "x" * 1_048_576 + '"}',
    ],
    ids=range(13),
)
def test_data_that_not_every_receiver_can_parse_is_refused(
    hosted_database: Connection, owner: uuid.UUID, data: str | None
) -> None:
    with refused("WH001"):
        publish_mine(hosted_database, owner, p_data=data)
    assert published(hosted_database) == []


def test_the_table_refuses_such_data_too(hosted_database: Connection, owner: uuid.UUID) -> None:
    with pytest.raises(CheckViolation, match="data_is_deliverable"):
        insert(hosted_database, "public.published_events", user_id=owner, type="a", data="[]")


def test_data_keeps_its_spelling(hosted_database: Connection, owner: uuid.UUID) -> None:
    make_webhook(hosted_database, owner)
    text = '{"z": 1.50, "a": {"y": 1, "b": 12345678901234567890}, "z2": "\\u00e9"}'

    publish_mine(hosted_database, owner, p_data=text)

    query = "select data::text from public.published_events"
    assert one(hosted_database, query)["data"] == text
    claim = "select public.claim_deliveries(10, 10, 60)::text as answer"
    assert text in one(hosted_database, claim)["answer"]


def test_users_publish_for_themselves_only(hosted_database: Connection, owner: uuid.UUID) -> None:
    stranger = make_user(hosted_database)
    with refused("WH006"):
        publish_mine(hosted_database, stranger, p_user_id=owner)
    with refused("WH006"):
        publish_mine(hosted_database, stranger, p_user_id=None)
    with refused("WH006"), acting(hosted_database, "authenticated"):
        hosted_database.execute("select public.publish_event('a', '{}', %s)", [owner])

    assert published(hosted_database) == []


def test_a_role_that_is_made_later_publishes_for_itself_only(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    hosted_database.execute("create role partner in role authenticated")

    with refused("WH006"), acting(hosted_database, "partner", make_user(hosted_database)):
        hosted_database.execute("select public.publish_event('a', '{}', %s)", [owner])


def test_an_admin_and_the_service_publish_for_others(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    admin = make_admin(hosted_database)
    publish_mine(hosted_database, admin, p_user_id=owner)
    publish(hosted_database, owner)
    hosted_database.execute("select public.publish_event('a', '{}', %s)", [owner])

    assert len(published(hosted_database, owner)) == 3


def test_the_service_says_for_whom(hosted_database: Connection) -> None:
    with refused("WH001"):
        call(hosted_database, "publish_event", p_type="a", p_data={})
    with pytest.raises(ForeignKeyViolation):
        publish(hosted_database, uuid.uuid4())


def test_a_publisher_does_not_wait_for_a_webhook_that_is_being_deleted(
    committed: Connection, hosted_database_url: str
) -> None:
    owner = make_user(committed)
    doomed, kept = make_webhook(committed, owner), make_webhook(committed, owner)
    committed.execute("set lock_timeout = '1s'")
    with psycopg.connect(hosted_database_url, row_factory=dict_row) as deleting:
        deleting.execute("delete from public.webhooks where id = %s", [doomed.id])

        event_id = publish(committed, owner)

    assert receivers(committed, event_id) == {kept.id}


def test_a_publisher_does_not_wait_for_a_webhook_that_is_being_changed(
    committed: Connection, hosted_database_url: str
) -> None:
    webhook = make_webhook(committed)
    committed.execute("set lock_timeout = '1s'")
    with psycopg.connect(hosted_database_url, row_factory=dict_row) as changing:
        set_webhook(changing, webhook, name="Changed")

        event_id = publish(committed, webhook.user_id)

    assert receivers(committed, event_id) == {webhook.id}


def test_ids_made_later_sort_later(committed: Connection) -> None:
    query = "select private.time_ordered_id() as id, pg_sleep(0.002)"
    ids = [one(committed, query)["id"] for _ in range(20)]

    assert ids == sorted(ids)
    assert {(found.version, found.variant) for found in ids} == {(7, uuid.RFC_4122)}


def test_the_lowest_id_of_a_moment_is_not_above_those_made_then(
    hosted_database: Connection,
) -> None:
    query = """select private.first_id_at(clock_timestamp() - interval '1 ms') as before,
        private.time_ordered_id() as id, private.first_id_at(clock_timestamp() + interval '1 ms') as after"""

    found = one(hosted_database, query)

    assert found["before"] < found["id"] < found["after"]
