"""The lease that all three workers share, tried with classify: claimed once, finished by its holder only."""

from __future__ import annotations

import uuid
from datetime import timedelta

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.database.factories import make_endpoint, make_event, make_events
from tests.database.pipeline import claim, claimed_ids, event, expire_leases, finish, make_due, work
from tests.database.rpcs import Connection, at_once, call, one, refused

STAGES = ["classify", "prepare", "rules"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_claim_leases_an_event_and_counts_the_attempt(
    hosted_database: Connection, stage: str
) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database), stage=stage)

    batch = claim(hosted_database, stage)

    found = event(hosted_database, event_id)
    assert claimed_ids(batch) == {event_id}
    assert (found["status"], found["attempts"]) == ("processing", 1)
    assert str(found["lease_id"]) == batch["lease_id"]
    until = one(hosted_database, "select clock_timestamp() + interval '1 minute' as at")["at"]
    assert timedelta() <= until - found["leased_until"] < timedelta(seconds=5)


@pytest.mark.parametrize("stage", STAGES)
def test_a_leased_event_is_not_claimed_again(hosted_database: Connection, stage: str) -> None:
    make_event(hosted_database, make_endpoint(hosted_database), stage=stage)
    claim(hosted_database, stage)

    assert claim(hosted_database, stage)["events"] == []


@pytest.mark.parametrize("stage", STAGES)
def test_an_event_of_another_stage_is_not_claimed(hosted_database: Connection, stage: str) -> None:
    endpoint = make_endpoint(hosted_database)
    for other in {*STAGES, "review"} - {stage}:
        make_event(hosted_database, endpoint, stage=other)

    assert claim(hosted_database, stage)["events"] == []


def test_an_event_that_has_to_wait_is_not_claimed(hosted_database: Connection) -> None:
    later = one(hosted_database, "select now() + interval '1 second' as at")["at"]
    event_id = make_event(hosted_database, make_endpoint(hosted_database), run_after=later)

    assert claim(hosted_database, "classify")["events"] == []
    assert claim(hosted_database, "classify", event_ids=[event_id])["events"] == []


@pytest.mark.parametrize("status", ["processed", "failed"])
def test_a_finished_event_is_not_claimed(hosted_database: Connection, status: str) -> None:
    stage = "done" if status == "processed" else "rules"
    end = {"processed_at": "now"} if status == "processed" else {"error_message": "No"}
    endpoint = make_endpoint(hosted_database)
    event_id = make_event(hosted_database, endpoint, status=status, stage=stage, **end)

    assert claim(hosted_database, "rules", event_ids=[event_id])["events"] == []


def test_a_claim_takes_no_more_than_its_limit(hosted_database: Connection) -> None:
    make_events(hosted_database, make_endpoint(hosted_database), 7)

    assert len(claim(hosted_database, "classify", limit=5)["events"]) == 5
    assert len(claim(hosted_database, "classify", limit=5)["events"]) == 2


def test_named_events_are_claimed_and_no_others(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    wanted = {make_event(hosted_database, endpoint) for _ in range(2)}
    make_event(hosted_database, endpoint)

    batch = claim(hosted_database, "classify", event_ids=[*wanted, uuid.uuid4()])

    assert claimed_ids(batch) == wanted


def test_naming_no_events_claims_none(hosted_database: Connection) -> None:
    make_event(hosted_database, make_endpoint(hosted_database))

    assert claim(hosted_database, "classify", event_ids=[])["events"] == []


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("limit", "lease"), [(0, 60), (1001, 60), (None, 60), (10, 0), (10, 3601), (10, None)]
)
def test_limits_of_a_claim_are_checked(
    hosted_database: Connection, stage: str, limit: int | None, lease: int | None
) -> None:
    with refused("WH001"):
        call(hosted_database, f"claim_{stage}", p_limit=limit, p_lease_seconds=lease)


def test_eight_claimers_share_two_hundred_events_without_overlap(
    committed: Connection, hosted_database_url: str
) -> None:
    ids = make_events(committed, make_endpoint(committed), 200)

    def drain(connection: Connection, _: int) -> list[uuid.UUID]:
        claimed: list[uuid.UUID] = []
        while batch := claimed_ids(claim(connection, "classify", limit=7)):
            claimed += batch
        return claimed

    claimed = [id_ for ids in at_once(hosted_database_url, 8, drain) for id_ in ids]

    assert len(claimed) == 200
    assert set(claimed) == ids


@pytest.mark.parametrize("named", [False, True])
def test_a_claimer_waits_for_no_other(
    committed: Connection, hosted_database_url: str, named: bool
) -> None:
    ids = make_events(committed, make_endpoint(committed), 5)
    wanted = list(ids) if named else None
    with psycopg.connect(hosted_database_url, row_factory=dict_row) as slow:
        taken = claimed_ids(claim(slow, "classify", limit=2, event_ids=wanted))
        committed.execute("set lock_timeout = '1s'")

        # The other claim has not committed yet.
        rest = claimed_ids(claim(committed, "classify", limit=5, event_ids=wanted))

    assert (len(taken), rest) == (2, ids - taken)


