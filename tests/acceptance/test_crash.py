"""Workers die at random moments; no event is lost, and nothing is done twice."""

from __future__ import annotations

import base64
import json
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import uuid_utils

from tests.acceptance.workers import WORKERS, StartWorkers
from tests.running_stack import User

EVENTS = 2000
KILLS = 20
DEADLINE_SECONDS = 240

Connection = psycopg.Connection[dict[str, Any]]

ACTIONS: dict[str, dict[str, str]] = {
    "tag": {"tag": "crash-tested"},
    "send_notification": {"title": "Order {{ event.external_id }}"},
    "create_ticket": {"subject": "Look at {{ event.external_id }}"},
    "store_message": {"content": "{{ event.external_id }}"},
}


def add_rule(database: Connection, owner: User) -> None:
    rule_id = uuid.uuid4()
    database.execute(
        "insert into public.entity_automation_rules (id, user_id, entity_table, name, condition)"
        " values (%s, %s, 'order', 'Every order', 'event.data.total > 0')",
        [rule_id, owner.id],
    )
    for position, (action, config) in enumerate(ACTIONS.items()):
        database.execute(
            "insert into public.entity_rule_actions (user_id, rule_id, position, action_type, action_config)"
            " values (%s, %s, %s, %s, %s)",
            [owner.id, rule_id, position, action, json.dumps(config)],
        )


def add_events(database: Connection, owner: User) -> uuid.UUID:
    endpoint_id = uuid.uuid4()
    database.execute(
        "insert into public.webhook_endpoints (id, name, slug, scheme, processing_mode,"
        " confidence_threshold, allowed_object_types, created_by)"
        " values (%s, 'Crash', %s, 'none', 'automatic', 0, '{order}', %s)",
        [endpoint_id, endpoint_id.hex, owner.id],
    )
    events = []
    for number in range(EVENTS):
        body = {
            "event_type": "order.completed",
            "external_id": f"order-{number}",
            "data": {
                "order_id": f"order-{number}",
                "total": 10,
                "email": f"c{number % 50}@example.com",
            },
        }
        events.append(
            {
                "id": str(uuid_utils.uuid7()),
                "endpoint_id": str(endpoint_id),
                "event_type": body["event_type"],
                "external_id": body["external_id"],
                "scheme": "none",
                "dedupe_key": f"id:{number}",
                "body": base64.b64encode(json.dumps(body).encode()).decode(),
            }
        )
    database.execute("select public.ingest_events(%s)", [json.dumps(events)])
    return endpoint_id


def open_events(database: Connection, endpoint_id: uuid.UUID) -> int:
    row = database.execute(
        "select count(*) as open from public.webhook_events"
        " where endpoint_id = %s and status in ('pending', 'processing')",
        [endpoint_id],
    ).fetchone()
    assert row is not None
    return int(row["open"])


def test_killed_workers_lose_nothing_and_do_nothing_twice(
    database: Connection, new_user: Callable[[], User], workers: StartWorkers
) -> None:
    owner = new_user()
    add_rule(database, owner)
    running = workers("pipeline", KILLS, WORKER_BATCH_SIZE="25", WORKER_LEASE_SECONDS="2")
    endpoint_id = add_events(database, owner)
    running.put_to_work(WORKERS)

    deadline = time.monotonic() + DEADLINE_SECONDS
    kills = 0
    while kills < KILLS and open_events(database, endpoint_id) > 0:
        time.sleep(random.uniform(0.05, 0.5))
        running.kill_one()
        kills += 1
    assert kills == KILLS, "the work was done before the last kill: raise EVENTS"
    while open_events(database, endpoint_id) > 0 and time.monotonic() < deadline:
        time.sleep(0.2)

    statuses = database.execute(
        "select status::text, count(*) as events, max(error_message) as error"
        " from public.webhook_events where endpoint_id = %s group by status",
        [endpoint_id],
    ).fetchall()
    assert statuses == [{"status": "processed", "events": EVENTS, "error": None}]
    assert_each_once(database, owner)


def assert_each_once(database: Connection, owner: User) -> None:
    """Every action is logged once per event, and its effect is there once."""
    logged = database.execute(
        "select action_type, count(*) as entries, count(distinct webhook_event_id) as events,"
        " bool_and(success) as all_succeeded from public.webhook_event_logs"
        " where user_id = %s and action_id is not null group by action_type",
        [owner.id],
    ).fetchall()
    assert {row.pop("action_type"): row for row in logged} == {
        action: {"entries": EVENTS, "events": EVENTS, "all_succeeded": True} for action in ACTIONS
    }
    effects = {
        "notifications": EVENTS,
        "chat_messages": EVENTS,
        "tickets": EVENTS,
        "orders": EVENTS,
        "entity_tags": EVENTS,
        "people": 50,
    }
    for table, rows in effects.items():
        counted = database.execute(
            f"select count(*) as rows from public.{table} where user_id = %s",  # noqa: S608
            [owner.id],
        ).fetchone()
        assert counted == {"rows": rows}, table
