"""Users send an event on its way again."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from tests.database.factories import FAILED, PROCESSED, Endpoint, make_endpoint, make_event
from tests.database.pipeline import audits, claim, classify, event, override, reprocess, work
from tests.database.rpcs import Connection, at_once, refused


@pytest.fixture
def endpoint(hosted_database: Connection) -> Endpoint:
    return make_endpoint(hosted_database)


@pytest.mark.parametrize("stage", ["classify", "prepare", "rules"])
def test_a_failed_event_starts_again_where_it_failed(
    hosted_database: Connection, endpoint: Endpoint, stage: str
) -> None:
    event_id = make_event(hosted_database, endpoint, stage=stage, attempts=10, **FAILED)

    answer = reprocess(hosted_database, endpoint.user_id, event_id)

    assert answer == {"queued": [str(event_id)], "skipped": []}
    found = event(hosted_database, event_id)
    assert (found["status"], found["stage"], found["attempts"]) == ("pending", stage, 0)
    assert found["error_message"] is None
    assert claim(hosted_database, stage)["events"][0]["id"] == str(event_id)


@pytest.mark.parametrize(
    ("asked", "stage"),
    [(None, "prepare"), ("classify", "classify"), ("prepare", "prepare"), ("rules", "rules")],
)
def test_a_processed_event_starts_again_where_asked_or_at_prepare(
    hosted_database: Connection, endpoint: Endpoint, asked: str | None, stage: str
) -> None:
    event_id = make_event(hosted_database, endpoint, **PROCESSED)

    reprocess(hosted_database, endpoint.user_id, event_id, stage=asked)

    found = event(hosted_database, event_id)
    assert (found["status"], found["stage"], found["processed_at"]) == ("pending", stage, None)


def test_each_event_that_is_not_reprocessed_says_why(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    waiting = make_event(hosted_database, endpoint)
    leased = make_event(hosted_database, endpoint)
    claim(hosted_database, "classify", event_ids=[leased])
    untold = make_event(hosted_database, endpoint, **FAILED)
    theirs = make_event(hosted_database, make_endpoint(hosted_database), **FAILED)
    nothing = uuid.uuid4()

    answer = reprocess(
        hosted_database,
        endpoint.user_id,
        *(waiting, leased, untold, theirs, nothing),
        stage="prepare",
    )

    assert answer["queued"] == []
    assert {skip["id"]: skip["reason"] for skip in answer["skipped"]} == {
        str(waiting): "not_finished",
        str(leased): "not_finished",
        str(untold): "not_classified",
        str(theirs): "not_found",
        str(nothing): "not_found",
    }
    assert event(hosted_database, theirs)["status"] == "failed"
    assert audits(hosted_database) == []


def test_an_event_overridden_after_its_classifier_failed_can_go_on(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    event_id = make_event(hosted_database, endpoint, **FAILED)
    override(hosted_database, endpoint.user_id, event_id, entity_table="order")

    answer = reprocess(hosted_database, endpoint.user_id, event_id, stage="prepare")

    assert answer["queued"] == [str(event_id)]
    assert event(hosted_database, event_id)["is_person"] is False


@pytest.mark.parametrize("stage", ["review", "done"])
def test_a_stage_without_a_worker_is_refused(
    hosted_database: Connection, endpoint: Endpoint, stage: str
) -> None:
    event_id = make_event(hosted_database, endpoint, **PROCESSED)

    with refused("WH001"):
        reprocess(hosted_database, endpoint.user_id, event_id, stage=stage)


def test_a_word_that_is_no_stage_is_refused(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    with pytest.raises(psycopg.DataError):
        reprocess(hosted_database, endpoint.user_id, uuid.uuid4(), stage="moon")


def test_a_reprocess_is_audited(hosted_database: Connection, endpoint: Endpoint) -> None:
    event_id = make_event(hosted_database, endpoint, stage="rules", **FAILED)

    reprocess(hosted_database, endpoint.user_id, event_id)

    (audit,) = audits(hosted_database)
    assert (audit["action"], audit["details"]) == ("event.reprocess", {"stage": "rules"})


def test_an_event_classified_again_waits_for_review_again(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, processing_mode="review")
    event_id = make_event(hosted_database, endpoint, **PROCESSED)
    reprocess(hosted_database, endpoint.user_id, event_id, stage="classify")

    assert classify(hosted_database, event_id)["stage"] == "review"


def test_an_event_reprocessed_twice_at_once_is_queued_once(
    committed: Connection, hosted_database_url: str
) -> None:
    endpoint = make_endpoint(committed)
    event_id = make_event(committed, endpoint, stage="rules", **FAILED)

    answers = at_once(
        hosted_database_url,
        4,
        lambda connection, _: reprocess(connection, endpoint.user_id, event_id),
    )

    assert sum(len(answer["queued"]) for answer in answers) == 1
    assert work(committed, "rules", event_id, actions=[])["status"] == "processed"
