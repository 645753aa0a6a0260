"""Users let an event go on that waited for them."""

from __future__ import annotations

import uuid

import pytest

from tests.database.factories import Endpoint, in_review, make_admin, make_endpoint, make_event
from tests.database.pipeline import approve, audits, claim, event, log
from tests.database.rpcs import Connection, at_once, listening


@pytest.fixture
def endpoint(hosted_database: Connection) -> Endpoint:
    return make_endpoint(hosted_database)


def test_an_approved_event_goes_on_to_prepare(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    event_id = in_review(hosted_database, endpoint, is_person=None)

    answer = approve(hosted_database, endpoint.user_id, event_id)

    assert answer == {"approved": [str(event_id)], "skipped": []}
    found = event(hosted_database, event_id)
    assert (found["stage"], found["status"], found["is_person"]) == ("prepare", "pending", False)
    assert claim(hosted_database, "prepare")["events"][0]["id"] == str(event_id)


def test_an_approval_is_logged_and_audited(hosted_database: Connection, endpoint: Endpoint) -> None:
    event_id, owner = in_review(hosted_database, endpoint), endpoint.user_id

    approve(hosted_database, owner, event_id)

    (entry,) = log(hosted_database, event_id)
    assert (entry["action_type"], entry["result"]) == ("approve", {"by": str(owner)})
    (audit,) = audits(hosted_database)
    assert (audit["action"], audit["actor_id"], audit["target_id"]) == (
        "event.approve",
        owner,
        event_id,
    )


def test_many_are_approved_at_once_and_each_refusal_says_why(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    good = [in_review(hosted_database, endpoint) for _ in range(2)]
    untold = in_review(hosted_database, endpoint, entity_table=None)
    early = make_event(hosted_database, endpoint)
    theirs = in_review(hosted_database, make_endpoint(hosted_database))
    nothing = uuid.uuid4()

    answer = approve(hosted_database, endpoint.user_id, *good, untold, early, theirs, nothing)

    assert sorted(answer["approved"]) == sorted(map(str, good))
    assert {skip["id"]: skip["reason"] for skip in answer["skipped"]} == {
        str(untold): "no_entity_type",
        str(early): "not_in_review",
        str(theirs): "not_found",
        str(nothing): "not_found",
    }
    assert event(hosted_database, theirs)["stage"] == "review"
    assert {audit["target_id"] for audit in audits(hosted_database)} == set(good)


def test_approving_nothing_changes_nothing(hosted_database: Connection, endpoint: Endpoint) -> None:
    assert approve(hosted_database, endpoint.user_id) == {"approved": [], "skipped": []}


def test_an_admin_approves_anybodys_event(hosted_database: Connection, endpoint: Endpoint) -> None:
    event_id, admin = in_review(hosted_database, endpoint), make_admin(hosted_database)

    assert approve(hosted_database, admin, event_id)["approved"] == [str(event_id)]

    (audit,) = audits(hosted_database)
    assert (audit["user_id"], audit["actor_id"]) == (endpoint.user_id, admin)


def test_two_approvals_at_once_approve_once(
    committed: Connection, hosted_database_url: str
) -> None:
    endpoint = make_endpoint(committed)
    event_id = in_review(committed, endpoint)

    answers = at_once(
        hosted_database_url,
        4,
        lambda connection, _: approve(connection, endpoint.user_id, event_id),
    )

    assert sum(len(answer["approved"]) for answer in answers) == 1
    assert {s["reason"] for answer in answers for s in answer["skipped"]} == {"not_in_review"}


def test_prepare_is_woken_by_an_approval(committed: Connection, hosted_database_url: str) -> None:
    endpoint = make_endpoint(committed)
    events = [in_review(committed, endpoint) for _ in range(3)]
    with listening(hosted_database_url) as woken:
        approve(committed, endpoint.user_id, *events)

    assert woken == ["prepare_for_rules"]
