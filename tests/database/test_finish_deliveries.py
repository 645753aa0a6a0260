"""Finishes of deliveries: what becomes of each, what the log says, and how a webhook fares."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from tests.database.deliveries import (
    attempts,
    claim_deliveries,
    claimed,
    delivery,
    expire_delivery_leases,
    finish_deliveries,
    make_deliveries,
    make_delivery,
    make_webhook,
    results,
    work_deliveries,
)
from tests.database.rpcs import Connection, Row, one, refused

ATTEMPT = {
    "log_id": "01900000-0000-7000-8000-000000000001",
    "error_code": "http_error",
    "error_message": "The receiver answered 503",
    "request_url": "https://example.com/hook",
    "request_headers": {"webhook-id": "evt"},
    "request_body_sha256": "ab" * 32,
    "response_status": 503,
    "response_headers": {"server": "nginx"},
    "response_body": "No",
    "latency_ms": 12.5,
    "attempted_at": "2026-11-25T10:00:00+00:00",
}


@pytest.fixture
def waiting(hosted_database: Connection) -> uuid.UUID:
    """A delivery that is due."""
    return make_delivery(hosted_database, make_webhook(hosted_database))


def seen(connection: Connection, delivery_id: uuid.UUID) -> Row:
    """What a user is told of a delivery's end."""
    row = delivery(connection, delivery_id)
    keys = ("status", "response_status", "error_message", "lease_id", "leased_until")
    return {key: row[key] for key in keys}


def test_a_success_ends_a_delivery(hosted_database: Connection, waiting: uuid.UUID) -> None:
    (found,) = work_deliveries(hosted_database, waiting)

    assert (found["status"], found["response_status"]) == ("delivered", 200)
    assert (found["lease_id"], found["leased_until"], found["error_message"]) == (None, None, None)
    assert found["finished_at"] is not None


def test_a_retry_waits_as_long_as_it_is_told(
    hosted_database: Connection, waiting: uuid.UUID
) -> None:
    (found,) = work_deliveries(hosted_database, waiting, "retry", delay_seconds=90.5)

    now = one(hosted_database, "select now() as at")["at"]
    assert (found["status"], found["response_status"], found["error_message"]) == (
        "pending",
        500,
        "No",
    )
    assert found["run_after"] == now + timedelta(seconds=90.5)
    assert (found["lease_id"], found["finished_at"], found["attempts"]) == (None, None, 1)


def test_a_failure_ends_a_delivery(hosted_database: Connection, waiting: uuid.UUID) -> None:
    (found,) = work_deliveries(hosted_database, waiting, "failed", error_message=None)

    assert (found["status"], found["error_message"]) == ("failed", "Unknown error")
    assert found["finished_at"] is not None


def test_what_a_filter_left_out_ends_without_an_attempt(
    hosted_database: Connection, waiting: uuid.UUID
) -> None:
    (found,) = work_deliveries(hosted_database, waiting, "filtered")

    assert (found["status"], found["response_status"]) == ("filtered", None)
    assert found["finished_at"] is not None
    assert attempts(hosted_database, waiting) == []


def test_a_success_takes_an_earlier_error_away(
    hosted_database: Connection, waiting: uuid.UUID
) -> None:
    work_deliveries(hosted_database, waiting, "retry", delay_seconds=0)

    (found,) = work_deliveries(hosted_database, waiting)

    assert (found["error_message"], found["attempts"]) == (None, 2)


def test_a_batch_may_end_in_every_way(hosted_database: Connection) -> None:
    ids = make_deliveries(hosted_database, make_webhook(hosted_database), 4)
    batch = claim_deliveries(hosted_database)
    states = ["delivered", "retry", "failed", "filtered"]
    reports = [results(batch, state)[number] for number, state in enumerate(states)]

    answer = finish_deliveries(hosted_database, reports)

    assert (set(answer["finished"]), answer["lost"]) == ({str(id_) for id_ in ids}, [])
    ends = [delivery(hosted_database, uuid.UUID(report["id"]))["status"] for report in reports]
    assert ends == ["delivered", "pending", "failed", "filtered"]


@pytest.mark.parametrize("state", [None, "", "pending", "DELIVERED"])
def test_a_state_is_one_of_four(
    hosted_database: Connection, waiting: uuid.UUID, state: str | None
) -> None:
    reports = results(claim_deliveries(hosted_database))
    before = delivery(hosted_database, waiting)

    with refused("WH001"):
        finish_deliveries(hosted_database, [reports[0] | {"state": state}])
    assert delivery(hosted_database, waiting) == before


