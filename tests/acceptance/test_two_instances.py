"""Two instances of every function work on one database, and one of each is killed under load."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import psycopg

from receiver import Received, Reply, receiving
from tests.acceptance.instances import Instance, pairs
from tests.acceptance.load import ACTIONS, EVENTS, Load
from tests.running_stack import RunningStack, User

Connection = psycopg.Connection[dict[str, Any]]

WORKERS = ("classify", "prepare_for_rules", "process_rules", "dispatch")
FUNCTIONS = ("ingest", *WORKERS, "api", "console")
SENDERS = 12
PUBLISHERS = 4
BATCH = 5
CONCURRENCY = 6
"""What one instance takes at once: if more is leased, then both hold some of it."""
DEADLINE_SECONDS = 240

SETTINGS = {
    "WORKER_BATCH_SIZE": str(BATCH),
    "WORKER_LEASE_SECONDS": "3",
    "DISPATCH_LEASE_SECONDS": "3",
    "DISPATCH_CONCURRENCY": str(CONCURRENCY),
    "DELIVERY_ALLOWED_NETWORKS": "127.0.0.0/8",
}

STAGES = {"classify": "classify", "prepare_for_rules": "prepare", "process_rules": "rules"}


def count(database: Connection, query: str, user: User, *more: object) -> int:
    row = database.execute(query, [user.id, *more]).fetchone()
    assert row is not None
    return int(row["count"])


def kill_hurts(load: Load, database: Connection, function: str, survivor: Instance) -> bool:
    """Whether the other one has something to lose, told by numbers while both stand still.

    A worker: more is leased than one takes at once. Ingest and API: more is committed and not answered than the
    survivor has under way. The console: a page that was asked for, which it always has.
    """
    if function in STAGES:
        leased = "leased_until > now() and stage::text = %s"
        query = f"select count(*) from public.webhook_events where user_id = %s and {leased}"  # noqa: S608
        return count(database, query, load.user, STAGES[function]) > BATCH
    if function == "dispatch":
        query = "select count(*) from public.webhook_deliveries where user_id = %s and leased_until > now()"
        return count(database, query, load.user) > CONCURRENCY
    if function == "ingest":
        query = "select count(*) from public.webhook_events where user_id = %s"
        return count(database, query, load.user) - len(load.stored) > len(survivor.under_way)
    if function == "api":
        query = "select count(*) from public.published_events where user_id = %s and type = 'message.created'"
        return count(database, query, load.user) - len(load.published) > len(survivor.under_way)
    return True


def unfinished(database: Connection, user: User) -> int:
    return count(
        database,
        "select (select count(*) from public.webhook_events where user_id = u.id and processed_at is null)"
        " + (select count(*) from public.webhook_deliveries where user_id = u.id and finished_at is null) as count"
        " from auth.users u where u.id = %s",
        user,
    )


async def kill_one_of_each(load: Load, database: Connection) -> None:
    for function, pair in load.functions.items():
        await pair.kill_one(partial(kill_hurts, load, database, function))
    load.is_over.set()


async def test_of_two_instances_of_every_function_one_may_be_killed(
    stack: RunningStack, database: Connection, new_user: Callable[[], User]
) -> None:
    user = new_user()
    settings = {**stack.values, **SETTINGS}
    limits = httpx.Limits(max_connections=200)
    with receiving() as receiver:
        receiver.reply = Reply(seconds=0.05)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:
            with pairs(FUNCTIONS, client, settings) as functions:
                load = Load(functions, user)
                await load.set_up(receiver.url)
                await run(load, database, stack.functions_secret)

        assert {function: pair.broken_off > 0 for function, pair in functions.items()} == (
            dict.fromkeys(FUNCTIONS, True)
        )
        assert_stored_once(database, load)
        assert_done_once(database, load)
        assert_delivered(database, load, receiver.received)
    database.execute("delete from public.webhooks where created_by = %s", [user.id])


async def run(load: Load, database: Connection, secret: str) -> None:
    """Sources, a publisher and a reader, until one of each pair is killed and the others have done all the work."""
    numbers = itertools.count()
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
        swept = [
            tasks.create_task(load.sweep(function, instance, secret))
            for function in WORKERS
            for instance in load.functions[function].instances
        ]
        async with asyncio.TaskGroup() as clients:
            for _ in range(SENDERS):
                clients.create_task(load.send_webhooks(numbers))
            for _ in range(PUBLISHERS):
                clients.create_task(load.publish())
            clients.create_task(load.look())
            clients.create_task(kill_one_of_each(load, database))
        while unfinished(database, load.user) > 0:  # noqa: ASYNC110 (the database tells)
            await asyncio.sleep(0.2)
        for task in swept:
            task.cancel()


def assert_stored_once(database: Connection, load: Load) -> None:
    """Each webhook that was sent is one event, the one that its source was told of, and it is processed."""
    events = database.execute(
        "select id::text, external_id, status::text, error_message from public.webhook_events"
        " where user_id = %s",
        [load.user.id],
    ).fetchall()
    problems = [event for event in events if event["status"] != "processed"]

    assert problems == []
    assert len(load.stored) >= EVENTS
    assert load.duplicates > 0, "no source was left without the answer to what was stored"
    assert len(events) == len(load.stored)
    assert {event["external_id"]: event["id"] for event in events} == load.stored


def assert_done_once(database: Connection, load: Load) -> None:
    """Every action is logged once per event, and its effect is there once."""
    events = len(load.stored)
    logged = database.execute(
        "select action_type, count(*) as entries, count(distinct webhook_event_id) as events,"
        " bool_and(success) as all_succeeded from public.webhook_event_logs"
        " where user_id = %s and action_id is not null group by action_type",
        [load.user.id],
    ).fetchall()
    assert {row.pop("action_type"): row for row in logged} == {
        action: {"entries": events, "events": events, "all_succeeded": True} for action in ACTIONS
    }
    tables = ("notifications", "chat_messages", "tickets", "orders", "entity_tags")
    rows = {
        table: count(database, f"select count(*) from public.{table} where user_id = %s", load.user)  # noqa: S608
        for table in tables
    }
    assert rows == dict.fromkeys(tables, events)
    assert count(database, "select count(*) from public.people where user_id = %s", load.user) == 50


def assert_delivered(database: Connection, load: Load, received: list[Received]) -> None:
    """Each event is published once, and arrives at least once, under one id and with one body."""
    published = database.execute(
        "select e.id::text, e.type, array_agg(d.status::text) as deliveries from public.published_events e"
        " left join public.webhook_deliveries d on d.published_event_id = e.id"
        " where e.user_id = %s and e.type = any(%s) group by e.id",
        [load.user.id, ["order.completed", "ticket.created", "message.created"]],
    ).fetchall()
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    for request in received:
        bodies[request.message_id].add(request.body)

    by_type = defaultdict(set)
    for event in published:
        by_type[event["type"]].add(event["id"])
    assert by_type["message.created"] == set(load.published.values())
    assert len(load.published) == len(by_type["message.created"])
    assert len(by_type["order.completed"]) == len(by_type["ticket.created"]) == len(load.stored)
    assert all(event["deliveries"] == ["delivered"] for event in published)
    assert bodies.keys() == {event["id"] for event in published}
    assert all(len(same) == 1 for same in bodies.values())
