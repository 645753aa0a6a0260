"""Tables whose changes are published: by the statement that made them, for the owner of each row."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from tests.database.deliveries import make_webhook, published
from tests.database.factories import insert, make_user
from tests.database.rpcs import Connection, Row, acting, listening

TABLE = """
    create table public.parcels (
      id uuid primary key default gen_random_uuid(),
      user_id uuid references auth.users (id) on delete cascade,
      zeta text,
      alpha integer,
      state text,
      extra json,
      updated_at timestamptz
    );
    alter table public.parcels enable row level security;
    create policy "owners manage parcels" on public.parcels for all to authenticated
      using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
    grant select, insert, update, delete on public.parcels to authenticated;"""
CHANGES = """{"state": {"sent": "sent", "lost": "gone"}}"""


def track(
    connection: Connection, table: str = "public.parcels", name: str = "parcel", changes: str = "{}"
) -> None:
    connection.execute("select private.track_table(%s, %s, %s)", [table, name, changes])


@pytest.fixture
def owner(hosted_database: Connection) -> uuid.UUID:
    """Of a tracked table of the project's own."""
    hosted_database.execute(TABLE)
    track(hosted_database, changes=CHANGES)
    return make_user(hosted_database)


def add(connection: Connection, user_id: uuid.UUID, **columns: object) -> Row:
    return insert(connection, "public.parcels", user_id=user_id, **columns)


def told(connection: Connection, user_id: uuid.UUID | None = None) -> list[str]:
    """Types of what was published."""
    return [event["type"] for event in published(connection, user_id)]


def forget(connection: Connection) -> None:
    connection.execute("delete from public.published_events")


def test_a_new_row_is_told_without_its_owner(hosted_database: Connection, owner: uuid.UUID) -> None:
    row = add(hosted_database, owner, zeta="z", alpha=1)

    (event,) = published(hosted_database)
    assert (event["type"], event["user_id"]) == ("parcel.created", owner)
    assert event["data"] == {
        "parcel": {
            "id": str(row["id"]),
            "zeta": "z",
            "alpha": 1,
            "state": None,
            "extra": None,
            "updated_at": None,
        }
    }


def test_columns_are_told_in_their_order(hosted_database: Connection, owner: uuid.UUID) -> None:
    add(hosted_database, owner)

    (event,) = published(hosted_database)
    assert list(event["data"]["parcel"])[:3] == ["id", "zeta", "alpha"]


def test_each_row_of_a_statement_is_told(hosted_database: Connection, owner: uuid.UUID) -> None:
    other = make_user(hosted_database)
    hosted_database.execute(
        "insert into public.parcels (user_id, alpha) select u, n from unnest(%s::uuid[]) u, generate_series(1, 3) n",
        [[owner, other]],
    )
    assert told(hosted_database, owner) == told(hosted_database, other) == ["parcel.created"] * 3
    forget(hosted_database)

    hosted_database.execute("update public.parcels set alpha = alpha + 1 where alpha > 1")
    assert told(hosted_database) == ["parcel.updated"] * 4
    forget(hosted_database)

    hosted_database.execute("delete from public.parcels where user_id = %s", [owner])
    assert told(hosted_database) == ["parcel.deleted"] * 3
    assert {event["user_id"] for event in published(hosted_database)} == {owner}


def test_a_statement_wakes_dispatch_once(committed: Connection, hosted_database_url: str) -> None:
    owner = make_user(committed)
    make_webhook(committed, owner)
    try:
        committed.execute(TABLE)
        track(committed)
        with listening(hosted_database_url) as woken:
            committed.execute(
                "insert into public.parcels (user_id) select %s from generate_series(1, 50)",
                [owner],
            )
        assert woken == ["dispatch"]
        assert len(published(committed)) == 50
    finally:
        committed.execute("drop table public.parcels")


@pytest.mark.parametrize(
    ("change", "events"),
    [
        ("state = 'sent'", ["parcel.sent", "parcel.updated"]),
        ("state = 'lost', alpha = 5", ["parcel.gone", "parcel.updated"]),
        ("state = 'open'", ["parcel.updated"]),
        ("state = null", ["parcel.updated"]),
        ("state = 'packed'", []),
        ("updated_at = now()", []),
        ("alpha = alpha", []),
        ("id = gen_random_uuid()", []),
    ],
)
def test_a_change_is_told_by_what_it_changes(
    hosted_database: Connection, owner: uuid.UUID, change: str, events: list[str]
) -> None:
    add(hosted_database, owner, state="packed", alpha=1)
    forget(hosted_database)

    hosted_database.execute(f"update public.parcels set {change}")  # noqa: S608

    assert told(hosted_database) == events