def test_an_attempt_is_logged_as_it_was(hosted_database: Connection, waiting: uuid.UUID) -> None:
    work_deliveries(hosted_database, waiting, "retry", **ATTEMPT)

    (entry,) = attempts(hosted_database, waiting)
    row = delivery(hosted_database, waiting)
    for key, value in ATTEMPT.items():
        name = "id" if key == "log_id" else key
        found = entry[name].isoformat() if key == "attempted_at" else entry[name]
        assert (str(found) if key == "log_id" else found) == value
    assert (entry["attempt"], entry["outcome"], entry["event_type"]) == (
        1,
        "failed",
        "order.completed",
    )
    for key in ("webhook_id", "user_id", "published_event_id", "is_test"):
        assert entry[key] == row[key]


def test_each_attempt_has_its_entry(hosted_database: Connection, waiting: uuid.UUID) -> None:
    for state in ("retry", "retry", "delivered"):
        work_deliveries(hosted_database, waiting, state, delay_seconds=0)

    entries = attempts(hosted_database, waiting)
    assert [(e["attempt"], e["outcome"]) for e in entries] == [
        (1, "failed"),
        (2, "failed"),
        (3, "delivered"),
    ]
    assert len({entry["id"] for entry in entries}) == 3


def test_a_late_worker_may_finish_what_nobody_else_took(
    hosted_database: Connection, waiting: uuid.UUID
) -> None:
    batch = claim_deliveries(hosted_database)
    expire_delivery_leases(hosted_database)

    answer = finish_deliveries(hosted_database, results(batch))

    assert answer == {"finished": [str(waiting)], "lost": []}
    assert delivery(hosted_database, waiting)["status"] == "delivered"


@pytest.mark.parametrize("state", ["delivered", "retry", "failed", "filtered"])
def test_a_late_worker_cannot_finish_a_lease_it_lost(
    hosted_database: Connection, waiting: uuid.UUID, state: str
) -> None:
    lost = claim_deliveries(hosted_database)
    expire_delivery_leases(hosted_database)
    claim_deliveries(hosted_database)
    before = delivery(hosted_database, waiting)
    gone = {"disable_reason": "Gone"}

    answer = finish_deliveries(hosted_database, results(lost, state, **gone))

    assert answer == {"finished": [], "lost": [str(waiting)]}
    assert delivery(hosted_database, waiting) == before
    query = "select active from public.webhooks"
    assert one(hosted_database, query)["active"] is True
    query = "select consecutive_failures as failures from private.webhook_states"
    assert one(hosted_database, query)["failures"] == 0


def test_what_a_late_worker_sent_is_logged_instead_of_unknown(
    hosted_database: Connection, waiting: uuid.UUID
) -> None:
    lost = claim_deliveries(hosted_database)
    expire_delivery_leases(hosted_database)
    claim_deliveries(hosted_database)
    assert [e["outcome"] for e in attempts(hosted_database, waiting)] == ["unknown"]

    finish_deliveries(hosted_database, results(lost, "delivered", log_id=ATTEMPT["log_id"]))

    (entry,) = attempts(hosted_database, waiting)
    assert (entry["outcome"], entry["response_status"], entry["attempt"]) == ("delivered", 200, 1)
    assert (entry["error_code"], entry["error_message"]) == (None, None)
    assert str(entry["id"]) == ATTEMPT["log_id"]  # as the receiver got it


def test_an_attempt_that_was_told_is_not_told_otherwise(
    hosted_database: Connection, waiting: uuid.UUID
) -> None:
    batch = claim_deliveries(hosted_database)
    finish_deliveries(hosted_database, results(batch))
    before = delivery(hosted_database, waiting)

    answer = finish_deliveries(hosted_database, results(batch, "failed"))

    assert answer == {"finished": [], "lost": [str(waiting)]}
    assert [e["outcome"] for e in attempts(hosted_database, waiting)] == ["delivered"]
    assert delivery(hosted_database, waiting) == before


def test_another_lease_finishes_nothing(hosted_database: Connection, waiting: uuid.UUID) -> None:
    batch = claim_deliveries(hosted_database)
    before = delivery(hosted_database, waiting)

    answer = finish_deliveries(hosted_database, results(batch, lease_id=str(uuid.uuid4())))

    assert answer == {"finished": [], "lost": [str(waiting)]}
    assert delivery(hosted_database, waiting) == before


