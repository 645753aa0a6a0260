"""Claims of deliveries: leased once, due ones only, and what a worker is given with them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.database.deliveries import (
    EVENT,
    attempts,
    claim_deliveries,
    claimed,
    delivery,
    expire_delivery_leases,
    make_deliveries,
    make_delivery,
    make_webhook,
    publish,
    set_webhook,
    state_of,
    work_deliveries,
)
from tests.database.factories import insert, make_user
from tests.database.rpcs import Connection, at_once, call, one, refused

END = {"finished_at": "now", "attempts": 1}


def test_a_claim_leases_a_delivery_and_counts_the_attempt(hosted_database: Connection) -> None:
    delivery_id = make_delivery(hosted_database, make_webhook(hosted_database))

    batch = claim_deliveries(hosted_database)

    found = delivery(hosted_database, delivery_id)
    assert claimed(batch) == {delivery_id}
    assert (found["status"], found["attempts"]) == ("delivering", 1)
    assert str(found["lease_id"]) == batch["lease_id"]
    until = one(hosted_database, "select clock_timestamp() + interval '1 minute' as at")["at"]
    assert timedelta() <= until - found["leased_until"] < timedelta(seconds=5)
    assert claim_deliveries(hosted_database)["deliveries"] == []


def test_a_worker_is_given_the_delivery_and_its_event(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database)
    event_id = publish(hosted_database, webhook.user_id, data={"z": 1, "a": 2})
    hosted_database.execute(
        "update public.webhook_deliveries set attempts = 4, attempts_before = 2"
    )

    batch = claim_deliveries(hosted_database)

    (found,) = batch["deliveries"]
    (row,) = hosted_database.execute("select id from public.webhook_deliveries").fetchall()
    assert found == {
        "id": str(row["id"]),
        "webhook_id": str(webhook.id),
        "event_id": str(event_id),
        "attempt": 5,
        "try_number": 2,
    }
    (event,) = batch["events"]
    assert event.pop("created_at")
    assert event == {
        "id": str(event_id),
        "user_id": str(webhook.user_id),
        "type": EVENT,
        "is_test": False,
        "data": {"z": 1, "a": 2},
    }
    assert list(event["data"]) == ["z", "a"]
    assert (batch["schemas"], batch["next_at"]) == ([], None)


def test_an_event_for_many_webhooks_is_given_once(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    webhooks = {str(make_webhook(hosted_database, owner).id) for _ in range(3)}
    publish(hosted_database, owner)

    batch = claim_deliveries(hosted_database)

    assert {d["webhook_id"] for d in batch["deliveries"]} == webhooks
    assert {w["id"] for w in batch["webhooks"]} == webhooks
    assert len(batch["events"]) == 1


def test_schemas_of_the_owners_and_of_what_ships_are_given(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database)
    for owner, name in (
        (webhook.user_id, EVENT),
        (webhook.user_id, "other.event"),
        (make_user(hosted_database), EVENT),
    ):
        schema = '{"type": "object"}'
        insert(hosted_database, "public.event_types", user_id=owner, name=name, schema=schema)
    publish(hosted_database, webhook.user_id)

    assert claim_deliveries(hosted_database)["schemas"] == [
        {"user_id": str(webhook.user_id), "name": EVENT, "schema": {"type": "object"}}
    ]


def test_expired_keys_are_not_given(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database)
    for ciphertext, until in (("old", "-1 second"), ("ending", "1 minute"), ("new", None)):
        hosted_database.execute(
            "insert into private.webhook_secrets (webhook_id, purpose, ciphertext, expires_at) "
            "values (%s, 'signing', %s, now() + %s::interval)",
            [webhook.id, ciphertext, until],
        )
    make_delivery(hosted_database, webhook)

    (given,) = claim_deliveries(hosted_database)["webhooks"]

    assert [secret["ciphertext"] for secret in given["secrets"]] == ["new", "ending"]


@pytest.mark.parametrize("named", [False, True])
def test_what_has_to_wait_is_not_claimed(hosted_database: Connection, named: bool) -> None:
    later = one(hosted_database, "select now() + interval '1 second' as at")["at"]
    delivery_id = make_delivery(hosted_database, make_webhook(hosted_database), run_after=later)

    batch = claim_deliveries(hosted_database, delivery_ids=[delivery_id] if named else None)

    assert batch["deliveries"] == []
    assert datetime.fromisoformat(batch["next_at"]) == later


@pytest.mark.parametrize("status", ["delivered", "failed", "filtered"])
@pytest.mark.parametrize("named", [False, True])
def test_what_is_finished_is_not_claimed(
    hosted_database: Connection, status: str, named: bool
) -> None:
    why = {"error_message": "No"} if status == "failed" else {}
    webhook = make_webhook(hosted_database)
    delivery_id = make_delivery(hosted_database, webhook, status=status, **END, **why)

    batch = claim_deliveries(hosted_database, delivery_ids=[delivery_id] if named else None)

    assert (batch["deliveries"], batch["next_at"]) == ([], None)


def test_a_webhook_that_is_off_waits_and_goes_on_when_it_is_on(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database)
    delivery_id = make_delivery(hosted_database, webhook)
    set_webhook(hosted_database, webhook, active=False)

    assert claim_deliveries(hosted_database)["deliveries"] == []
    assert claim_deliveries(hosted_database)["next_at"] is None
    assert claim_deliveries(hosted_database, delivery_ids=[delivery_id])["deliveries"] == []

    set_webhook(hosted_database, webhook, active=True)
    assert claimed(claim_deliveries(hosted_database)) == {delivery_id}


@pytest.mark.parametrize("named", [False, True])
def test_a_test_goes_to_a_webhook_that_is_off_too(hosted_database: Connection, named: bool) -> None:
    webhook = make_webhook(hosted_database, active=False)
    make_deliveries(hosted_database, webhook, 3)
    test = make_delivery(hosted_database, webhook, is_test=True)

    batch = claim_deliveries(hosted_database, delivery_ids=[test] if named else None)

    assert claimed(batch) == {test}
    assert [event["is_test"] for event in batch["events"]] == [True]


def test_named_deliveries_are_claimed_and_no_others(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database, rate_limit_per_minute=1)
    ids = make_deliveries(hosted_database, webhook, 5)
    wanted = sorted(ids)[:3]

    batch = claim_deliveries(hosted_database, 3, 1, delivery_ids=[*wanted, uuid.uuid4()])

    assert claimed(batch) == set(wanted)
    assert state_of(hosted_database, webhook)["window_used"] == 0
    assert claim_deliveries(hosted_database, delivery_ids=[])["deliveries"] == []
    assert len(claim_deliveries(hosted_database, 1, delivery_ids=ids)["deliveries"]) == 1


@pytest.mark.parametrize(
    ("limit", "per_webhook", "lease"),
    [
        (0, 1, 60),
        (1001, 1, 60),
        (None, 1, 60),
        (1, 0, 60),
        (1, 1001, 60),
        (1, None, 60),
        (1, 1, 0),
        (1, 1, 3601),
        (1, 1, None),
    ],
)
def test_limits_of_a_claim_are_checked(
    hosted_database: Connection, limit: int | None, per_webhook: int | None, lease: int | None
) -> None:
    with refused("WH001"):
        call(
            hosted_database,
            "claim_deliveries",
            p_limit=limit,
            p_per_webhook=per_webhook,
            p_lease_seconds=lease,
        )


def test_eight_claimers_share_two_hundred_deliveries_without_overlap(
    committed: Connection, hosted_database_url: str
) -> None:
    owner = make_user(committed)
    ids = set[uuid.UUID]()
    for _ in range(4):
        ids |= make_deliveries(committed, make_webhook(committed, owner), 50)

    def drain(connection: Connection, _: int) -> list[uuid.UUID]:
        found: list[uuid.UUID] = []
        while batch := claimed(claim_deliveries(connection, limit=7)):
            found += batch
        return found

    found = [id_ for ids in at_once(hosted_database_url, 8, drain) for id_ in ids]

    assert len(found) == 200
    assert set(found) == ids


def test_a_named_claim_waits_for_no_other(committed: Connection, hosted_database_url: str) -> None:
    ids = make_deliveries(committed, make_webhook(committed), 5)
    with psycopg.connect(hosted_database_url, row_factory=dict_row) as slow:
        taken = claimed(claim_deliveries(slow, 2, delivery_ids=ids))
        committed.execute("set lock_timeout = '1s'")

        # The other claim has not committed yet.
        rest = claimed(claim_deliveries(committed, 5, delivery_ids=ids))

    assert (len(taken), rest) == (2, ids - taken)


def test_a_claim_passes_over_what_somebody_else_has_locked(
    committed: Connection, hosted_database_url: str
) -> None:
    webhook, doomed = make_webhook(committed), make_webhook(committed)
    taken, free = sorted(make_deliveries(committed, webhook, 2))
    make_delivery(committed, doomed)
    committed.execute("set lock_timeout = '1s'")
    with psycopg.connect(hosted_database_url) as other:
        other.execute("select from public.webhook_deliveries where id = %s for update", [taken])
        other.execute("delete from public.webhooks where id = %s", [doomed.id])

        assert claimed(claim_deliveries(committed)) == {free}
        other.rollback()


@pytest.mark.parametrize("named", [False, True])
def test_a_lease_that_ran_out_is_claimed_again_under_the_same_event_id(
    hosted_database: Connection, named: bool
) -> None:
    delivery_id = make_delivery(hosted_database, make_webhook(hosted_database))
    first = claim_deliveries(hosted_database)
    expire_delivery_leases(hosted_database)
    ended = delivery(hosted_database, delivery_id)["leased_until"]

    second = claim_deliveries(hosted_database, delivery_ids=[delivery_id] if named else None)

    assert claimed(second) == {delivery_id}
    assert second["lease_id"] != first["lease_id"]
    assert second["deliveries"][0]["event_id"] == first["deliveries"][0]["event_id"]
    assert second["deliveries"][0]["attempt"] == 2
    (lost,) = attempts(hosted_database, delivery_id)
    assert (lost["attempt"], lost["outcome"], lost["error_code"]) == (1, "unknown", "no_report")
    assert lost["attempted_at"] == ended


def test_a_delivery_that_no_worker_survives_fails_with_its_last_attempt(
    hosted_database: Connection,
) -> None:
    delivery_id = make_delivery(hosted_database, make_webhook(hosted_database))
    claims = 0
    for _ in range(15):
        claims += len(claim_deliveries(hosted_database)["deliveries"])
        expire_delivery_leases(hosted_database)

    found = delivery(hosted_database, delivery_id)
    assert claims == one(hosted_database, "select private.max_delivery_attempts() as n")["n"] == 11
    assert (found["status"], found["attempts"]) == ("failed", 11)
    assert found["error_message"] == "The worker did not finish in 11 attempts"
    assert found["finished_at"] is not None
    assert [entry["attempt"] for entry in attempts(hosted_database, delivery_id)] == [*range(1, 12)]


def test_a_test_that_its_worker_does_not_survive_fails_at_once(hosted_database: Connection) -> None:
    webhook = make_webhook(hosted_database)
    test = make_delivery(hosted_database, webhook, is_test=True)
    claim_deliveries(hosted_database)
    expire_delivery_leases(hosted_database)

    assert claim_deliveries(hosted_database)["deliveries"] == []
    assert delivery(hosted_database, test)["status"] == "failed"


def test_one_that_fails_so_does_not_keep_others_from_being_claimed(
    hosted_database: Connection,
) -> None:
    webhook = make_webhook(hosted_database)
    used_up = make_delivery(hosted_database, webhook, attempts=10)
    claim_deliveries(hosted_database)
    expire_delivery_leases(hosted_database)
    fresh = make_delivery(hosted_database, webhook)

    assert claimed(claim_deliveries(hosted_database)) == {fresh}
    assert delivery(hosted_database, used_up)["status"] == "failed"


@pytest.mark.parametrize("letter", ["x", "random"])
def test_a_batch_holds_no_more_data_than_eight_events_of_the_largest_kind(
    hosted_database: Connection, letter: str
) -> None:
    """However small it is stored: a megabyte of one letter takes up 12 kB."""
    webhook = make_webhook(hosted_database)
    text = "x" * 1_048_000 if letter == "x" else "".join(uuid.uuid4().hex for _ in range(32_750))
    for _ in range(12):
        publish(hosted_database, webhook.user_id, data={"a": text})

    first, second = claim_deliveries(hosted_database), claim_deliveries(hosted_database)

    assert (len(first["deliveries"]), len(second["deliveries"])) == (9, 3)


def test_an_event_for_many_webhooks_counts_its_data_once(hosted_database: Connection) -> None:
    owner = make_user(hosted_database)
    for _ in range(20):
        make_webhook(hosted_database, owner)
    publish(hosted_database, owner, data={"a": "x" * 1_048_000})

    assert len(claim_deliveries(hosted_database)["deliveries"]) == 20


def test_the_next_time_is_that_of_the_first_that_waits(hosted_database: Connection) -> None:
    now = one(hosted_database, "select now() as at")["at"]
    for minutes, active in ((3, True), (2, True), (1, False)):
        webhook = make_webhook(hosted_database)
        make_delivery(hosted_database, webhook, run_after=now + timedelta(minutes=minutes))
        set_webhook(hosted_database, webhook, active=active)

    next_at = claim_deliveries(hosted_database)["next_at"]

    assert datetime.fromisoformat(next_at) == now + timedelta(minutes=2)


def test_the_next_time_may_be_the_end_of_a_lease(hosted_database: Connection) -> None:
    delivery_id = make_delivery(hosted_database, make_webhook(hosted_database))
    claim_deliveries(hosted_database)

    next_at = claim_deliveries(hosted_database)["next_at"]

    leased_until = delivery(hosted_database, delivery_id)["leased_until"]
    assert datetime.fromisoformat(next_at) == leased_until


def test_work_that_nobody_was_woken_for_is_found(hosted_database: Connection) -> None:
    """A sweep asks for what is due, whether or not a notification came."""
    waiting = make_delivery(hosted_database, make_webhook(hosted_database))
    retried = make_delivery(hosted_database, make_webhook(hosted_database))
    work_deliveries(hosted_database, retried, "retry", delay_seconds=0)

    assert claimed(claim_deliveries(hosted_database)) == {waiting, retried}


def test_what_a_cap_holds_back_does_not_hide_when_something_will_be_due(
    hosted_database: Connection,
) -> None:
    make_deliveries(hosted_database, make_webhook(hosted_database), 3)
    now = one(hosted_database, "select now() as at")["at"]
    soon = now + timedelta(seconds=5)
    make_delivery(hosted_database, make_webhook(hosted_database), run_after=soon)
    claim_deliveries(hosted_database, per_webhook=1)

    batch = claim_deliveries(hosted_database, per_webhook=1)

    assert batch["deliveries"] == []
    assert datetime.fromisoformat(batch["next_at"]) == soon
