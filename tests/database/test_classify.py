"""The classify stage: what a worker is given, and where an event goes from there."""

from __future__ import annotations

import uuid

import pytest

from tests.database.factories import in_review, insert, make_endpoint, make_event
from tests.database.pipeline import (
    claim,
    classify,
    event,
    finish,
    log,
    make_due,
    override,
    overrides,
    work,
)
from tests.database.rpcs import Connection, listening


def test_a_worker_is_given_the_event_with_its_endpoint(hosted_database: Connection) -> None:
    endpoint = make_endpoint(
        hosted_database,
        slug="shop",
        scheme="stripe",
        allowed_object_types=["order", "invoice"],
        default_entity_table="order",
        confidence_threshold=0.8,
    )
    event_id = make_event(
        hosted_database, endpoint, payload={"a": [1]}, external_id="o1", event_type="paid"
    )

    (given,) = claim(hosted_database, "classify")["events"]

    assert given == {
        "id": str(event_id),
        "user_id": str(endpoint.user_id),
        "event_type": "paid",
        "external_id": "o1",
        "payload": {"a": [1]},
        "attempts": 1,
        "override": None,
        "endpoint": {
            "id": str(endpoint.id),
            "slug": "shop",
            "name": "Shop",
            "scheme": "stripe",
            "allowed_object_types": ["order", "invoice"],
            "default_entity_table": "order",
            "confidence_threshold": 0.8,
        },
    }


def test_a_worker_is_given_the_shipped_types_and_the_owners_own(
    hosted_database: Connection,
) -> None:
    endpoint, stranger = make_endpoint(hosted_database), make_endpoint(hosted_database)
    for owner, name in [(endpoint.user_id, "lead"), (stranger.user_id, "secret")]:
        insert(
            hosted_database,
            "public.entity_types",
            user_id=owner,
            name=name,
            description="A lead",
            target_table="orders",
        )
    make_event(hosted_database, endpoint)

    types = claim(hosted_database, "classify")["entity_types"]

    assert {entity_type["name"] for entity_type in types} == {
        "person",
        "influencer",
        "subscription",
        "order",
        "invoice",
        "ticket",
        "lead",
    }
    assert {t["name"]: t["user_id"] for t in types}["lead"] == str(endpoint.user_id)
    assert all(entity_type["description"] for entity_type in types)


def test_a_worker_is_given_what_was_decided_about_the_endpoint_and_type_before(
    hosted_database: Connection,
) -> None:
    endpoint, other = make_endpoint(hosted_database), make_endpoint(hosted_database)
    decided = in_review(hosted_database, endpoint, event_type="paid")
    override(hosted_database, endpoint.user_id, decided, entity_table="invoice", is_person=False)
    same = make_event(hosted_database, endpoint, event_type="paid")
    make_event(hosted_database, endpoint, event_type="refunded")
    make_event(hosted_database, other, event_type="paid")

    events = claim(hosted_database, "classify")["events"]

    given = {event["id"]: event["override"] for event in events}
    (remembered,) = overrides(hosted_database)
    assert len(given) == 3
    assert {event_id: one for event_id, one in given.items() if one} == {
        str(same): {"id": str(remembered["id"]), "entity_table": "invoice", "is_person": False}
    }


def test_a_claim_of_nothing_brings_no_types(hosted_database: Connection) -> None:
    batch = claim(hosted_database, "classify")

    assert (batch["events"], batch["entity_types"]) == ([], [])


@pytest.mark.parametrize(
    ("mode", "confidence", "stage"),
    [
        ("automatic", 0.7, "prepare"),
        ("automatic", 1, "prepare"),
        ("automatic", 0.699, "review"),
        ("automatic", None, "review"),
        ("review", 1, "review"),
    ],
)
def test_mode_and_threshold_decide_whether_a_person_looks_first(
    hosted_database: Connection, mode: str, confidence: float | None, stage: str
) -> None:
    endpoint = make_endpoint(hosted_database, processing_mode=mode, confidence_threshold=0.7)
    event_id = make_event(hosted_database, endpoint)

    found = classify(hosted_database, event_id, confidence=confidence)

    assert (found["status"], found["stage"]) == ("pending", stage)
    assert (found["lease_id"], found["attempts"]) == (None, 0)


