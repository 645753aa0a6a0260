"""What the console shows at a glance is what there is, of those whose rows one may see."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.database.deliveries import (
    make_delivery,
    make_webhook,
    publish,
    set_webhook,
    work_deliveries,
)
from tests.database.factories import (
    FAILED,
    PROCESSED,
    in_review,
    insert,
    make_admin,
    make_endpoint,
    make_event,
    make_user,
)
from tests.database.rpcs import Connection, Row, call_as


def overview(
    connection: Connection,
    user_id: uuid.UUID,
    *,
    everybody: bool = False,
    points: int = 4,
) -> Row:
    now = datetime.now(UTC)
    answer: Row = call_as(
        connection,
        user_id,
        "get_overview",
        p_seconds=1800,
        p_until=datetime.fromtimestamp((now.timestamp() // 1800 + 1) * 1800, UTC),
        p_points=points,
        p_everybody=everybody,
    )
    return answer


def refusal(connection: Connection, user_id: uuid.UUID, function: str, **arguments: Any) -> str:
    with pytest.raises(psycopg.Error) as refused:
        call_as(connection, user_id, function, **arguments)
    return str(refused.value.diag.message_detail)


def test_events_and_attempts_are_counted(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    for _ in range(3):
        make_event(hosted_database, endpoint, **PROCESSED)
    make_event(hosted_database, endpoint, **FAILED)
    make_event(hosted_database, endpoint)
    in_review(hosted_database, endpoint)
    make_webhook(hosted_database, endpoint.user_id)
    publish(hosted_database, endpoint.user_id)
    work_deliveries(hosted_database)
    publish(hosted_database, endpoint.user_id)

    told = overview(hosted_database, endpoint.user_id)
    incoming, outgoing = told["in"], told["out"]
    assert (incoming["total"], incoming["good"], incoming["bad"]) == (6, 3, 1)
    assert (outgoing["total"], outgoing["good"], outgoing["bad"]) == (1, 1, 0)
    assert told["queue"] == {"review": 1, "events": 1, "deliveries": 1, "paused": 0}
    assert len(incoming["series"]) == len(outgoing["series"]) == 4
    assert sum(point["total"] for point in incoming["series"]) == 6
    assert incoming["series"][-1]["good"] == 3
    assert incoming["p50_ms"] is not None


def test_each_time_has_the_events_of_its_own(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ago = datetime.now(UTC) - timedelta(minutes=150)
    old = uuid.UUID(int=(int(ago.timestamp() * 1000) << 80) | uuid.uuid4().int >> 48)
    make_event(hosted_database, endpoint, id=old, created_at=ago)
    make_event(hosted_database, endpoint)

    assert overview(hosted_database, endpoint.user_id)["in"]["total"] == 1
    told = overview(hosted_database, endpoint.user_id, points=7)
    assert [point["total"] for point in told["in"]["series"]] == [0, 1, 0, 0, 0, 0, 1]


def test_what_waits_for_a_webhook_that_is_off_is_not_on_its_way(
    hosted_database: Connection,
) -> None:
    owner = make_user(hosted_database)
    on, paused, off = (make_webhook(hosted_database, owner) for _ in range(3))
    for webhook, times in ((on, 1), (paused, 2), (off, 3)):
        for _ in range(times):
            make_delivery(hosted_database, webhook)
    make_delivery(hosted_database, make_webhook(hosted_database, active=False))
    set_webhook(hosted_database, paused, active=False)
    set_webhook(hosted_database, off, active=False, disabled_reason="It is gone")

    queue = overview(hosted_database, owner)["queue"]
    assert (queue["deliveries"], queue["paused"]) == (1, 5)

    set_webhook(hosted_database, paused, active=True)
    queue = overview(hosted_database, owner)["queue"]
    assert (queue["deliveries"], queue["paused"]) == (3, 3)


def test_what_is_in_trouble_is_named(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, name="Broken shop")
    make_event(hosted_database, endpoint, **FAILED)
    failing = make_webhook(hosted_database, endpoint.user_id, name="Failing")
    publish(hosted_database, endpoint.user_id)
    work_deliveries(hosted_database, state="failed")
    make_webhook(hosted_database, endpoint.user_id, name="Fine")
    off = make_webhook(hosted_database, endpoint.user_id, name="Off", active=False)
    set_webhook(hosted_database, off, disabled_reason="It is gone")
    make_webhook(hosted_database, endpoint.user_id, name="Paused", active=False)

    told = overview(hosted_database, endpoint.user_id)
    assert [(one["name"], one["failed"]) for one in told["in"]["trouble"]] == [("Broken shop", 1)]
    assert [one["name"] for one in told["out"]["trouble"]] == ["Failing", "Off"]
    assert told["out"]["trouble"][0]["id"] == str(failing.id)
    assert told["out"]["trouble"][1]["reason"] == "It is gone"


def test_everybodys_rows_are_counted_for_admins_only(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    make_event(hosted_database, endpoint, **FAILED)
    in_review(hosted_database, endpoint)
    other, admin = make_user(hosted_database), make_admin(hosted_database)

    for user_id, is_shown in ((other, False), (admin, True)):
        assert overview(hosted_database, user_id)["in"]["total"] == 0
        told = overview(hosted_database, user_id, everybody=True)
        assert (told["in"]["total"] >= 2) is is_shown
        assert (told["queue"]["review"] >= 1) is is_shown
        assert bool(told["in"]["trouble"]) is is_shown


def test_the_navigation_tells_of_the_callers_own(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    in_review(hosted_database, endpoint)
    told = {
        user_id: call_as(hosted_database, user_id, "get_navigation")
        for user_id in (endpoint.user_id, make_admin(hosted_database))
    }
    assert list(told.values()) == [
        {"is_admin": False, "review": 1},
        {"is_admin": True, "review": 0},
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"p_points": 0},
        {"p_points": 61},
        {"p_points": None},
        {"p_seconds": 61},
        {"p_seconds": None},
        {"p_until": None},
        {"p_until": "infinity"},
        {"p_until": "2026-01-01T00:00:01Z"},
    ],
)
def test_a_time_that_is_not_counted_is_refused(hosted_database: Connection, wrong: Row) -> None:
    user_id = make_user(hosted_database)
    window = {"p_seconds": 60, "p_until": "2026-01-01T00:00:00Z", "p_points": 60} | wrong
    assert refusal(hosted_database, user_id, "get_overview", **window, p_everybody=False) == "WH001"


def test_activity_and_health_are_of_each(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    make_event(hosted_database, endpoint, **FAILED)
    in_review(hosted_database, endpoint)
    webhook = make_webhook(hosted_database, endpoint.user_id)
    publish(hosted_database, endpoint.user_id)
    work_deliveries(hosted_database, state="failed")
    since = datetime.now(UTC) - timedelta(hours=1)

    (activity,) = call_as(
        hosted_database,
        endpoint.user_id,
        "get_endpoint_activity",
        p_endpoint_ids=[str(endpoint.id)],
        p_since=since,
    )
    assert (activity["received"], activity["failed"], activity["review"]) == (2, 1, 1)
    assert activity["last_event_at"] is not None
    (health,) = call_as(
        hosted_database,
        endpoint.user_id,
        "get_webhook_health",
        p_webhook_ids=[str(webhook.id)],
        p_since=since,
    )
    assert (health["attempts"], health["delivered"]) == (1, 0)
    assert health["last"]["outcome"] == "failed"


def secrets(connection: Connection, endpoint_id: uuid.UUID) -> list[Row]:
    return connection.execute(
        "select ciphertext, expires_at from private.endpoint_secrets where endpoint_id = %s "
        "order by created_at desc",
        [endpoint_id],
    ).fetchall()


def test_a_lent_secret_is_good_for_a_moment_and_never_the_newest(
    hosted_database: Connection,
) -> None:
    endpoint = make_endpoint(hosted_database)
    insert(
        hosted_database, "private.endpoint_secrets", endpoint_id=endpoint.id, ciphertext="its own"
    )
    lend = {"p_endpoint_id": endpoint.id, "p_secret_ciphertext": "lent"}
    answer = call_as(hosted_database, endpoint.user_id, "lend_endpoint_secret", **lend)

    kept = secrets(hosted_database, endpoint.id)
    assert [one["ciphertext"] for one in kept] == ["its own", "lent"]
    assert kept[0]["expires_at"] is None
    assert answer["expires_at"] is not None
    assert kept[1]["expires_at"] - datetime.now(UTC) < timedelta(minutes=3)

    hosted_database.execute(
        "update private.endpoint_secrets set expires_at = now() where ciphertext = 'lent'"
    )
    call_as(hosted_database, endpoint.user_id, "lend_endpoint_secret", **lend)
    assert len(secrets(hosted_database, endpoint.id)) == 2


def test_only_so_many_secrets_are_lent_at_a_time(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    lend = {"p_endpoint_id": endpoint.id, "p_secret_ciphertext": "lent"}
    for _ in range(20):
        call_as(hosted_database, endpoint.user_id, "lend_endpoint_secret", **lend)
    assert refusal(hosted_database, endpoint.user_id, "lend_endpoint_secret", **lend) == "WH014"