def test_a_named_change_is_told_when_it_happens_only(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    add(hosted_database, owner, state="sent")
    hosted_database.execute("update public.parcels set alpha = 7")

    assert told(hosted_database) == ["parcel.created", "parcel.updated"]


def test_a_statement_that_touches_no_row_tells_nothing(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    hosted_database.execute("update public.parcels set alpha = 1")
    hosted_database.execute("delete from public.parcels")
    hosted_database.execute("insert into public.parcels (user_id) select %s where false", [owner])

    assert told(hosted_database) == []


def test_an_upsert_tells_what_it_came_to(hosted_database: Connection, owner: uuid.UUID) -> None:
    row = add(hosted_database, owner, alpha=1)
    forget(hosted_database)

    hosted_database.execute(
        "insert into public.parcels (id, user_id, alpha) values (%(old)s, %(owner)s, 2), (%(new)s, %(owner)s, 2) "
        "on conflict (id) do update set alpha = excluded.alpha",
        {"old": row["id"], "new": uuid.uuid4(), "owner": owner},
    )

    assert told(hosted_database) == ["parcel.created", "parcel.updated"]


def test_a_user_who_leaves_is_told_of_nothing_more(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    add(hosted_database, owner)

    hosted_database.execute("delete from auth.users where id = %s", [owner])

    assert hosted_database.execute("select from public.parcels").rowcount == 0
    assert told(hosted_database) == []


def test_rows_of_nobody_are_left_out(hosted_database: Connection) -> None:
    hosted_database.execute(TABLE.replace("references auth.users (id) on delete cascade", ""))
    track(hosted_database)
    for owner in (None, uuid.uuid4()):
        insert(hosted_database, "public.parcels", user_id=owner)
    hosted_database.execute("update public.parcels set alpha = 1")
    hosted_database.execute("delete from public.parcels")

    assert told(hosted_database) == []


def test_users_who_write_through_row_level_security_publish_too(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    webhook = make_webhook(hosted_database, owner)
    with acting(hosted_database, "authenticated", owner):
        add(hosted_database, owner)
        hosted_database.execute("update public.parcels set alpha = 1")
        hosted_database.execute("delete from public.parcels")

    assert told(hosted_database) == ["parcel.created", "parcel.deleted", "parcel.updated"]
    query = "select count(*) from public.webhook_deliveries where webhook_id = %s"
    assert hosted_database.execute(query, [webhook.id]).fetchone() == {"count": 3}


HUGE = '{"a": "' + "x" * 1_048_576 + '"}'


@pytest.mark.parametrize(
    "extra",
    [HUGE, '{"a": "\\u0000"}', '{"a": "\\ud83d"}', '{"a": 1e309}', "[" * 70 + "]" * 70],
    ids=["huge", "nul", "surrogate", "number", "deep"],
)
def test_a_row_that_nobody_could_parse_is_told_by_its_id(
    hosted_database: Connection, owner: uuid.UUID, extra: str
) -> None:
    row = add(hosted_database, owner, extra=extra)
    hosted_database.execute("update public.parcels set alpha = 1")
    hosted_database.execute("update public.parcels set alpha = 1, updated_at = '2026-01-01'")
    hosted_database.execute("delete from public.parcels")

    events = published(hosted_database)
    assert {event["type"] for event in events} == {
        "parcel.created",
        "parcel.deleted",
        "parcel.updated",
    }
    assert [event["data"] for event in events] == [{"parcel": {"id": str(row["id"])}}] * len(events)


def test_tracking_again_replaces_what_was_told(
    hosted_database: Connection, owner: uuid.UUID
) -> None:
    track(hosted_database, name="box", changes="{}")
    add(hosted_database, owner)
    hosted_database.execute("update public.parcels set state = 'sent'")

    assert told(hosted_database) == ["box.created", "box.updated"]


@pytest.mark.parametrize(
    ("table", "name", "changes"),
    [
        ("auth.users", "user", "{}"),
        ("private.admins", "admin", "{}"),
        ("public.published_events", "event", "{}"),
        ("public.webhook_deliveries", "delivery", "{}"),
        ("public.webhook_logs", "attempt", "{}"),
        ("public.orders", "or der", "{}"),
        ("public.orders", "", "{}"),
        ("public.orders", "order", '{"status": {"paid": "was paid"}}'),
        ("public.orders", "order", '{"sttus": {"paid": "paid"}}'),
    ],
)
def test_what_cannot_be_tracked_is_refused(
    hosted_database: Connection, table: str, name: str, changes: str
) -> None:
    with pytest.raises(psycopg.Error) as caught:
        track(hosted_database, table, name, changes)
    assert caught.value.sqlstate == "WH001"


def test_an_owner_is_a_uuid(hosted_database: Connection) -> None:
    hosted_database.execute("create table public.notes (id integer primary key, user_id text)")

    with pytest.raises(psycopg.Error, match="user_id of type uuid"):
        track(hosted_database, "public.notes", "note")


def test_tickets_are_tracked_as_shipped(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    with acting(hosted_database, "authenticated", owner):
        for status in ("resolved", "escalated"):
            ticket = insert(hosted_database, "public.tickets", user_id=owner, subject="Help")
            hosted_database.execute(
                "update public.tickets set status = %s where id = %s", [status, ticket["id"]]
            )
        hosted_database.execute("delete from public.tickets")

    assert told(hosted_database, owner) == [
        "ticket.created",
        "ticket.created",
        "ticket.deleted",
        "ticket.deleted",
        "ticket.escalated",
        "ticket.resolved",
        "ticket.updated",
        "ticket.updated",
    ]
    created = published(hosted_database)[0]
    assert created["data"]["ticket"]["subject"] == "Help"
    assert created["data"]["ticket"]["ticket_number"].startswith("TKT-")