@pytest.mark.parametrize("table", ["webhooks", "published_events", "webhook_deliveries"])
def test_what_was_deleted_under_a_worker_is_lost(
    hosted_database: Connection, waiting: uuid.UUID, table: str
) -> None:
    batch = claim_deliveries(hosted_database)
    hosted_database.execute(f"delete from public.{table}")  # noqa: S608

    answer = finish_deliveries(hosted_database, results(batch, "retry", disable_reason="Gone"))

    assert answer == {"finished": [], "lost": [str(waiting)]}
    assert hosted_database.execute("select from public.webhook_logs").rowcount == 0
    assert claim_deliveries(hosted_database)["deliveries"] == []


def test_a_batch_is_finished_but_for_what_was_lost(hosted_database: Connection) -> None:
    kept, lost = make_deliveries(hosted_database, make_webhook(hosted_database), 2)
    batch = claim_deliveries(hosted_database)
    hosted_database.execute("delete from public.webhook_deliveries where id = %s", [lost])

    answer = finish_deliveries(hosted_database, results(batch))

    assert answer == {"finished": [str(kept)], "lost": [str(lost)]}


def test_an_answer_with_nul_in_it_is_stored(
    hosted_database: Connection, waiting: uuid.UUID
) -> None:
    said = "a\0\0b \\u0000 \\\0 é"
    work_deliveries(hosted_database, waiting, "failed", response_body=said, error_message="\0")

    (entry,) = attempts(hosted_database, waiting)
    assert entry["response_body"] == said.replace("\0", "\ufffd")
    assert entry["error_message"] == "\ufffd"


@pytest.mark.parametrize(
    "bad",
    [
        {"response_status": 10**12},
        {"delay_seconds": 1e300},
        {"attempted_at": "soon"},
        {"attempt": None},
    ],
    ids=lambda bad: next(iter(bad)),
)
def test_a_result_that_cannot_be_stored_is_lost_alone(
    hosted_database: Connection, bad: Row
) -> None:
    ids = {make_delivery(hosted_database, make_webhook(hosted_database)) for _ in range(5)}
    reports = results(claim_deliveries(hosted_database), "retry")
    before = seen(hosted_database, uuid.UUID(reports[2]["id"]))
    reports[2] |= bad

    answer = finish_deliveries(hosted_database, reports)

    assert answer["lost"] == [reports[2]["id"]]
    assert {uuid.UUID(id_) for id_ in answer["finished"]} == ids - {uuid.UUID(reports[2]["id"])}
    assert seen(hosted_database, uuid.UUID(reports[2]["id"])) == before
    expire_delivery_leases(hosted_database)
    assert claimed(claim_deliveries(hosted_database)) == {uuid.UUID(reports[2]["id"])}


def test_a_result_whose_details_cannot_be_stored_is_recorded_without_them(
    hosted_database: Connection,
) -> None:
    for _ in range(3):
        make_delivery(hosted_database, make_webhook(hosted_database))
    reports = results(claim_deliveries(hosted_database), "retry", response_body="Said")
    reports[1] |= {"latency_ms": "much"}

    answer = finish_deliveries(hosted_database, reports)

    assert answer["lost"] == []
    bodies = [attempts(hosted_database, uuid.UUID(one["id"]))[0] for one in reports]
    assert [entry["response_body"] for entry in bodies] == ["Said", None, "Said"]
    assert bodies[1]["error_message"] == "The attempt failed, and its details cannot be stored"
    assert bodies[1]["response_status"] == 500
    assert delivery(hosted_database, uuid.UUID(reports[1]["id"]))["status"] == "pending"


def test_the_same_result_twice_in_a_report_counts_once(
    hosted_database: Connection, waiting: uuid.UUID
) -> None:
    reports = results(claim_deliveries(hosted_database))

    answer = finish_deliveries(hosted_database, reports * 2)

    assert set(answer["finished"]) == {str(waiting)}
    assert len(attempts(hosted_database, waiting)) == 1


def test_an_error_may_be_long(hosted_database: Connection, waiting: uuid.UUID) -> None:
    (found,) = work_deliveries(hosted_database, waiting, "failed", error_message="x" * 100_000)

    assert found["error_message"] == "x" * 2000
    assert attempts(hosted_database, waiting)[0]["error_message"] == "x" * 2000


def test_finishing_nothing_is_fine(hosted_database: Connection) -> None:
    assert finish_deliveries(hosted_database, []) == {"finished": [], "lost": []}
