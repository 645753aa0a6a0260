"""What came in and went out is counted once, and the counts say what counting everything would."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.database.deliveries import make_webhook, publish, work_deliveries
from tests.database.factories import FAILED, PROCESSED, insert, make_endpoint, make_event
from tests.database.rpcs import Connection, Row, call_as, one
from tests.running_stack import RunningStack

MINUTES_AGO = (0, 3, 4, 4, 25, 31, 58, 61, 95, 170, 181, 200, 360, 361, 700, 1500)


def begin_counting(connection: Connection, hours: int = 48) -> None:
    """As if counting had begun so long ago, and come no further."""
    connection.execute(
        "insert into private.activity_progress (counted_until)"
        " values (private.piece_of(10800, now() - %s * interval '1 hour'))",
        [hours],
    )


def count(connection: Connection) -> datetime:
    counted: datetime = one(connection, "select private.count_activity() as until")["until"]
    return counted


def make_event_at(connection: Connection, endpoint: Any, minutes_ago: int, **columns: Any) -> None:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    event_id = uuid.UUID(int=(int(at.timestamp() * 1000) << 80) | uuid.uuid4().int >> 48)
    if columns.get("status") == "processed":
        columns["processed_at"] = at + timedelta(seconds=1 + minutes_ago)
    make_event(connection, endpoint, id=event_id, created_at=at, **columns)


def make_attempt_at(connection: Connection, delivery: Row, minutes_ago: int, outcome: str) -> None:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    attempt_id = uuid.UUID(int=(int(at.timestamp() * 1000) << 80) | uuid.uuid4().int >> 48)
    insert(
        connection,
        "public.webhook_logs",
        **delivery,
        id=attempt_id,
        event_type="order.shipped",
        is_test=False,
        attempt=attempt_id.int % 2_000_000_000 + 10,
        outcome=outcome,
        error_message="It broke",
        latency_ms=10 + minutes_ago,
        attempted_at=at,
    )


def end_of_piece(seconds: int) -> datetime:
    """When the piece of time ends that is now."""
    now = datetime.now(UTC).timestamp()
    return datetime.fromtimestamp((now // seconds + 1) * seconds, UTC)


def overview(
    connection: Connection, user_id: uuid.UUID, seconds: int, until: datetime | None = None
) -> Row:
    answer: Row = call_as(
        connection,
        user_id,
        "get_overview",
        p_seconds=seconds,
        p_until=until or end_of_piece(seconds),
        p_points=56,
        p_everybody=False,
    )
    return answer


def without_percentiles(told: Row) -> Row:
    """Without what is near only where it was put together."""
    kept = {name: value for name, value in told.items() if name not in {"p50_ms", "p95_ms"}}
    kept["series"] = [
        {name: value for name, value in point.items() if name not in {"p50_ms", "p95_ms"}}
        for point in told["series"]
    ]
    return kept


@pytest.mark.parametrize("seconds", [60, 1800, 10800])
def test_the_counts_say_what_counting_everything_would(
    hosted_database: Connection, seconds: int
) -> None:
    endpoint = make_endpoint(hosted_database)
    make_webhook(hosted_database, endpoint.user_id)
    publish(hosted_database, endpoint.user_id)
    work_deliveries(hosted_database)
    delivery = one(
        hosted_database,
        "select delivery_id, webhook_id, user_id, published_event_id from public.webhook_logs"
        " order by id desc limit 1",
    )
    for place, minutes in enumerate(MINUTES_AGO):
        make_event_at(hosted_database, endpoint, minutes, **(PROCESSED, FAILED, {})[place % 3])
        outcome = "failed" if place % 3 else "delivered"
        make_attempt_at(hosted_database, delivery, minutes, outcome)
    begin_counting(hosted_database)
    until = end_of_piece(seconds)
    before = overview(hosted_database, endpoint.user_id, seconds, until)

    assert datetime.now(UTC) - count(hosted_database) < timedelta(minutes=3)

    after = overview(hosted_database, endpoint.user_id, seconds, until)
    for direction in ("in", "out"):
        assert without_percentiles(after[direction]) == without_percentiles(before[direction])
        assert after[direction]["total"] > 1
        assert (after[direction]["p50_ms"] is None) == (before[direction]["p50_ms"] is None)
    # The last piece may be put together, and so may the one before while the new one is not counted.
    assert after["in"]["series"][:-2] == before["in"]["series"][:-2]
    assert after["out"]["series"][:-2] == before["out"]["series"][:-2]


def test_a_past_that_takes_long_to_count_is_counted_in_steps(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    make_event_at(hosted_database, endpoint, 6 * 24 * 60, **PROCESSED)
    make_event_at(hosted_database, endpoint, 30, **PROCESSED)
    as_it_is = one(
        hosted_database,
        "select pg_get_functiondef(oid) as words from pg_proc where proname = 'count_attempts'",
    )["words"]
    slow = as_it_is.replace("begin\n", "begin\n  perform pg_sleep(0.7);\n").replace(
        "STABLE", "VOLATILE"
    )
    hosted_database.execute(slow)
    began = datetime.now(UTC) - timedelta(days=7, hours=3)

    first = count(hosted_database)
    assert began < first < began + timedelta(hours=8)
    hosted_database.execute(as_it_is)
    assert datetime.now(UTC) - count(hosted_database) < timedelta(minutes=3)

    assert overview(hosted_database, endpoint.user_id, 10800)["in"]["total"] == 2


def test_what_was_counted_is_not_read_again(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    hosted_database.execute(
        "insert into public.webhook_events (id, endpoint_id, user_id, event_type, payload, scheme, dedupe_key,"
        " status, stage, entity_table, is_person, processed_at, created_at)"
        " select private.first_id_at(now() - n * interval '1 second'), %s, %s, 'order.created', '{}', 'none',"
        " 'id:' || n, 'processed', 'done', 'order', true, now(), now() - n * interval '1 second'"
        " from generate_series(600, 3599) n",
        [endpoint.id, endpoint.user_id],
    )
    begin_counting(hosted_database, hours=4)
    count(hosted_database)
    hosted_database.execute("analyze public.webhook_events")

    def events_read() -> int:
        row = one(
            hosted_database,
            "select seq_tup_read + idx_tup_fetch as n from pg_stat_xact_user_tables"
            " where relname = 'webhook_events'",
        )
        return int(row["n"])

    before = events_read()
    assert overview(hosted_database, endpoint.user_id, 1800)["in"]["good"] == 3000
    assert events_read() - before < 100


def test_a_merged_percentile_is_near(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    for minutes in range(3, 103):
        make_event_at(hosted_database, endpoint, minutes, **PROCESSED)
    exact = overview(hosted_database, endpoint.user_id, 1800)["in"]
    begin_counting(hosted_database, hours=4)
    count(hosted_database)
    merged = overview(hosted_database, endpoint.user_id, 1800)["in"]

    for name in ("p50_ms", "p95_ms"):
        assert abs(merged[name] - exact[name]) <= 3000
    assert 45_000 < merged["p50_ms"] < 60_000


def test_what_settles_later_is_counted_anew(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    make_event_at(hosted_database, endpoint, 10)
    make_event_at(hosted_database, endpoint, 400, **FAILED)
    begin_counting(hosted_database)
    count(hosted_database)
    told = overview(hosted_database, endpoint.user_id, 10800)["in"]
    assert (told["total"], told["good"], told["bad"]) == (2, 0, 1)

    hosted_database.execute(
        "update public.webhook_events set status = 'processed', stage = 'done', processed_at = now(),"
        " error_message = null, entity_table = 'order', is_person = false where user_id = %s",
        [endpoint.user_id],
    )
    hosted_database.execute("select private.count_unsettled(clock_timestamp())")

    for seconds in (1800, 10800):
        told = overview(hosted_database, endpoint.user_id, seconds)["in"]
        assert (told["total"], told["good"], told["bad"]) == (2, 2, 0)
    (activity,) = call_as(
        hosted_database,
        endpoint.user_id,
        "get_endpoint_activity",
        p_endpoint_ids=[str(endpoint.id)],
        p_since=datetime.now(UTC) - timedelta(days=1),
    )
    assert (activity["received"], activity["failed"]) == (2, 0)
    assert one(hosted_database, "select private.count_unsettled(clock_timestamp()) as n")["n"] == 0


def test_a_webhooks_counts_are_its_own_and_without_tests(hosted_database: Connection) -> None:
    owner = make_endpoint(hosted_database).user_id
    webhooks = [make_webhook(hosted_database, owner) for _ in range(2)]
    publish(hosted_database, owner)
    work_deliveries(hosted_database)
    hosted_database.execute(
        "update public.webhook_logs set is_test = true where webhook_id = %s", [webhooks[1].id]
    )
    minute = (datetime.now(UTC).timestamp() // 60 + 1) * 60
    window = {"p_seconds": 60, "p_until": datetime.fromtimestamp(minute, UTC), "p_points": 5}

    told = [
        call_as(hosted_database, owner, "get_webhook_activity", p_webhook_id=one.id, **window)
        for one in webhooks
    ]

    assert [(one["total"], one["good"]) for one in told] == [(1, 1), (0, 0)]
    assert told[0]["streak"] == {"success": True, "length": 1}
    assert told[1]["streak"] is None
    assert len(told[0]["series"]) == 5


def test_counts_that_no_page_shows_any_more_are_deleted(hosted_database: Connection) -> None:
    owner = make_endpoint(hosted_database).user_id
    for seconds, age in ((60, "2 days"), (60, "1 hour"), (1800, "9 days"), (1800, "2 days")):
        hosted_database.execute(
            "insert into public.activity (user_id, source_id, direction, seconds, starts_at, total, good, bad, timed)"
            " values (%s, %s, 'out', %s, private.piece_of(%s, now() - %s::interval), 1, 1, 0, 0)",
            [owner, owner, seconds, seconds, age],
        )
    begin_counting(hosted_database, hours=3)
    count(hosted_database)
    kept = hosted_database.execute(
        "select seconds from public.activity where user_id = %s order by 1", [owner]
    ).fetchall()
    assert [row["seconds"] for row in kept] == [60, 1800]


def test_one_counts_at_a_time(stack: RunningStack, database: Connection) -> None:
    database.execute("select private.count_activity()")
    with psycopg.connect(stack.database_url) as other:
        other.execute("select from private.activity_progress for update")
        assert one(database, "select private.count_activity() as until")["until"] is None
    assert one(database, "select private.count_activity() as until")["until"] is not None
