"""One owner's backlog does not delay another's events."""

from __future__ import annotations

import pytest

from tests.database.factories import make_endpoint, make_event, make_events
from tests.database.pipeline import claim, claimed_ids
from tests.database.rpcs import Connection, one


def test_a_quiet_owner_is_in_the_first_batch_beside_a_backlog(hosted_database: Connection) -> None:
    make_events(hosted_database, make_endpoint(hosted_database), 1000)
    quiet = make_event(hosted_database, make_endpoint(hosted_database))

    assert quiet in claimed_ids(claim(hosted_database, "classify", limit=20))


def test_owners_with_backlogs_share_a_batch_evenly(hosted_database: Connection) -> None:
    backlogs = [make_events(hosted_database, make_endpoint(hosted_database), 30) for _ in range(4)]

    claimed = claimed_ids(claim(hosted_database, "classify", limit=40))

    assert [len(claimed & backlog) for backlog in backlogs] == [10, 10, 10, 10]


def test_what_quiet_owners_leave_goes_to_the_busy_one(hosted_database: Connection) -> None:
    busy = make_events(hosted_database, make_endpoint(hosted_database), 100)
    quiet = {make_event(hosted_database, make_endpoint(hosted_database)) for _ in range(3)}

    claimed = claimed_ids(claim(hosted_database, "classify", limit=40))

    assert len(claimed) == 40
    assert quiet < claimed
    assert claimed - quiet <= busy


def test_an_owners_events_are_taken_in_the_order_they_became_due(
    hosted_database: Connection,
) -> None:
    endpoint = make_endpoint(hosted_database)
    now = one(hosted_database, "select now() as at")["at"]
    by_age = [
        make_event(hosted_database, endpoint, run_after=now - age)
        for age in one(
            hosted_database,
            "select array(select n * interval '1 second' from generate_series(1, 9) n) as ages",
        )["ages"]
    ]

    assert claimed_ids(claim(hosted_database, "classify", limit=3)) == set(by_age[-3:])


@pytest.mark.parametrize("limit", [1, 10])
def test_with_more_owners_than_a_batch_holds_everybodys_turn_comes(
    hosted_database: Connection, limit: int
) -> None:
    waiting = {make_event(hosted_database, make_endpoint(hosted_database)) for _ in range(100)}
    claims = 0
    while waiting:
        waiting -= claimed_ids(claim(hosted_database, "classify", limit=limit))
        claims += 1

    assert claims == 100 // limit


def test_owners_whose_events_have_to_wait_do_not_hide_those_that_are_due(
    hosted_database: Connection,
) -> None:
    later = one(hosted_database, "select now() + interval '1 hour' as at")["at"]
    for _ in range(200):
        make_event(hosted_database, make_endpoint(hosted_database), run_after=later)
    due = make_event(hosted_database, make_endpoint(hosted_database))

    assert claimed_ids(claim(hosted_database, "classify", limit=10)) == {due}