def test_an_expired_lease_goes_to_the_next_worker(hosted_database: Connection) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))
    first = claim(hosted_database, "classify")
    expire_leases(hosted_database)

    second = claim(hosted_database, "classify")

    assert claimed_ids(second) == {event_id}
    assert second["lease_id"] != first["lease_id"]
    assert event(hosted_database, event_id)["attempts"] == 2


def test_a_worker_may_finish_late_what_nobody_else_took(hosted_database: Connection) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))
    batch = claim(hosted_database, "classify")
    expire_leases(hosted_database)

    answer = finish(hosted_database, "classify", batch["lease_id"], {"id": event_id})

    assert answer == {"finished": [str(event_id)], "lost": []}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("result", [{}, {"error": "No"}])
def test_a_late_worker_cannot_finish_a_lease_it_lost(
    hosted_database: Connection, stage: str, result: dict[str, str]
) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database), stage=stage)
    lost = claim(hosted_database, stage)
    expire_leases(hosted_database)
    claim(hosted_database, stage)
    before = event(hosted_database, event_id)

    answer = finish(hosted_database, stage, lost["lease_id"], {"id": event_id, **result})

    assert answer == {"finished": [], "lost": [str(event_id)]}
    assert event(hosted_database, event_id) == before


@pytest.mark.parametrize("stage", STAGES)
def test_a_batch_is_finished_but_for_what_was_lost(hosted_database: Connection, stage: str) -> None:
    kept, lost = make_events(hosted_database, make_endpoint(hosted_database), 2, stage=stage)
    batch = claim(hosted_database, stage)
    hosted_database.execute("delete from public.webhook_events where id = %s", [lost])

    answer = finish(hosted_database, stage, batch["lease_id"], {"id": kept}, {"id": lost})

    assert answer == {"finished": [str(kept)], "lost": [str(lost)]}


@pytest.mark.parametrize("stage", STAGES)
def test_an_endpoint_deleted_under_a_worker_loses_it_the_event(
    hosted_database: Connection, stage: str
) -> None:
    endpoint = make_endpoint(hosted_database)
    event_id = make_event(hosted_database, endpoint, stage=stage)
    batch = claim(hosted_database, stage)
    hosted_database.execute("delete from public.webhook_endpoints where id = %s", [endpoint.id])

    answer = finish(hosted_database, stage, batch["lease_id"], {"id": event_id})

    assert answer == {"finished": [], "lost": [str(event_id)]}


@pytest.mark.parametrize("stage", STAGES)
def test_a_failure_puts_the_event_back_for_later(hosted_database: Connection, stage: str) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database), stage=stage)

    found = work(hosted_database, stage, event_id, error="The model is away")

    assert (found["status"], found["stage"], found["attempts"]) == ("pending", stage, 1)
    assert found["error_message"] == "The model is away"
    assert (found["lease_id"], found["leased_until"]) == (None, None)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 2), (2, 4), (3, 8), (6, 64), (9, 512), (12, 1800), (99, 1800)]
)
def test_the_wait_doubles_up_to_half_an_hour_and_is_spread(
    hosted_database: Connection, attempts: int, seconds: int
) -> None:
    query = """select min(wait) as least, max(wait) as most, count(distinct wait) as different
        from (select extract(epoch from private.backoff(%s)) as wait from generate_series(1, 200)) w"""
    waits = one(hosted_database, query, [attempts])

    assert seconds * 0.8 <= waits["least"] < seconds * 0.95
    assert seconds * 1.05 < waits["most"] <= seconds * 1.2
    assert waits["different"] > 100


@pytest.mark.parametrize("stage", STAGES)
def test_a_failure_waits_as_long_as_its_attempts_ask(
    hosted_database: Connection, stage: str
) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database), stage=stage, attempts=4)

    found = work(hosted_database, stage, event_id, error="No")

    now = one(hosted_database, "select now() as at")["at"]
    assert timedelta(seconds=25.6) <= found["run_after"] - now <= timedelta(seconds=38.4)


@pytest.mark.parametrize("stage", STAGES)
def test_a_final_error_fails_the_event_at_once(hosted_database: Connection, stage: str) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database), stage=stage)

    found = work(hosted_database, stage, event_id, error="Bad payload", final=True)

    assert (found["status"], found["stage"]) == ("failed", stage)
    assert found["error_message"] == "Bad payload"


def test_an_event_fails_with_its_last_attempt(hosted_database: Connection) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))
    states = []
    for _ in range(10):
        make_due(hosted_database, event_id)
        states.append(work(hosted_database, "classify", event_id, error="No")["status"])

    assert states == ["pending"] * 9 + ["failed"]


def test_an_error_may_be_long(hosted_database: Connection) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))

    found = work(hosted_database, "classify", event_id, error="x" * 100_000)

    assert found["error_message"] == "x" * 2000


def test_attempts_are_counted_anew_in_each_stage(hosted_database: Connection) -> None:
    event_id = make_event(
        hosted_database, make_endpoint(hosted_database), stage="prepare", attempts=7
    )

    assert work(hosted_database, "prepare", event_id, fields={})["attempts"] == 0


def test_a_lease_without_an_end_cannot_be_stored(hosted_database: Connection) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))

    with pytest.raises(psycopg.errors.CheckViolation, match="leased_rows_have_a_lease"):
        hosted_database.execute(
            "update public.webhook_events set status = 'processing', lease_id = gen_random_uuid() "
            "where id = %s",
            [event_id],
        )
