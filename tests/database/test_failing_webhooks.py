"""How a webhook fares: failures are counted, and those that are gone are switched off and their owners told."""

from __future__ import annotations

import uuid

import pytest

from tests.database.deliveries import (
    Webhook,
    claim_deliveries,
    claimed,
    finish_deliveries,
    make_deliveries,
    make_delivery,
    make_webhook,
    published,
    receivers,
    results,
    set_webhook,
    state_of,
    webhook_row,
    work_deliveries,
)
from tests.database.rpcs import Connection, Row, one


@pytest.fixture
def webhook(hosted_database: Connection) -> Webhook:
    return make_webhook(hosted_database, name="CRM", events=["order.*"])


def attempt(connection: Connection, webhook: Webhook, state: str, **fields: object) -> None:
    """One delivery of its own, ended so."""
    work_deliveries(connection, make_delivery(connection, webhook), state, **fields)


def fail_for(connection: Connection, webhook: Webhook, time: str) -> None:
    """As if it had failed for so long."""
    attempt(connection, webhook, "retry", delay_seconds=9999)
    connection.execute(
        "update private.webhook_states set failing_since = now() - %s::interval where webhook_id = %s",
        [time, webhook.id],
    )


def switched_on_ago(connection: Connection, webhook: Webhook, time: str) -> None:
    connection.execute(
        "update public.webhooks set active_since = now() - %s::interval where id = %s",
        [time, webhook.id],
    )


def test_failures_in_a_row_are_counted_from_the_first(
    hosted_database: Connection, webhook: Webhook
) -> None:
    attempt(hosted_database, webhook, "retry", attempted_at="2026-11-25T10:00:00Z")
    attempt(hosted_database, webhook, "failed", attempted_at="2026-11-25T11:00:00Z")

    state = state_of(hosted_database, webhook)
    assert state["consecutive_failures"] == 2
    assert state["failing_since"].isoformat() == "2026-11-25T10:00:00+00:00"


def test_failures_of_one_batch_are_each_counted(
    hosted_database: Connection, webhook: Webhook
) -> None:
    make_deliveries(hosted_database, webhook, 5)
    finish_deliveries(hosted_database, results(claim_deliveries(hosted_database), "failed"))

    assert state_of(hosted_database, webhook)["consecutive_failures"] == 5


def test_a_success_ends_the_row(hosted_database: Connection, webhook: Webhook) -> None:
    attempt(hosted_database, webhook, "failed")
    attempt(hosted_database, webhook, "delivered")

    state = state_of(hosted_database, webhook)
    assert (state["consecutive_failures"], state["failing_since"]) == (0, None)


def test_what_a_filter_left_out_says_nothing_of_the_receiver(
    hosted_database: Connection, webhook: Webhook
) -> None:
    attempt(hosted_database, webhook, "failed")
    attempt(hosted_database, webhook, "filtered")

    assert state_of(hosted_database, webhook)["consecutive_failures"] == 1


@pytest.mark.parametrize("state", ["failed", "delivered"])
def test_tests_count_for_nothing(hosted_database: Connection, webhook: Webhook, state: str) -> None:
    attempt(hosted_database, webhook, "failed")
    before = state_of(hosted_database, webhook)
    test = make_delivery(hosted_database, webhook, is_test=True)

    work_deliveries(hosted_database, test, state, disable_reason="The receiver answered 410 Gone")

    assert state_of(hosted_database, webhook) == before
    assert webhook_row(hosted_database, webhook)["active"]


def test_each_webhook_of_a_batch_fares_as_it_does(hosted_database: Connection) -> None:
    webhooks = [make_webhook(hosted_database) for _ in range(3)]
    for webhook in webhooks:
        make_delivery(hosted_database, webhook)
    batch = claim_deliveries(hosted_database)
    reports = [
        report | ({"state": "failed"} if report_webhook == str(webhooks[1].id) else {})
        for report, report_webhook in zip(
            results(batch), [d["webhook_id"] for d in batch["deliveries"]], strict=True
        )
    ]

    finish_deliveries(hosted_database, reports)

    failures = [state_of(hosted_database, w)["consecutive_failures"] for w in webhooks]
    assert failures == [0, 1, 0]


def test_a_receiver_that_is_gone_is_switched_off_and_its_owner_told(
    hosted_database: Connection, webhook: Webhook
) -> None:
    listener = make_webhook(hosted_database, webhook.user_id, events=["webhook.*"])
    reason = "The receiver answered 410 Gone"

    attempt(hosted_database, webhook, "failed", disable_reason=reason)

    row = webhook_row(hosted_database, webhook)
    assert (row["active"], row["disabled_reason"]) == (False, reason)
    notification = one(hosted_database, "select user_id, title, body from public.notifications")
    assert notification["user_id"] == webhook.user_id
    assert notification["title"] == 'The webhook "CRM" was switched off'
    assert notification["body"].startswith(f"{reason}. ")
    (event,) = [e for e in published(hosted_database) if e["type"] == "webhook.disabled"]
    assert event["data"] == {
        "webhook": {
            "id": str(webhook.id),
            "name": "CRM",
            "url": "https://example.com/hook",
            "events": ["order.*"],
        },
        "reason": reason,
    }
    assert receivers(hosted_database, event["id"]) == {listener.id}


