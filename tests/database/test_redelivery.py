"""What users ask of deliveries: retries, recoveries and replays, each of what is theirs."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import psycopg
import pytest

from tests.database.deliveries import (
    Webhook,
    attempts,
    claim_deliveries,
    claimed,
    delivery,
    expire_delivery_leases,
    finish_deliveries,
    make_deliveries,
    make_delivery,
    make_webhook,
    manage,
    publish,
    receivers,
    results,
    set_webhook,
    try_out,
    work_deliveries,
)
from tests.database.factories import make_admin, make_user
from tests.database.pipeline import audits
from tests.database.rpcs import Connection, Row, at_once, listening, one, refused


@pytest.fixture
def webhook(hosted_database: Connection) -> Webhook:
    return make_webhook(hosted_database, events=["order.*", "ticket.created", "ticket.resolved"])


def retry(connection: Connection, user_id: uuid.UUID, delivery_id: uuid.UUID) -> Row:
    return manage(connection, user_id, "retry_delivery", p_delivery_id=delivery_id)


def recover(
    connection: Connection, webhook: Webhook, since: datetime, until: datetime | None = None
) -> int:
    answer = manage(
        connection,
        webhook.user_id,
        "recover_webhook",
        p_webhook_id=webhook.id,
        p_since=since,
        p_until=until,
    )
    return int(answer["queued"])


def replay(connection: Connection, user_id: uuid.UUID, event_id: uuid.UUID) -> int:
    return int(manage(connection, user_id, "replay_event", p_event_id=event_id)["queued"])


def now(connection: Connection) -> datetime:
    at: datetime = one(connection, "select now() as at")["at"]
    return at


def failed(connection: Connection, webhook: Webhook, **columns: object) -> uuid.UUID:
    """A delivery that failed after eleven attempts."""
    end = {"status": "failed", "error_message": "No", "finished_at": "now", "attempts": 11}
    return make_delivery(connection, webhook, **end | columns)


def test_a_finished_delivery_is_queued_once_more_under_the_same_event_id(
    hosted_database: Connection, webhook: Webhook
) -> None:
    delivery_id = failed(hosted_database, webhook)
    before = delivery(hosted_database, delivery_id)

    answer = retry(hosted_database, webhook.user_id, delivery_id)

    assert answer == {"id": str(delivery_id), "status": "pending"}
    row = delivery(hosted_database, delivery_id)
    assert (row["status"], row["finished_at"], row["attempts"], row["attempts_before"]) == (
        "pending",
        None,
        11,
        11,
    )
    (given,) = claim_deliveries(hosted_database)["deliveries"]
    assert given["event_id"] == str(before["published_event_id"])
    assert (given["attempt"], given["try_number"]) == (12, 0)
    assert audits(hosted_database) == [
        {
            "user_id": webhook.user_id,
            "actor_id": webhook.user_id,
            "action": "delivery.retry",
            "target_id": delivery_id,
            "details": {},
        }
    ]


@pytest.mark.parametrize("state", ["delivered", "failed", "filtered"])
def test_a_delivery_may_be_retried_however_it_ended(
    hosted_database: Connection, webhook: Webhook, state: str
) -> None:
    delivery_id = make_delivery(hosted_database, webhook)
    work_deliveries(hosted_database, delivery_id, state)

    retry(hosted_database, webhook.user_id, delivery_id)

    work_deliveries(hosted_database, delivery_id)
    log = attempts(hosted_database, delivery_id)
    assert [entry["attempt"] for entry in log] == ([2] if state == "filtered" else [1, 2])


def test_a_delivery_that_waits_for_its_next_attempt_gets_it_now(
    hosted_database: Connection, webhook: Webhook
) -> None:
    delivery_id = make_delivery(hosted_database, webhook)
    work_deliveries(hosted_database, delivery_id, "retry", delay_seconds=36_000)

    retry(hosted_database, webhook.user_id, delivery_id)

    (given,) = claim_deliveries(hosted_database)["deliveries"]
    assert (given["attempt"], given["try_number"]) == (2, 1)


def test_a_delivery_that_is_under_way_is_not_retried(
    hosted_database: Connection, webhook: Webhook
) -> None:
    delivery_id = make_delivery(hosted_database, webhook)
    with refused("WH017"):
        retry(hosted_database, webhook.user_id, delivery_id)
    batch = claim_deliveries(hosted_database)
    with refused("WH017"):
        retry(hosted_database, webhook.user_id, delivery_id)

    assert finish_deliveries(hosted_database, results(batch))["finished"] == [str(delivery_id)]
    assert audits(hosted_database) == []


@pytest.mark.parametrize("waits", [False, True])
def test_of_two_retries_at_once_one_is_refused(
    committed: Connection, hosted_database_url: str, waits: bool
) -> None:
    webhook = make_webhook(committed)
    later = now(committed) + timedelta(hours=1)
    delivery_id = (
        make_delivery(committed, webhook, run_after=later) if waits else failed(committed, webhook)
    )

    def press(connection: Connection, _: int) -> str:
        try:
            retry(connection, webhook.user_id, delivery_id)
        except psycopg.Error as error:
            return str(error.diag.message_detail)
        return "queued"

    answers = at_once(hosted_database_url, 4, press)

    assert sorted(answers) == ["WH017"] * 3 + ["queued"]
    assert len(audits(committed)) == 1
    assert len(claim_deliveries(committed)["deliveries"]) == 1


def test_what_failed_in_a_time_is_recovered(hosted_database: Connection, webhook: Webhook) -> None:
    at = now(hosted_database)
    ages = {
        minutes: failed(hosted_database, webhook, created_at=at - timedelta(minutes=minutes))
        for minutes in (5, 10, 20, 30)
    }

    queued = recover(
        hosted_database, webhook, at - timedelta(minutes=20), at - timedelta(minutes=5)
    )

    assert queued == 2
    assert claimed(claim_deliveries(hosted_database)) == {ages[10], ages[20]}
    (audit,) = audits(hosted_database)
    assert (audit["action"], audit["target_id"]) == ("webhook.recover", webhook.id)
    assert audit["details"]["queued"] == 2


def test_only_what_failed_for_this_webhook_is_recovered(
    hosted_database: Connection, webhook: Webhook
) -> None:
    wanted = failed(hosted_database, webhook)
    failed(hosted_database, make_webhook(hosted_database, webhook.user_id))
    failed(hosted_database, webhook, is_test=True)
    for status in ("delivered", "filtered"):
        make_delivery(hosted_database, webhook, status=status, finished_at="now")
    later = now(hosted_database) + timedelta(hours=1)
    make_delivery(hosted_database, webhook, run_after=later)

    assert recover(hosted_database, webhook, datetime.fromisoformat("2026-01-01T00:00Z")) == 1
    assert claimed(claim_deliveries(hosted_database)) == {wanted}


def test_a_recovery_says_since_when(hosted_database: Connection, webhook: Webhook) -> None:
    with refused("WH001"):
        manage(
            hosted_database,
            webhook.user_id,
            "recover_webhook",
            p_webhook_id=webhook.id,
            p_since=None,
        )


def test_two_recoveries_at_once_queue_each_delivery_once(
    committed: Connection, hosted_database_url: str
) -> None:
    webhook = make_webhook(committed)
    end = {"status": "failed", "error_message": "No", "finished_at": "now"}
    make_deliveries(committed, webhook, 50, **end)
    since = now(committed) - timedelta(hours=1)

    answers = at_once(
        hosted_database_url, 4, lambda connection, _: recover(connection, webhook, since)
    )

    assert sum(answers) == 50


def test_a_replay_goes_to_who_had_it_and_to_who_subscribes_now(
    hosted_database: Connection, webhook: Webhook
) -> None:
    event_id = publish(hosted_database, webhook.user_id)
    work_deliveries(hosted_database)
    added = make_webhook(hosted_database, webhook.user_id)
    make_webhook(hosted_database, webhook.user_id, events=["other.event"])
    make_webhook(hosted_database)

    assert replay(hosted_database, webhook.user_id, event_id) == 2

    batch = claim_deliveries(hosted_database)
    assert {d["webhook_id"] for d in batch["deliveries"]} == {str(webhook.id), str(added.id)}
    assert {d["event_id"] for d in batch["deliveries"]} == {str(event_id)}
    (audit,) = audits(hosted_database)
    assert (audit["action"], audit["target_id"]) == ("event.replay", event_id)
    assert audit["details"] == {"queued": 1, "added": 1}


def test_what_is_about_to_be_delivered_is_not_replayed(
    hosted_database: Connection, webhook: Webhook
) -> None:
    event_id = publish(hosted_database, webhook.user_id)

    assert replay(hosted_database, webhook.user_id, event_id) == 0
    assert len(claim_deliveries(hosted_database)["deliveries"]) == 1


def test_a_test_is_replayed_to_its_own_webhook_only(
    hosted_database: Connection, webhook: Webhook
) -> None:
    answer = try_out(hosted_database, webhook)
    make_webhook(hosted_database, webhook.user_id)
    work_deliveries(hosted_database, uuid.UUID(answer["delivery_id"]), "failed")

    assert replay(hosted_database, webhook.user_id, uuid.UUID(answer["event_id"])) == 1


def test_replays_of_one_event_at_once_queue_each_delivery_once(
    committed: Connection, hosted_database_url: str
) -> None:
    owner = make_user(committed)
    for _ in range(5):
        make_webhook(committed, owner)
    event_id = publish(committed, owner)
    work_deliveries(committed)
    for _ in range(5):
        make_webhook(committed, owner)

    answers = at_once(
        hosted_database_url, 4, lambda connection, _: replay(connection, owner, event_id)
    )

    assert sum(answers) == 10
    assert len(receivers(committed, event_id)) == 10


def test_what_is_queued_again_wakes_dispatch(
    committed: Connection, hosted_database_url: str
) -> None:
    webhook = make_webhook(committed)
    since = now(committed) - timedelta(hours=1)
    with listening(hosted_database_url) as woken:
        assert recover(committed, webhook, since) == 0
        retry(committed, webhook.user_id, failed(committed, webhook))
        failed(committed, webhook)
        assert recover(committed, webhook, since) == 1

    assert woken == ["dispatch"] * 2


def test_what_is_queued_for_a_webhook_that_is_off_waits(
    hosted_database: Connection, webhook: Webhook
) -> None:
    delivery_id = failed(hosted_database, webhook)
    set_webhook(hosted_database, webhook, active=False)
    retry(hosted_database, webhook.user_id, delivery_id)
    assert claim_deliveries(hosted_database)["deliveries"] == []

    set_webhook(hosted_database, webhook, active=True)
    assert claimed(claim_deliveries(hosted_database)) == {delivery_id}


def test_a_worker_that_lost_its_lease_to_a_retry_changes_nothing(
    hosted_database: Connection, webhook: Webhook
) -> None:
    delivery_id = make_delivery(hosted_database, webhook)
    slow = claim_deliveries(hosted_database)
    expire_delivery_leases(hosted_database)
    work_deliveries(hosted_database, delivery_id, "failed")
    retry(hosted_database, webhook.user_id, delivery_id)

    assert finish_deliveries(hosted_database, results(slow))["lost"] == [str(delivery_id)]
    assert delivery(hosted_database, delivery_id)["status"] == "pending"


def test_nobody_asks_for_what_is_anothers(hosted_database: Connection, webhook: Webhook) -> None:
    stranger = make_user(hosted_database)
    theirs = failed(hosted_database, webhook)
    event = delivery(hosted_database, theirs)["published_event_id"]
    for delivery_id, event_id, webhook_id in (
        (theirs, event, webhook.id),
        (uuid.uuid4(), uuid.uuid4(), uuid.uuid4()),
    ):
        with refused("WH007"):
            retry(hosted_database, stranger, delivery_id)
        with refused("WH007"):
            replay(hosted_database, stranger, event_id)
        with refused("WH007"):
            recover(hosted_database, Webhook(webhook_id, stranger), now(hosted_database))
        with refused("WH007"):
            try_out(hosted_database, Webhook(webhook_id, stranger))
    assert audits(hosted_database) == []


def test_an_admin_decides_in_their_own_name(hosted_database: Connection, webhook: Webhook) -> None:
    admin = make_admin(hosted_database)

    retry(hosted_database, admin, failed(hosted_database, webhook))

    (audit,) = audits(hosted_database)
    assert (audit["user_id"], audit["actor_id"]) == (webhook.user_id, admin)
