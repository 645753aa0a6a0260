"""The index of all records, and what hangs on them."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from tests.database.factories import insert, make_endpoint, make_user
from tests.database.pipeline import event, prepared
from tests.database.rpcs import Connection, acting, at_once, one

TABLES = {
    "people": "person",
    "influencers": "influencer",
    "subscriptions": "subscription",
    "orders": "order",
    "invoices": "invoice",
    "tickets": "ticket",
}


@pytest.mark.parametrize(("table", "name"), TABLES.items())
def test_a_row_made_by_hand_is_in_the_index(
    hosted_database: Connection, table: str, name: str
) -> None:
    owner = make_user(hosted_database)
    with acting(hosted_database, "authenticated", owner):
        row = insert(hosted_database, f"public.{table}", external_id="1")

    entity = one(hosted_database, "select * from public.entities where id = %s", [row["id"]])
    assert (entity["user_id"], entity["entity_table"]) == (owner, name)


@pytest.mark.parametrize("table", TABLES)
def test_a_deleted_row_leaves_the_index_with_its_tags(
    hosted_database: Connection, table: str
) -> None:
    owner = make_user(hosted_database)
    row = insert(hosted_database, f"public.{table}", user_id=owner)
    insert(hosted_database, "public.entity_tags", user_id=owner, entity_id=row["id"], tag="vip")
    insert(hosted_database, "public.entity_roles", user_id=owner, entity_id=row["id"], role="lead")

    with acting(hosted_database, "authenticated", owner):
        hosted_database.execute(
            psycopg.sql.SQL("delete from public.{}").format(psycopg.sql.Identifier(table))
        )

    assert hosted_database.execute("select from public.entities").fetchall() == []
    assert hosted_database.execute("select from public.entity_tags").fetchall() == []
    assert hosted_database.execute("select from public.entity_roles").fetchall() == []


def test_an_event_outlives_its_person_and_record(hosted_database: Connection) -> None:
    found = prepared(hosted_database, make_endpoint(hosted_database), person={"email": "a@b.c"})
    hosted_database.execute("delete from public.people")
    hosted_database.execute("delete from public.orders")

    left = event(hosted_database, found["id"])
    assert (left["person_id"], left["entity_id"], left["status"]) == (None, None, "pending")


def test_people_outlive_the_endpoint_that_told_of_them(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    prepared(hosted_database, endpoint, person={"email": "a@b.c"})

    hosted_database.execute("delete from public.webhook_endpoints where id = %s", [endpoint.id])

    assert one(hosted_database, "select endpoint_id from public.people") == {"endpoint_id": None}


def test_updated_at_follows_every_change(committed: Connection) -> None:
    row = insert(committed, "public.orders", user_id=make_user(committed))

    changed = one(committed, "update public.orders set status = 'paid' returning *")

    assert changed["updated_at"] > row["updated_at"]
    assert changed["created_at"] == row["created_at"]


def ticket_number(connection: Connection, owner: uuid.UUID, **columns: object) -> str:
    return str(insert(connection, "public.tickets", user_id=owner, **columns)["ticket_number"])


def test_ticket_numbers_count_from_one_per_owner(hosted_database: Connection) -> None:
    year = one(hosted_database, "select extract(year from now())::integer as year")["year"]
    for _ in range(2):
        owner = make_user(hosted_database)
        numbers = [ticket_number(hosted_database, owner) for _ in range(3)]
        assert numbers == [f"TKT-{year}-{number:03}" for number in (1, 2, 3)]


def test_ticket_numbers_grow_beyond_three_digits(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    ticket_number(hosted_database, owner)
    hosted_database.execute("update private.ticket_counters set last_number = 9999")

    assert ticket_number(hosted_database, owner).endswith("-10000")


def test_tickets_made_at_once_have_consecutive_numbers(
    committed: Connection, hosted_database_url: str
) -> None:
    owner = make_user(committed)

    made = at_once(
        hosted_database_url,
        8,
        lambda connection, _: [ticket_number(connection, owner) for _ in range(5)],
    )

    numbers = sorted(int(number.rpartition("-")[2]) for each in made for number in each)
    assert numbers == list(range(1, 41))


def test_a_sources_own_ticket_number_is_kept(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)

    assert ticket_number(hosted_database, owner, ticket_number="acme/shop#7") == "acme/shop#7"
    assert ticket_number(hosted_database, owner).endswith("-001")


def test_a_number_that_a_source_has_used_is_left_out(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    taken = ticket_number(hosted_database, owner).replace("-001", "-002")
    ticket_number(hosted_database, owner, ticket_number=taken)

    assert ticket_number(hosted_database, owner).endswith("-003")


def test_a_sources_number_that_is_taken_is_replaced(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    ticket_number(hosted_database, owner, ticket_number="7")

    assert ticket_number(hosted_database, owner, ticket_number="7").endswith("-001")
    assert ticket_number(hosted_database, make_user(hosted_database), ticket_number="7") == "7"
