"""A user's own entity type: one row, over a table of their own, and what such a row may not do."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.database.factories import Endpoint, insert, make_endpoint, make_event, make_user
from tests.database.pipeline import claim, claimed_ids, event, finish, prepare, prepared, send_again
from tests.database.rpcs import Connection, acting, one, refused

BOOKINGS = """
    create table public.bookings (
      id uuid primary key,
      user_id uuid not null references auth.users (id) on delete cascade,
      code text,
      seats integer check (seats > 0),
      seats_twice integer generated always as (seats * 2) stored,
      created_at timestamptz not null default now()
    );
    alter table public.bookings enable row level security;
    create policy "owners manage bookings" on public.bookings for all to authenticated
      using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
    grant select, insert, update, delete on public.bookings to authenticated, service_role;
"""


@pytest.fixture
def bookings(hosted_database: Connection) -> Endpoint:
    """An owner with a table and an entity type of their own, and an endpoint."""
    hosted_database.execute(BOOKINGS)
    endpoint = make_endpoint(hosted_database)
    register(hosted_database, endpoint.user_id)
    return endpoint


def register(connection: Connection, user_id: uuid.UUID, **columns: object) -> dict[str, Any]:
    """As the user would through the Data API."""
    values = {
        "name": "booking",
        "description": "A booking of seats",
        "target_table": "bookings",
        "match_columns": ["code"],
        "field_map": {"code": "data.code", "seats": "data.seats"},
    }
    with acting(connection, "authenticated", user_id):
        return insert(connection, "public.entity_types", **values | columns)


def test_an_event_becomes_a_row_of_the_owners_table(
    hosted_database: Connection, bookings: Endpoint
) -> None:
    found = prepared(
        hosted_database,
        bookings,
        "booking",
        person={"email": "ada@example.com"},
        fields={"code": "B1", "seats": 2},
    )

    booking = one(hosted_database, "select * from public.bookings")
    assert (booking["id"], booking["user_id"]) == (found["entity_id"], bookings.user_id)
    assert (booking["code"], booking["seats"], booking["seats_twice"]) == ("B1", 2, 4)
    entity = one(
        hosted_database, "select * from public.entities where id = %s", [found["entity_id"]]
    )
    assert entity["entity_table"] == "booking"
    assert one(hosted_database, "select entity_id from public.people_entities") == {
        "entity_id": found["entity_id"]
    }


def test_a_second_event_updates_the_row(hosted_database: Connection, bookings: Endpoint) -> None:
    for seats in (2, 3):
        prepared(hosted_database, bookings, "booking", fields={"code": "B1", "seats": seats})

    assert one(hosted_database, "select seats from public.bookings") == {"seats": 3}


def test_rules_see_the_row(hosted_database: Connection, bookings: Endpoint) -> None:
    prepared(hosted_database, bookings, "booking", fields={"code": "B1", "seats": 2})

    (given,) = claim(hosted_database, "rules")["events"]

    assert given["entity"].items() >= {"code": "B1", "seats": 2}.items()
    assert "user_id" not in given["entity"]


def test_a_deleted_row_is_made_anew_when_its_event_is_reprocessed(
    hosted_database: Connection, bookings: Endpoint
) -> None:
    first = prepared(hosted_database, bookings, "booking", fields={"seats": 2})
    hosted_database.execute("delete from public.bookings")
    send_again(hosted_database, first)

    second = prepare(hosted_database, first["id"], fields={"seats": 2})

    assert one(hosted_database, "select id from public.bookings")["id"] == second["entity_id"]


def test_a_users_type_hides_a_shipped_one_of_the_same_name(
    hosted_database: Connection, bookings: Endpoint
) -> None:
    register(hosted_database, bookings.user_id, name="order")

    prepared(hosted_database, bookings, "order", fields={"code": "B1"})

    assert one(hosted_database, "select code from public.bookings") == {"code": "B1"}
    assert hosted_database.execute("select from public.orders").fetchall() == []


@pytest.mark.parametrize(
    "harm",
    [
        "drop table public.bookings",
        "alter table public.bookings drop column code",
        "revoke all on public.bookings from service_role",
        "alter table public.bookings add column hall text not null",
        """create function pg_temp.object() returns trigger language plpgsql
             as $$ begin raise exception 'Closed on Sundays'; end $$;
           create trigger object before insert or update on public.bookings
             for each row execute function pg_temp.object();""",
    ],
)
def test_a_table_that_no_longer_takes_rows_fails_its_own_events_only(
    hosted_database: Connection, bookings: Endpoint, harm: str
) -> None:
    bad = make_event(
        hosted_database, bookings, stage="prepare", entity_table="booking", is_person=False
    )
    good = make_event(hosted_database, make_endpoint(hosted_database), stage="prepare")
    hosted_database.execute(harm)
    batch = claim(hosted_database, "prepare")
    fields = {"code": "B1", "seats": 2}

    finish(
        hosted_database,
        "prepare",
        batch["lease_id"],
        {"id": bad, "fields": fields},
        {"id": good, "fields": {}},
    )

    assert event(hosted_database, bad)["status"] == "failed"
    assert event(hosted_database, good)["stage"] == "rules"


@pytest.mark.parametrize(
    "harm", ["drop table public.bookings", "revoke all on public.bookings from service_role"]
)
def test_a_table_that_is_gone_keeps_nobodys_events_from_their_rules(
    hosted_database: Connection, bookings: Endpoint, harm: str
) -> None:
    theirs = prepared(hosted_database, bookings, "booking", fields={"code": "B1"})
    other = prepared(hosted_database, make_endpoint(hosted_database))
    hosted_database.execute(harm)

    batch = claim(hosted_database, "rules")

    assert claimed_ids(batch) == {theirs["id"], other["id"]}
    entities = {given["id"]: given["entity"] for given in batch["events"]}
    assert entities[str(theirs["id"])] is None
    assert entities[str(other["id"])] is not None


@pytest.mark.parametrize(
    "table",
    [
        "users",
        "admins",
        "webhook_endpoints",
        "webhook_events",
        "webhook_event_logs",
        "entity_types",
        "entities",
        "entity_automation_rules",
        "entity_rule_actions",
        "people_entities",
        "entity_tags",
        "entity_roles",
        "notifications",
        "audit_logs",
        "pg_class",
        "nowhere",
        "",
        "orders; drop table orders",
        "public.orders",
    ],
)
def test_a_table_that_payloads_may_not_write_to_is_refused(
    hosted_database: Connection, table: str
) -> None:
    with refused("WH001"):
        register(
            hosted_database,
            make_user(hosted_database),
            target_table=table,
            match_columns=[],
            field_map={},
        )


@pytest.mark.parametrize(
    "change",
    [
        "alter table public.bookings disable row level security",
        "alter table public.bookings drop column user_id cascade",
        "alter table public.bookings alter column id type text",
        """alter table public.bookings rename to bookings_table;
           create view public.bookings as select * from public.bookings_table""",
        "revoke insert on public.bookings from authenticated",
        "revoke update on public.bookings from authenticated",
        "revoke select on public.bookings from authenticated",
        "revoke insert on public.bookings from service_role",
    ],
)
def test_a_table_that_does_not_fit_is_refused(hosted_database: Connection, change: str) -> None:
    hosted_database.execute(BOOKINGS)
    hosted_database.execute(change)

    with refused("WH001"):
        register(hosted_database, make_user(hosted_database), match_columns=[], field_map={})


@pytest.mark.parametrize(
    "column",
    [
        "id",
        "user_id",
        "created_at",
        "seats_twice",
        "colour",
        "ctid",
        'code"; drop table orders; --',
    ],
)
@pytest.mark.parametrize("setting", ["match_columns", "field_map"])
def test_a_column_that_payloads_may_not_fill_is_refused(
    hosted_database: Connection, setting: str, column: str
) -> None:
    hosted_database.execute(BOOKINGS)
    value: object = [column] if setting == "match_columns" else {column: "data.x"}

    with refused("WH001"):
        register(hosted_database, make_user(hosted_database), **{setting: value})


def test_an_update_is_checked_as_an_insert_is(
    hosted_database: Connection, bookings: Endpoint
) -> None:
    with refused("WH001"), acting(hosted_database, "authenticated", bookings.user_id):
        hosted_database.execute("update public.entity_types set target_table = 'webhook_events'")


@pytest.mark.parametrize("name", ["", "Booking", "1st", "a b", "x" * 51, "ä"])
def test_a_types_name_is_an_identifier(hosted_database: Connection, name: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="names_are_identifiers"):
        register(
            hosted_database,
            make_user(hosted_database),
            name=name,
            target_table="orders",
            match_columns=[],
            field_map={},
        )


def test_a_name_is_used_once_per_user(hosted_database: Connection, bookings: Endpoint) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        register(hosted_database, bookings.user_id)


def test_shipped_names_are_used_once(hosted_database: Connection) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        insert(
            hosted_database,
            "public.entity_types",
            user_id=None,
            name="order",
            description="Another",
            target_table="orders",
        )


@pytest.mark.parametrize(
    "table", ["people", "influencers", "subscriptions", "orders", "invoices", "tickets"]
)
def test_every_shipped_type_fits_its_table(hosted_database: Connection, table: str) -> None:
    # The trigger checks each again.
    query = "update public.entity_types set name = name where target_table = {} and user_id is null"
    updated = hosted_database.execute(sql.SQL(query).format(table))

    assert updated.rowcount == 1
