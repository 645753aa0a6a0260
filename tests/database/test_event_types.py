"""The catalogue of outgoing events: what ships, what users add, and what a name or an example may be."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.errors import CheckViolation, UniqueViolation

from tests.database.factories import insert, make_user
from tests.database.rpcs import Connection, acting, one

NAMED_IN_SOURCES = {
    "ai.response.approved",
    "chatbot.trained",
    "contact.created",
    "conversation.created",
    "feedback.received",
    "message.new",
    "message_received",
    "ticket.escalated",
    "ticket.resolved",
    "user.created",
    "webhook.disabled",
    "webhook.test",
}


def test_every_shipped_type_has_a_description_and_an_example(hosted_database: Connection) -> None:
    shipped = hosted_database.execute(
        "select name, description, example from public.event_types where user_id is null"
    ).fetchall()

    assert {row["name"] for row in shipped} > NAMED_IN_SOURCES
    assert [row["name"] for row in shipped if not (row["description"] and row["example"])] == []


def test_an_example_keeps_the_order_of_its_keys(hosted_database: Connection) -> None:
    query = "select example::text from public.event_types where name = 'chatbot.trained'"

    example = one(hosted_database, query)["example"]

    assert example.index('"version"') < example.index('"training"') < example.index('"metrics"')


@pytest.mark.parametrize("name", ["a", "message_received", "Order-1.paid", "a.b.c", "x" * 128])
def test_a_name_is_words_with_dots_between_them(hosted_database: Connection, name: str) -> None:
    row = insert(
        hosted_database, "public.event_types", user_id=make_user(hosted_database), name=name
    )

    assert row["name"] == name


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", "a b", "a.*", "*", "é", "a\n", "x" * 129]
)
def test_any_other_name_is_refused(hosted_database: Connection, name: str) -> None:
    with pytest.raises(CheckViolation, match="names_are_event_names"):
        insert(hosted_database, "public.event_types", user_id=make_user(hosted_database), name=name)


@pytest.mark.parametrize("column", ["schema", "example"])
@pytest.mark.parametrize(
    "value", ["[]", "5", "null", '{"a": "' + "x" * 65_536 + '"}', '{"a": "\\u0000"}']
)
def test_schemas_and_examples_are_small_objects(
    hosted_database: Connection, column: str, value: str
) -> None:
    with pytest.raises(CheckViolation, match="are_small_objects"):
        insert(hosted_database, "public.event_types", name="a.b", **{column: value})


def test_a_user_may_have_a_type_of_a_shipped_name_once(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    with acting(hosted_database, "authenticated", owner):
        row = insert(hosted_database, "public.event_types", name="ticket.created")
    assert row["user_id"] == owner

    with pytest.raises(UniqueViolation), acting(hosted_database, "authenticated", owner):
        insert(hosted_database, "public.event_types", name="ticket.created")


def test_everybody_sees_what_ships_and_nobody_changes_it(hosted_database: Connection) -> None:
    with acting(hosted_database, "authenticated", make_user(hosted_database)):
        seen = one(hosted_database, "select count(*) from public.event_types")["count"]
        change = "update public.event_types set description = 'Mine'"
        assert hosted_database.execute(change).rowcount == 0
        assert hosted_database.execute("delete from public.event_types").rowcount == 0

    assert seen > len(NAMED_IN_SOURCES)


def test_nobody_ships_a_type(hosted_database: Connection) -> None:
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        acting(hosted_database, "authenticated"),
    ):
        insert(hosted_database, "public.event_types", name="a.b")


DEEP = '{"a": ' + "[" * 63 + "]" * 63 + "}"


@pytest.mark.parametrize(
    ("data", "deliverable"),
    [
        ("{}", True),
        ('{"a": {"a": 1, "a": 2}}', True),
        ('{"a": 1e308, "b": -1e308, "c": 1e-999, "d": 0.' + "1" * 400 + "}", True),
        ('{"a": "' + "9" * 400 + ' 1e999"}', True),
        (DEEP, True),
        (DEEP.replace("[]", "[[]]"), False),
        ('{"a": ' + "[" * 5_000 + "]" * 5_000 + "}", False),
        ("[]", False),
        ("null", False),
        ('"text"', False),
        ('{"a": "\\u0000"}', False),
        ('{"a": "\\ud83d"}', False),
        ('{"a": 1e309}', False),
        ('{"a": [{"b": -1E+400}]}', False),
        ('{"a": 1e200000}', False),
        ('{"a": 1' + "0" * 5_000 + "}", False),
        ('{"a": "' + "x" * (1_048_576 - 9) + '"}', True),
        ('{"a": "' + "x" * (1_048_576 - 8) + '"}', False),
    ],
)
def test_data_is_what_every_receiver_can_parse(
    hosted_database: Connection, data: str, deliverable: bool
) -> None:
    found = one(hosted_database, "select private.is_deliverable(%s::json) as it", [data])

    assert found["it"] is deliverable
