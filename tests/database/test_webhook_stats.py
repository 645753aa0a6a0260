"""How a webhook fares between two times, as its owner is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.database.deliveries import (
    Webhook,
    make_delivery,
    make_webhook,
    manage,
    work_deliveries,
)
from tests.database.factories import make_admin, make_user
from tests.database.rpcs import Connection, Row, one, refused

START = datetime(2026, 11, 25, 10, tzinfo=UTC)


@pytest.fixture
def webhook(hosted_database: Connection) -> Webhook:
    return make_webhook(hosted_database)


def log(
    connection: Connection,
    webhook: Webhook,
    *outcomes: str,
    at: datetime = START,
    latency: float | None = 10,
    is_test: bool = False,
) -> None:
    """Attempts that ended so, a second apart, with ids of their times."""
    delivery_id = make_delivery(
        connection, webhook, created_at=at, is_test=is_test, id=id_at(connection, at)
    )
    for number, outcome in enumerate(outcomes, 1):
        moment = at + timedelta(seconds=number - 1)
        connection.execute(
            "insert into public.webhook_logs (id, delivery_id, webhook_id, user_id, published_event_id, event_type, "
            "is_test, attempt, outcome, error_message, latency_ms, attempted_at) "
            "select %s, d.id, d.webhook_id, d.user_id, d.published_event_id, 'a', d.is_test, %s, %s, "
            "'No', %s, %s from public.webhook_deliveries d where d.id = %s",
            [id_at(connection, moment), number, outcome, latency, moment, delivery_id],
        )


def id_at(connection: Connection, moment: datetime) -> object:
    """A new time-ordered id, as one made then."""
    query = """select (left(private.first_id_at(%s)::text, 14) || substr(gen_random_uuid()::text, 15))::uuid as id"""
    return one(connection, query, [moment])["id"]


def stats(
    connection: Connection,
    webhook: Webhook,
    since: object = START,
    until: object = START + timedelta(hours=1),
    points: int | None = 4,
) -> Row:
    return manage(
        connection,
        webhook.user_id,
        "get_webhook_stats",
        p_webhook_id=webhook.id,
        p_since=since,
        p_until=until,
        p_points=points,
    )


def test_a_webhook_without_attempts_has_empty_stats(
    hosted_database: Connection, webhook: Webhook
) -> None:
    found = stats(hosted_database, webhook)

    series = found.pop("series")
    assert found == {
        "attempts": 0,
        "succeeded": 0,
        "failed": 0,
        "success_rate": None,
        "latency_p50_ms": None,
        "latency_p95_ms": None,
        "streak": None,
        "deliveries": dict.fromkeys(
            ["pending", "delivering", "delivered", "failed", "filtered"], 0
        ),
    }
    assert [datetime.fromisoformat(point["at"]) for point in series] == [
        START + timedelta(minutes=minutes) for minutes in (0, 15, 30, 45)
    ]
    assert {(point["succeeded"], point["failed"], point["latency_p50_ms"]) for point in series} == {
        (0, 0, None)
    }


def test_attempts_are_counted_by_how_they_ended(
    hosted_database: Connection, webhook: Webhook
) -> None:
    log(hosted_database, webhook, "failed", "unknown", "delivered")

    found = stats(hosted_database, webhook)

    assert (found["attempts"], found["succeeded"], found["failed"]) == (3, 1, 2)
    assert found["success_rate"] == 0.3333


def test_latencies_are_told_by_their_median_and_95th_percentile(
    hosted_database: Connection, webhook: Webhook
) -> None:
    for latency in range(1, 101):
        log(hosted_database, webhook, "delivered", latency=latency)
    log(hosted_database, webhook, "unknown", latency=None)

    found = stats(hosted_database, webhook)

    assert (found["latency_p50_ms"], found["latency_p95_ms"]) == (50.5, 95.1)
    assert found["series"][0]["latency_p50_ms"] == 50.5
    assert found["series"][0]["latency_p95_ms"] == 95.1


def test_a_series_puts_each_attempt_into_its_part_of_the_time(
    hosted_database: Connection, webhook: Webhook
) -> None:
    for minutes, outcome in ((0, "delivered"), (14, "failed"), (15, "delivered"), (59, "failed")):
        log(hosted_database, webhook, outcome, at=START + timedelta(minutes=minutes))

    series = stats(hosted_database, webhook)["series"]

    assert [(point["succeeded"], point["failed"]) for point in series] == [
        (1, 1),
        (1, 0),
        (0, 0),
        (0, 1),
    ]


def test_only_the_time_that_is_asked_for_counts(
    hosted_database: Connection, webhook: Webhook
) -> None:
    for seconds in (-1, 0, 3599, 3600):
        log(hosted_database, webhook, "delivered", at=START + timedelta(seconds=seconds))

    found = stats(hosted_database, webhook)

    assert found["attempts"] == 2
    assert sum(point["succeeded"] for point in found["series"]) == 2
    assert found["deliveries"]["pending"] == 2


def test_neither_tests_nor_other_webhooks_count(
    hosted_database: Connection, webhook: Webhook
) -> None:
    log(hosted_database, webhook, "failed", is_test=True)
    log(hosted_database, make_webhook(hosted_database, webhook.user_id), "failed")

    found = stats(hosted_database, webhook)

    assert (found["attempts"], found["streak"]) == (0, None)
    assert set(found["deliveries"].values()) == {0}


@pytest.mark.parametrize(
    ("outcomes", "streak"),
    [
        (["delivered"], {"success": True, "length": 1}),
        (["failed", "delivered", "delivered"], {"success": True, "length": 2}),
        (["delivered", "failed", "failed", "failed"], {"success": False, "length": 3}),
        (["failed", "unknown", "failed"], {"success": False, "length": 2}),
        (["unknown"], None),
    ],
)
def test_a_streak_is_of_attempts_that_ended_as_the_last_one(
    hosted_database: Connection, webhook: Webhook, outcomes: list[str], streak: Row | None
) -> None:
    log(hosted_database, webhook, *outcomes)

    assert stats(hosted_database, webhook)["streak"] == streak


def test_a_streak_is_that_of_now_whatever_time_is_asked_for(
    hosted_database: Connection, webhook: Webhook
) -> None:
    log(hosted_database, webhook, "failed", "failed", at=START - timedelta(days=9))

    assert stats(hosted_database, webhook)["streak"] == {"success": False, "length": 2}


def test_deliveries_are_counted_by_their_state(
    hosted_database: Connection, webhook: Webhook
) -> None:
    for state in ("delivered", "delivered", "failed", "filtered", "retry"):
        delivery_id = make_delivery(hosted_database, webhook)
        work_deliveries(hosted_database, delivery_id, state, delay_seconds=60)
    now = one(hosted_database, "select now() as at")["at"]

    found = stats(hosted_database, webhook, now - timedelta(hours=1), now + timedelta(hours=1))

    assert found["deliveries"] == {
        "pending": 1,
        "delivering": 0,
        "delivered": 2,
        "failed": 1,
        "filtered": 1,
    }
    assert (found["attempts"], found["failed"]) == (4, 2)


@pytest.mark.parametrize(
    ("since", "until", "points"),
    [
        (None, START, 4),
        (START, None, 4),
        (START, START, 4),
        (START, START - timedelta(seconds=1), 4),
        ("-infinity", START, 4),
        (START, "infinity", 4),
        (START, START + timedelta(hours=1), 0),
        (START, START + timedelta(hours=1), 201),
        (START, START + timedelta(hours=1), None),
    ],
)
def test_a_time_that_is_none_is_refused(
    hosted_database: Connection, webhook: Webhook, since: object, until: object, points: int | None
) -> None:
    with refused("WH001"):
        stats(hosted_database, webhook, since, until, points)


def test_stats_are_for_the_owner_and_admins(hosted_database: Connection, webhook: Webhook) -> None:
    log(hosted_database, webhook, "delivered")
    seen_by_admin = Webhook(webhook.id, make_admin(hosted_database))
    seen_by_stranger = Webhook(webhook.id, make_user(hosted_database))

    assert stats(hosted_database, seen_by_admin)["attempts"] == 1
    with refused("WH007"):
        stats(hosted_database, seen_by_stranger)
