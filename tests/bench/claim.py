"""What a claim costs beside many finished rows."""

from __future__ import annotations

import statistics
import time
import uuid

import psycopg

from tests.running_stack import RunningStack, User

SIZES = (10_000, 1_000_000)
BATCH = 200
ROUNDS = 31


def add_events(
    database: psycopg.Connection, endpoint_id: uuid.UUID, user: User, rows: int, *, finished: bool
) -> None:
    """Events made in SQL, finished or waiting for classification, with ids in order of time as ingest makes them."""
    status, stage = ("processed", "done") if finished else ("pending", "classify")
    database.execute(
        "insert into public.webhook_events (id, endpoint_id, user_id, event_type, payload, scheme, dedupe_key,"
        " status, stage, entity_table, is_person, processed_at)"
        " select lpad(to_hex(%s::bigint + n), 32, '0')::uuid,"
        " %s, %s, 'order.completed', '{\"data\": {\"total\": 1}}', 'none', gen_random_uuid(),"
        " %s, %s, 'order', true, case when %s then now() end from generate_series(1, %s) n",
        [time.time_ns() // 1000, endpoint_id, user.id, status, stage, finished, rows],
    )


def claim_ms(database: psycopg.Connection) -> float:
    """Median milliseconds of a claim of BATCH events. Each is undone, so that all find the same."""
    times = []
    for _ in range(ROUNDS):
        with database.transaction(force_rollback=True):
            started = time.perf_counter()
            row = database.execute("select public.claim_classify(%s, 60)", [BATCH]).fetchone()
            times.append((time.perf_counter() - started) * 1000)
            if row is None or len(row[0]["events"]) != BATCH:
                raise RuntimeError("the claim did not find a full batch")
    return statistics.median(times)


def report(stack: RunningStack, user: User) -> None:
    """Prints the claim's cost beside each number of finished rows, and their ratio."""
    costs: dict[int, float] = {}
    print(f"A claim of {BATCH} events, of 2,000 that wait:")
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        database.execute("truncate public.webhook_events cascade")
        endpoint_id = uuid.uuid4()
        database.execute(
            "insert into public.webhook_endpoints (id, name, slug, scheme, created_by)"
            " values (%s, 'Claim', %s, 'none', %s)",
            [endpoint_id, endpoint_id.hex, user.id],
        )
        add_events(database, endpoint_id, user, 2_000, finished=False)
        there = 0
        for size in SIZES:
            add_events(database, endpoint_id, user, size - there, finished=True)
            there = size
            database.execute("vacuum analyze public.webhook_events")
            costs[size] = claim_ms(database)
            print(
                f"  beside {size:>9,} finished rows              {costs[size]:8.1f} ms", flush=True
            )
        first, last = (costs[size] for size in SIZES)
        print(f"  ratio                                    {last / first:8.2f}")
        database.execute("truncate public.webhook_events cascade")