def test_it_is_told_once(hosted_database: Connection, webhook: Webhook) -> None:
    make_deliveries(hosted_database, webhook, 3)
    batches = [claim_deliveries(hosted_database, 2), claim_deliveries(hosted_database, 1)]

    for batch in batches:
        finish_deliveries(hosted_database, results(batch, "failed", disable_reason="Gone"))

    assert one(hosted_database, "select count(*) from public.notifications") == {"count": 1}
    assert [e["type"] for e in published(hosted_database)].count("webhook.disabled") == 1


def test_a_long_name_does_not_keep_a_webhook_from_being_switched_off(
    hosted_database: Connection,
) -> None:
    webhook = make_webhook(hosted_database, name='"' * 200, url="https://a.b/" + "x" * 2000)

    attempt(hosted_database, webhook, "failed", disable_reason="Gone")

    assert not webhook_row(hosted_database, webhook)["active"]


def test_what_waits_goes_on_waiting_and_goes_on_when_it_is_on(
    hosted_database: Connection, webhook: Webhook
) -> None:
    attempt(hosted_database, webhook, "failed", disable_reason="Gone")
    waiting = make_deliveries(hosted_database, webhook, 3)
    assert claim_deliveries(hosted_database)["deliveries"] == []

    set_webhook(hosted_database, webhook, active=True)

    assert claimed(claim_deliveries(hosted_database)) == waiting
    row = webhook_row(hosted_database, webhook)
    assert (row["active"], row["disabled_reason"]) == (True, None)


@pytest.mark.parametrize(
    ("failing", "on", "state", "active"),
    [
        ("5 days", "9 days", "retry", False),
        ("5 days", "9 days", "failed", False),
        ("4 days 23:59:59", "9 days", "retry", True),
        ("9 days", "4 days 23:59:59", "retry", True),
        ("9 days", "5 days", "retry", False),
        ("9 days", "9 days", "delivered", True),
        ("9 days", "9 days", "filtered", True),
    ],
)
def test_a_receiver_is_switched_off_after_five_days_of_nothing_but_failures(
    hosted_database: Connection, webhook: Webhook, failing: str, on: str, state: str, active: bool
) -> None:
    fail_for(hosted_database, webhook, failing)
    switched_on_ago(hosted_database, webhook, on)

    attempt(hosted_database, webhook, state, delay_seconds=9999)

    row = webhook_row(hosted_database, webhook)
    assert row["active"] is active
    if not active:
        assert row["disabled_reason"].startswith("Nothing but failures since 20")
        assert row["disabled_reason"].endswith("UTC")


def test_failures_of_the_time_before_it_was_switched_on_again_do_not_count(
    hosted_database: Connection, webhook: Webhook
) -> None:
    fail_for(hosted_database, webhook, "6 days")
    switched_on_ago(hosted_database, webhook, "9 days")
    attempt(hosted_database, webhook, "retry", delay_seconds=9999)
    set_webhook(hosted_database, webhook, active=True)

    attempt(hosted_database, webhook, "retry", delay_seconds=9999)

    assert webhook_row(hosted_database, webhook)["active"]


def test_a_webhook_that_its_owner_switched_off_meanwhile_stays_as_it_is(
    hosted_database: Connection, webhook: Webhook
) -> None:
    delivery_id = make_delivery(hosted_database, webhook)
    batch: Row = claim_deliveries(hosted_database, delivery_ids=[delivery_id])
    set_webhook(hosted_database, webhook, active=False)

    answer = finish_deliveries(hosted_database, results(batch, "failed", disable_reason="Gone"))

    assert answer["finished"] == [str(delivery_id)]
    assert webhook_row(hosted_database, webhook)["disabled_reason"] is None
    assert one(hosted_database, "select count(*) from public.notifications") == {"count": 0}


def test_a_stranger_to_the_log_is_never_blamed(hosted_database: Connection) -> None:
    """A report about a delivery that never was changes nothing."""
    report = {"id": str(uuid.uuid4()), "lease_id": str(uuid.uuid4()), "attempt": 1}

    answer = finish_deliveries(
        hosted_database, [report | {"state": "failed", "disable_reason": "Gone"}]
    )

    assert answer == {"finished": [], "lost": [report["id"]]}