def test_the_classification_is_stored(hosted_database: Connection) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))

    found = classify(hosted_database, event_id, is_person=False, confidence=0.875)

    assert (found["entity_table"], found["is_person"]) == ("order", False)
    assert (float(found["ai_confidence"]), found["classified_by"]) == (0.875, "embedding")


@pytest.mark.parametrize("entity_table", [None, "spaceship"])
def test_an_event_of_no_known_type_waits_for_review(
    hosted_database: Connection, entity_table: str | None
) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))

    found = classify(hosted_database, event_id, entity_table=entity_table)

    assert (found["stage"], found["entity_table"]) == ("review", None)


def test_another_users_type_is_unknown(hosted_database: Connection) -> None:
    insert(
        hosted_database,
        "public.entity_types",
        user_id=make_endpoint(hosted_database).user_id,
        name="lead",
        description="A lead",
        target_table="orders",
    )
    event_id = make_event(hosted_database, make_endpoint(hosted_database))

    assert classify(hosted_database, event_id, entity_table="lead")["stage"] == "review"


def test_a_users_own_type_is_known(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    insert(
        hosted_database,
        "public.entity_types",
        user_id=endpoint.user_id,
        name="lead",
        description="A lead",
        target_table="orders",
    )
    event_id = make_event(hosted_database, endpoint)

    found = classify(hosted_database, event_id, entity_table="lead")

    assert (found["stage"], found["entity_table"]) == ("prepare", "lead")


def test_the_decision_is_logged_once(hosted_database: Connection) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))
    classify(hosted_database, event_id, entity_table=None, confidence=0.1)
    hosted_database.execute("update public.webhook_events set stage = 'classify'")

    classify(hosted_database, event_id, confidence=0.9)

    (entry,) = log(hosted_database, event_id)
    assert (entry["action_type"], entry["success"]) == ("classify", True)
    assert entry["result"] == {
        "entity_table": "order",
        "is_person": True,
        "confidence": 0.9,
        "classified_by": "embedding",
        "next_stage": "prepare",
    }


def test_a_success_clears_the_error_of_an_earlier_attempt(hosted_database: Connection) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))
    work(hosted_database, "classify", event_id, error="The model is away")
    make_due(hosted_database, event_id)

    assert classify(hosted_database, event_id)["error_message"] is None


def test_one_batch_may_hold_successes_and_errors(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    good, bad = make_event(hosted_database, endpoint), make_event(hosted_database, endpoint)
    batch = claim(hosted_database, "classify")

    finish(
        hosted_database,
        "classify",
        batch["lease_id"],
        {"id": bad, "error": "No", "final": True},
        {"id": good, "entity_table": "order", "is_person": True, "confidence": 1},
    )

    assert event(hosted_database, good)["stage"] == "prepare"
    assert event(hosted_database, bad)["status"] == "failed"


@pytest.mark.parametrize(("mode", "heard"), [("automatic", ["prepare_for_rules"]), ("review", [])])
def test_prepare_is_woken_when_it_has_work(
    committed: Connection, hosted_database_url: str, mode: str, heard: list[str]
) -> None:
    event_ids = [
        make_event(committed, make_endpoint(committed, processing_mode=mode)) for _ in range(3)
    ]
    batch = claim(committed, "classify")
    result = {"entity_table": "order", "is_person": True, "confidence": 1}
    with listening(hosted_database_url) as woken:
        finish(committed, "classify", batch["lease_id"], *({"id": i, **result} for i in event_ids))

    assert woken == heard


def test_events_that_were_never_claimed_are_lost(hosted_database: Connection) -> None:
    event_id = make_event(hosted_database, make_endpoint(hosted_database))

    answer = finish(hosted_database, "classify", str(uuid.uuid4()), {"id": event_id})

    assert answer == {"finished": [], "lost": [str(event_id)]}
    assert event(hosted_database, event_id)["status"] == "pending"
