"""What is deleted while work on it is under way: the work ends, and nobody waits for ever."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg

from tests.database.deliveries import make_webhook, publish, work_deliveries
from tests.database.factories import Endpoint, insert, make_endpoint, make_event
from tests.database.pipeline import claim, finish, prepared
from tests.database.rpcs import Connection, Row, one


def wait_for_waiters(connection: Connection, number: int) -> None:
    """Until so many sessions of this database wait for a lock."""
    query = """select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'"""
    deadline = time.monotonic() + 10
    while one(connection, query)["count"] < number:
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)


def delete(url: str, endpoint: Endpoint) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(
            "delete from public.webhook_endpoints where id = %s", [endpoint.id]
        ).rowcount


def prepare(url: str, lease_id: str, result: Row) -> Row:
    with psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        return finish(connection, "prepare", lease_id, result)


def test_an_endpoint_deleted_while_its_events_are_finished_deadlocks_with_nobody(
    committed: Connection, hosted_database_url: str
) -> None:
    endpoint = make_endpoint(committed)
    event_id = make_event(
        committed, endpoint, stage="prepare", entity_table="order", is_person=True
    )
    lease_id = claim(committed, "prepare")["lease_id"]
    result = {"id": event_id, "person": {"email": "ada@example.com"}, "fields": {}}

    with ThreadPoolExecutor(2) as threads, psycopg.connect(hosted_database_url) as gate:
        # Holds the finish up between the event that it has locked and the person that it makes.
        gate.execute("lock table public.people in share mode")
        finished: Future[Row] = threads.submit(prepare, hosted_database_url, lease_id, result)
        wait_for_waiters(committed, 1)
        deleted = threads.submit(delete, hosted_database_url, endpoint)
        wait_for_waiters(committed, 2)
        gate.commit()

        assert finished.result(timeout=10)["finished"] == [str(event_id)]
        assert deleted.result(timeout=10) == 1


def test_a_finish_that_comes_while_its_endpoint_is_being_deleted_has_lost_its_events(
    committed: Connection, hosted_database_url: str
) -> None:
    endpoint = make_endpoint(committed)
    event_id = make_event(committed, endpoint, stage="prepare")
    lease_id = claim(committed, "prepare")["lease_id"]

    with ThreadPoolExecutor(1) as threads, psycopg.connect(hosted_database_url) as gate:
        gate.execute("delete from public.webhook_endpoints where id = %s", [endpoint.id])
        finished = threads.submit(prepare, hosted_database_url, lease_id, {"id": event_id})
        wait_for_waiters(committed, 1)
        gate.commit()

        assert finished.result(timeout=10) == {"finished": [], "lost": [str(event_id)]}


def test_an_owner_who_leaves_takes_webhooks_and_what_was_published_along(
    hosted_database: Connection,
) -> None:
    webhook = make_webhook(hosted_database)
    insert(hosted_database, "public.event_types", user_id=webhook.user_id, name="order.packed")
    publish(hosted_database, webhook.user_id)
    insert(hosted_database, "public.tickets", user_id=webhook.user_id)
    work_deliveries(hosted_database, state="failed", disable_reason="Gone")

    hosted_database.execute("delete from auth.users where id = %s", [webhook.user_id])

    for table in ("webhooks", "published_events", "webhook_deliveries", "webhook_logs", "tickets"):
        query = psycopg.sql.SQL("select from public.{}").format(psycopg.sql.Identifier(table))
        assert hosted_database.execute(query).rowcount == 0
    own = hosted_database.execute("select from public.event_types where user_id is not null")
    assert own.rowcount == 0
    assert hosted_database.execute("select from private.webhook_states").rowcount == 0


def test_an_owner_who_leaves_takes_everything_along(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    prepared(hosted_database, endpoint, person={"email": "ada@example.com"}, fields={"total": 1})

    hosted_database.execute("delete from auth.users where id = %s", [endpoint.user_id])

    for table in ("webhook_endpoints", "webhook_events", "people", "orders", "entities"):
        query = psycopg.sql.SQL("select from public.{}").format(psycopg.sql.Identifier(table))
        assert hosted_database.execute(query).rowcount == 0
    assert hosted_database.execute("select from private.webhook_bodies").rowcount == 0
