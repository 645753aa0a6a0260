"""Webhooks deleted, changed or recovered while claims and finishes run: nobody waits for ever, and no more is sent."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.database.deliveries import (
    Webhook,
    attempts,
    claim_deliveries,
    claimed,
    expire_delivery_leases,
    finish_deliveries,
    make_deliveries,
    make_delivery,
    make_webhook,
    manage,
    publish,
    results,
    set_webhook,
)
from tests.database.factories import make_user
from tests.database.rpcs import Connection, Row, at_once, one
from tests.database.test_deletion import wait_for_waiters

Change = Callable[[Connection, Webhook], object]


def delete(connection: Connection, webhook: Webhook) -> None:
    connection.execute("delete from public.webhooks where id = %s", [webhook.id])


def recover(connection: Connection, webhook: Webhook) -> None:
    manage(
        connection,
        webhook.user_id,
        "recover_webhook",
        p_webhook_id=webhook.id,
        p_since="2026-01-01T00:00:00Z",
    )


def update(connection: Connection, webhook: Webhook) -> None:
    manage(
        connection,
        webhook.user_id,
        "update_webhook",
        p_webhook_id=webhook.id,
        p_changes={"name": "Changed", "active": random.random() < 0.7},
        p_secrets={"signing": "c", "headers": {"X-Key": "c"}},
    )


def finish(url: str, reports: list[Row]) -> Row:
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        return finish_deliveries(connection, reports)


def run(url: str, change: Change, webhook: Webhook) -> None:
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        change(connection, webhook)


@pytest.mark.parametrize("state", ["delivered", "retry", "failed"])
def test_a_webhook_deleted_while_its_deliveries_are_finished_deadlocks_with_nobody(
    committed: Connection, hosted_database_url: str, state: str
) -> None:
    webhook = make_webhook(committed)
    ids = make_deliveries(committed, webhook, 3)
    gone = {"disable_reason": "Gone"} if state == "failed" else {}
    reports = results(claim_deliveries(committed), state, **gone)

    with ThreadPoolExecutor(2) as threads, psycopg.connect(hosted_database_url) as gate:
        # Holds the finish up between the deliveries that it has locked and the log that it writes.
        gate.execute("lock table public.webhook_logs in share mode")
        finished = threads.submit(finish, hosted_database_url, reports)
        wait_for_waiters(committed, 1)
        deleted = threads.submit(run, hosted_database_url, delete, webhook)
        wait_for_waiters(committed, 2)
        gate.commit()

        assert set(finished.result(timeout=10)["finished"]) == {str(id_) for id_ in ids}
        deleted.result(timeout=10)
    assert one(committed, "select count(*) from public.webhook_deliveries") == {"count": 0}


def test_a_finish_that_comes_while_its_webhook_is_being_deleted_has_lost_its_deliveries(
    committed: Connection, hosted_database_url: str
) -> None:
    webhook, other = make_webhook(committed), make_webhook(committed)
    lost, kept = make_delivery(committed, webhook), make_delivery(committed, other)
    reports = results(claim_deliveries(committed))

    with ThreadPoolExecutor(1) as threads, psycopg.connect(hosted_database_url) as gate:
        gate.execute("delete from public.webhooks where id = %s", [webhook.id])
        finished = threads.submit(finish, hosted_database_url, reports)
        wait_for_waiters(committed, 1)
        gate.commit()

        assert finished.result(timeout=10) == {"finished": [str(kept)], "lost": [str(lost)]}


def test_a_claim_passes_over_a_webhook_that_is_being_deleted(
    committed: Connection, hosted_database_url: str
) -> None:
    webhook, other = make_webhook(committed), make_webhook(committed)
    lost, kept = make_delivery(committed, webhook), make_delivery(committed, other)
    committed.execute("set lock_timeout = '1s'")

    with psycopg.connect(hosted_database_url) as gate:
        gate.execute("delete from public.webhooks where id = %s", [webhook.id])

        assert claimed(claim_deliveries(committed)) == {kept}
        assert claimed(claim_deliveries(committed, delivery_ids=[lost])) == set()


@pytest.mark.parametrize("change", [update, recover])
def test_a_claim_waits_for_no_owner(
    committed: Connection, hosted_database_url: str, change: Change
) -> None:
    webhook = make_webhook(committed)
    delivery_id = make_delivery(committed, webhook)
    committed.execute("set lock_timeout = '1s'")
    with psycopg.connect(hosted_database_url, row_factory=dict_row) as owner:
        change(owner, webhook)

        batch = claim_deliveries(committed)

        assert claimed(batch) == {delivery_id}
        assert finish_deliveries(committed, results(batch))["lost"] == []


def test_an_owner_waits_for_no_claim(committed: Connection, hosted_database_url: str) -> None:
    webhook = make_webhook(committed)
    make_delivery(committed, webhook)
    committed.execute("set lock_timeout = '1s'")
    with psycopg.connect(hosted_database_url, row_factory=dict_row) as worker:
        claim_deliveries(worker)

        set_webhook(committed, webhook, name="Changed")
        publish(committed, webhook.user_id)
        recover(committed, webhook)


def test_a_log_may_be_written_for_what_another_worker_has_locked(
    committed: Connection, hosted_database_url: str
) -> None:
    webhook = make_webhook(committed)
    delivery_id = make_delivery(committed, webhook)
    lost = claim_deliveries(committed)
    expire_delivery_leases(committed)
    claim_deliveries(committed)
    expire_delivery_leases(committed)
    # Without an entry to replace, the log gets one, and that refers to the delivery.
    committed.execute("delete from public.webhook_logs")
    committed.execute("set lock_timeout = '1s'")
    with psycopg.connect(hosted_database_url, row_factory=dict_row) as worker:
        claim_deliveries(worker, delivery_ids=[delivery_id])

        finish_deliveries(committed, results(lost, state="failed"))
        worker.rollback()
    (entry,) = attempts(committed, delivery_id)
    assert (entry["attempt"], entry["outcome"]) == (1, "failed")


def test_workers_and_owners_all_at_once_deadlock_with_nobody(
    committed: Connection, hosted_database_url: str
) -> None:
    owner = make_user(committed)
    webhooks = [make_webhook(committed, owner, rate_limit_per_minute=10_000) for _ in range(10)]
    for _ in range(20):
        publish(committed, owner)
    doomed = webhooks[:3]

    def work(connection: Connection) -> None:
        for number in range(15):
            batch = claim_deliveries(connection, 20)
            state = ("delivered", "retry", "failed", "filtered")[number % 4]
            reason = {"disable_reason": "Gone"} if number == 11 else {}
            reports = results(batch, state, **{"delay_seconds": 0} | reason)
            if number % 5 == 4 and reports:
                reports[0]["response_status"] = 10**12  # cannot be stored
            finish_deliveries(connection, reports)
            connection.execute(
                "update public.webhook_deliveries set leased_until = now() - interval '1 second' "
                "where id in (select id from public.webhook_deliveries where status = 'delivering' "
                "order by id limit 3 for no key update skip locked)"
            )

    def meddle(connection: Connection) -> None:
        for number in range(15):
            webhook = webhooks[3 + number % 7]
            update(connection, webhook)
            recover(connection, webhook)
            event_id = publish(connection, owner)
            manage(connection, owner, "replay_event", p_event_id=event_id)
            manage(connection, owner, "test_webhook", p_webhook_id=webhook.id)
            if number % 5 == 4:
                delete(connection, doomed.pop())

    at_once(
        hosted_database_url,
        6,
        lambda connection, number: meddle(connection) if number == 0 else work(connection),
    )

    left = one(committed, "select count(*) from public.webhooks")["count"]
    assert (left, doomed) == (7, [])
    query = "select count(*) as wrong from private.webhook_states where window_used < 0"
    assert one(committed, query)["wrong"] == 0
