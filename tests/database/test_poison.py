"""An event that takes its workers down ends as failed, and no other event with it."""

from __future__ import annotations

import pytest

from tests.database.factories import make_endpoint, make_event, make_events
from tests.database.pipeline import claim, claimed_ids, event, expire_leases, finish
from tests.database.rpcs import Connection


@pytest.mark.parametrize("stage", ["classify", "prepare", "rules"])
def test_an_event_that_kills_its_workers_fails_and_the_queue_goes_on(
    hosted_database: Connection, stage: str
) -> None:
    endpoint = make_endpoint(hosted_database)
    poison = make_event(hosted_database, endpoint, stage=stage)
    for _ in range(10):
        assert claimed_ids(claim(hosted_database, stage)) == {poison}
        expire_leases(hosted_database)
    other = make_event(hosted_database, endpoint, stage=stage)

    assert claimed_ids(claim(hosted_database, stage)) == {other}

    found = event(hosted_database, poison)
    assert (found["status"], found["stage"]) == ("failed", stage)
    assert found["error_message"] == "The worker did not finish in 10 attempts"


def test_what_was_claimed_together_with_a_poison_event_gets_through(
    hosted_database: Connection,
) -> None:
    endpoint = make_endpoint(hosted_database)
    good = make_events(hosted_database, endpoint, 12, stage="rules")
    poison = {make_event(hosted_database, endpoint, stage="rules") for _ in range(2)}
    while (batch := claim(hosted_database, "rules", limit=20))["events"]:
        ids = claimed_ids(batch)
        if ids & poison:
            expire_leases(hosted_database)
        else:
            finish(hosted_database, "rules", batch["lease_id"], *({"id": id_} for id_ in ids))

    assert {event(hosted_database, id_)["status"] for id_ in good} == {"processed"}
    assert {event(hosted_database, id_)["status"] for id_ in poison} == {"failed"}


def test_events_that_failed_by_themselves_are_still_claimed_together(
    hosted_database: Connection,
) -> None:
    events = make_events(hosted_database, make_endpoint(hosted_database), 5, attempts=6)

    assert claimed_ids(claim(hosted_database, "classify")) == events
