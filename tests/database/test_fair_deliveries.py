"""One webhook's backlog, failures or rate limit delay no other webhook."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest

from tests.database.deliveries import (
    Webhook,
    claim_deliveries,
    claimed,
    delivery,
    expire_delivery_leases,
    finish_deliveries,
    make_deliveries,
    make_delivery,
    make_webhook,
    publish,
    results,
    set_webhook,
    shares,
    state_of,
)
from tests.database.factories import insert, make_user
from tests.database.rpcs import Connection, at_once, one


def end_minute(connection: Connection) -> None:
    connection.execute(
        "update private.webhook_states set window_started_at = window_started_at - interval '61 seconds'"
    )


def used(connection: Connection, webhook: Webhook) -> int:
    return int(state_of(connection, webhook)["window_used"])


def test_a_quiet_webhook_is_in_the_first_batch_beside_a_backlog(
    hosted_database: Connection,
) -> None:
    make_deliveries(hosted_database, make_webhook(hosted_database), 1000)
    quiet = make_delivery(hosted_database, make_webhook(hosted_database))

    assert quiet in claimed(claim_deliveries(hosted_database, 20))


def test_webhooks_with_backlogs_share_a_batch_evenly(hosted_database: Connection) -> None:
    webhooks = [make_webhook(hosted_database) for _ in range(4)]
    for webhook in webhooks:
        make_deliveries(hosted_database, webhook, 30)

    assert shares(claim_deliveries(hosted_database, 40)) == {w.id: 10 for w in webhooks}


def test_what_quiet_webhooks_leave_goes_to_the_busy_ones(hosted_database: Connection) -> None:
    busy = [make_webhook(hosted_database) for _ in range(2)]
    for webhook in busy:
        make_deliveries(hosted_database, webhook, 200)
    quiet = [make_webhook(hosted_database) for _ in range(8)]
    for webhook in quiet:
        make_delivery(hosted_database, webhook)

    found = shares(claim_deliveries(hosted_database, 100))

    assert sum(found.values()) == 100
    assert {found[webhook.id] for webhook in quiet} == {1}
    assert min(found[webhook.id] for webhook in busy) > 20


def test_a_webhook_has_no_more_under_way_than_its_cap(hosted_database: Connection) -> None:
    capped, free = make_webhook(hosted_database), make_webhook(hosted_database)
    make_deliveries(hosted_database, capped, 20)

    first = claim_deliveries(hosted_database, 100, per_webhook=8)
    assert shares(first) == {capped.id: 8}
    make_deliveries(hosted_database, free, 2)
    assert shares(claim_deliveries(hosted_database, 100, per_webhook=8)) == {free.id: 2}

    finish_deliveries(hosted_database, results(first)[:3])
    assert shares(claim_deliveries(hosted_database, 100, per_webhook=8)) == {capped.id: 3}


def test_a_lease_that_ran_out_is_not_under_way(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database)
    make_deliveries(hosted_database, webhook, 20)
    claim_deliveries(hosted_database, 100, per_webhook=8)
    expire_delivery_leases(hosted_database)

    assert shares(claim_deliveries(hosted_database, 100, per_webhook=8)) == {webhook.id: 8}


def finish_one(connection: Connection, webhook: Webhook, state: str, latency_ms: float) -> int:
    """One delivery more has ended like that; how many the webhook may have under way from then on."""
    make_delivery(connection, webhook)
    reports = results(claim_deliveries(connection, 1), state, latency_ms=latency_ms)
    finish_deliveries(connection, reports)
    query = "select concurrency from private.webhook_states where webhook_id = %s"
    return int(one(connection, query, [webhook.id])["concurrency"])


def test_a_new_webhook_has_sixteen_under_way(hosted_database: Connection) -> None:
    row = insert(
        hosted_database,
        "public.webhooks",
        name="New",
        url="https://example.com/hook",
        events=["*"],
        created_by=make_user(hosted_database),
    )
    webhook = Webhook(row["id"], row["created_by"])
    make_deliveries(hosted_database, webhook, 40)

    assert shares(claim_deliveries(hosted_database, 100)) == {webhook.id: 16}


def test_who_answers_quickly_gets_one_more_for_each(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database, concurrency=16)

    assert finish_one(hosted_database, webhook, "delivered", 999) == 17
    make_deliveries(hosted_database, webhook, 17)
    finish_deliveries(
        hosted_database, results(claim_deliveries(hosted_database, 100), latency_ms=10)
    )
    make_deliveries(hosted_database, webhook, 40)
    assert shares(claim_deliveries(hosted_database, 100)) == {webhook.id: 34}


def test_who_takes_a_while_gets_as_many_as_before(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database, concurrency=16)

    assert finish_one(hosted_database, webhook, "delivered", 1000) == 16
    assert finish_one(hosted_database, webhook, "delivered", 4999) == 16


@pytest.mark.parametrize(
    ("state", "latency_ms"), [("retry", 10), ("failed", 10), ("delivered", 5000)]
)
def test_who_fails_or_is_slow_gets_half_as_many_and_four_at_least(
    hosted_database: Connection, state: str, latency_ms: float
) -> None:
    webhook = make_webhook(hosted_database, concurrency=16)

    found = [finish_one(hosted_database, webhook, state, latency_ms) for _ in range(3)]

    assert found == [8, 4, 4]


def test_nobody_gets_more_than_the_worker_allows(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database, concurrency=1000)

    assert finish_one(hosted_database, webhook, "delivered", 10) == 1000
    make_deliveries(hosted_database, webhook, 40)
    assert shares(claim_deliveries(hosted_database, 100, per_webhook=7)) == {webhook.id: 7}


def test_deliveries_are_taken_in_the_order_they_became_due(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database)
    now = one(hosted_database, "select now() as at")["at"]
    by_age = [
        make_delivery(hosted_database, webhook, run_after=now - timedelta(seconds=age))
        for age in range(9)
    ]

    assert claimed(claim_deliveries(hosted_database, 3)) == set(by_age[-3:])


def test_with_more_webhooks_than_a_batch_holds_everybodys_turn_comes(
    hosted_database: Connection,
) -> None:
    waiting = {make_delivery(hosted_database, make_webhook(hosted_database)) for _ in range(100)}
    for _ in range(10):
        waiting -= claimed(claim_deliveries(hosted_database, 10))

    assert waiting == set()


def test_neither_waiting_nor_dead_webhooks_hide_one_that_is_due(
    hosted_database: Connection,
) -> None:
    owner = make_user(hosted_database)
    later = one(hosted_database, "select now() + interval '1 hour' as at")["at"]
    for _ in range(150):
        make_delivery(hosted_database, make_webhook(hosted_database, owner), run_after=later)
        make_delivery(hosted_database, make_webhook(hosted_database, owner, active=False))
    due = make_delivery(hosted_database, make_webhook(hosted_database))

    assert claimed(claim_deliveries(hosted_database, 10)) == {due}


def test_a_limited_webhook_gets_its_limit_and_is_due_again_in_the_next_minute(
    hosted_database: Connection,
) -> None:
    webhook = make_webhook(hosted_database, rate_limit_per_minute=3)
    make_deliveries(hosted_database, webhook, 5)

    assert len(claim_deliveries(hosted_database)["deliveries"]) == 3
    rest = claim_deliveries(hosted_database)
    now = one(hosted_database, "select now() as at")["at"]
    assert rest["deliveries"] == []
    assert datetime.fromisoformat(rest["next_at"]) == now + timedelta(minutes=1)

    end_minute(hosted_database)
    assert len(claim_deliveries(hosted_database)["deliveries"]) == 2


def test_a_limit_holds_for_its_own_webhook_only(hosted_database: Connection) -> None:
    limited = make_webhook(hosted_database, rate_limit_per_minute=1)
    free = make_webhook(hosted_database, limited.user_id)
    for _ in range(3):
        publish(hosted_database, limited.user_id)

    assert shares(claim_deliveries(hosted_database)) == {limited.id: 1, free.id: 3}


def test_eight_claimers_at_once_get_exactly_the_limit(
    committed: Connection, hosted_database_url: str
) -> None:
    webhook = make_webhook(committed, rate_limit_per_minute=50)
    make_deliveries(committed, webhook, 200)

    answers = at_once(
        hosted_database_url,
        8,
        lambda connection, _: [
            len(claim_deliveries(connection, 7)["deliveries"]) for _ in range(4)
        ],
    )

    assert sum(sum(counts) for counts in answers) == 50
    assert used(committed, webhook) == 50


def test_what_the_filter_leaves_out_is_given_back(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database, rate_limit_per_minute=3)
    make_deliveries(hosted_database, webhook, 9)
    reports = results(claim_deliveries(hosted_database))
    filtered = results(claim_deliveries(hosted_database), "filtered")
    assert (len(reports), filtered) == (3, [])

    for report in reports[:2]:
        finish_deliveries(hosted_database, [report | {"state": "filtered"}])
    finish_deliveries(hosted_database, reports[2:])

    assert used(hosted_database, webhook) == 1
    assert len(claim_deliveries(hosted_database)["deliveries"]) == 2


def test_what_was_claimed_in_an_earlier_minute_gives_nothing_back(
    committed: Connection,
) -> None:
    webhook = make_webhook(committed, rate_limit_per_minute=3)
    make_deliveries(committed, webhook, 9)
    early = claim_deliveries(committed)
    end_minute(committed)
    claim_deliveries(committed)

    finish_deliveries(committed, results(early, "filtered"))

    assert used(committed, webhook) == 3
    assert claim_deliveries(committed)["deliveries"] == []


def test_what_was_claimed_by_name_gives_nothing_back(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database, rate_limit_per_minute=3)
    named = make_delivery(hosted_database, webhook)
    batch = claim_deliveries(hosted_database, delivery_ids=[named])
    make_deliveries(hosted_database, webhook, 9)
    claim_deliveries(hosted_database)

    finish_deliveries(hosted_database, results(batch, "filtered"))

    assert used(hosted_database, webhook) == 3


def test_what_was_picked_and_not_leased_is_given_back(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database, rate_limit_per_minute=20)
    for _ in range(12):
        publish(hosted_database, webhook.user_id, data={"a": "x" * 1_048_000})

    assert len(claim_deliveries(hosted_database)["deliveries"]) == 9
    assert used(hosted_database, webhook) == 9


def test_a_limit_that_was_lowered_holds_at_once(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database, rate_limit_per_minute=10)
    make_deliveries(hosted_database, webhook, 20)
    claim_deliveries(hosted_database, 5)
    set_webhook(hosted_database, webhook, rate_limit_per_minute=2)

    assert claim_deliveries(hosted_database)["deliveries"] == []
    assert used(hosted_database, webhook) == 5


def test_a_test_goes_before_what_waits_for_the_same_webhook(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database)
    make_deliveries(hosted_database, webhook, 20)
    answer = one(
        hosted_database,
        "select private.test_webhook(w.id, null, null) as it from public.webhooks w, "
        "set_config('request.jwt.claims', json_build_object('sub', w.created_by)::text, true)",
    )["it"]

    (first,) = claimed(claim_deliveries(hosted_database, 1))

    assert first == uuid.UUID(answer["delivery_id"])
    assert delivery(hosted_database, first)["is_test"]
