"""Dispatch dies at random moments; every delivery arrives, under one id, and the log tells the truth."""

from __future__ import annotations

import random
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import psycopg

from receiver import Received, receiving
from shared.encryption import SecretBox
from tests.acceptance.workers import WORKERS, StartWorkers
from tests.running_stack import RunningStack, User

DELIVERIES = 5000
KILLS = 20
DEADLINE_SECONDS = 240

Connection = psycopg.Connection[dict[str, Any]]


def add_webhook(database: Connection, stack: RunningStack, owner: User, url: str) -> uuid.UUID:
    webhook_id = uuid.uuid4()
    box = SecretBox.from_setting(stack.encryption_keys)
    database.execute(
        "insert into public.webhooks (id, name, url, events, signature_profile, created_by)"
        " values (%s, 'Crash', %s, '{*}', 'chatbots', %s)",
        [webhook_id, url, owner.id],
    )
    database.execute(
        "insert into private.webhook_secrets (webhook_id, purpose, ciphertext)"
        " values (%s, 'signing', %s)",
        [webhook_id, box.encrypt("secret")],
    )
    return webhook_id


def publish(database: Connection, owner: User) -> None:
    database.execute(
        "select private.publish(array(select row(%s, 'order.completed',"
        " json_build_object('number', n), null)::private.outgoing_event"
        " from generate_series(1, %s) n))",
        [owner.id, DELIVERIES],
    )


def undelivered(database: Connection, webhook_id: uuid.UUID) -> int:
    row = database.execute(
        "select count(*) as open from public.webhook_deliveries"
        " where webhook_id = %s and status in ('pending', 'delivering')",
        [webhook_id],
    ).fetchone()
    assert row is not None
    return int(row["open"])


def test_a_killed_dispatch_loses_nothing_and_its_log_tells_the_truth(
    stack: RunningStack, database: Connection, new_user: Callable[[], User], workers: StartWorkers
) -> None:
    owner = new_user()
    running = workers(
        "dispatch",
        KILLS,
        DISPATCH_LEASE_SECONDS="2",
        DISPATCH_CONCURRENCY="40",
        DELIVERY_ALLOWED_NETWORKS="127.0.0.0/8",
    )
    with receiving() as receiver:
        webhook_id = add_webhook(database, stack, owner, receiver.url)
        publish(database, owner)
        running.put_to_work(WORKERS)

        deadline = time.monotonic() + DEADLINE_SECONDS
        kills = 0
        while kills < KILLS and undelivered(database, webhook_id) > 0:
            time.sleep(random.uniform(0.05, 0.3))
            running.kill_one()
            kills += 1
        assert kills == KILLS, "the work was done before the last kill: raise DELIVERIES"
        while undelivered(database, webhook_id) > 0 and time.monotonic() < deadline:
            time.sleep(0.2)

        statuses = database.execute(
            "select status::text, count(*) as deliveries from public.webhook_deliveries"
            " where webhook_id = %s group by status",
            [webhook_id],
        ).fetchall()
        assert statuses == [{"status": "delivered", "deliveries": DELIVERIES}]
        assert_all_arrived(database, webhook_id, receiver.received)
        assert_the_log_is_true(database, webhook_id, receiver.received)
    database.execute("delete from public.webhooks where id = %s", [webhook_id])


def assert_all_arrived(
    database: Connection, webhook_id: uuid.UUID, received: list[Received]
) -> None:
    """Each event at least once; copies have the same id and the same body."""
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    for request in received:
        bodies[request.message_id].add(request.body)
    numbers = {request.event["data"]["number"] for request in received}

    assert len(bodies) == DELIVERIES
    assert numbers == set(range(1, DELIVERIES + 1))
    assert all(len(same) == 1 for same in bodies.values())


def assert_the_log_is_true(
    database: Connection, webhook_id: uuid.UUID, received: list[Received]
) -> None:
    """What is logged as delivered has arrived, and what has arrived is logged, if only as unknown."""
    logs = database.execute(
        "select id::text, published_event_id::text as event, outcome from public.webhook_logs"
        " where webhook_id = %s",
        [webhook_id],
    ).fetchall()
    arrived = {request.headers["x-chatbots-delivery"]: request.message_id for request in received}
    delivered = {log["id"]: log["event"] for log in logs if log["outcome"] == "delivered"}
    unknown = [log["event"] for log in logs if log["outcome"] == "unknown"]

    assert delivered.items() <= arrived.items()
    for attempt, event in arrived.items():
        assert attempt in delivered or event in unknown
    assert len(logs) == len(delivered) + len(unknown)
    assert len(received) <= len(logs)
