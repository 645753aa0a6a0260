"""Users correct what the classifier made of an event."""

from __future__ import annotations

import uuid

import pytest

from tests.database.factories import (
    FAILED,
    PROCESSED,
    Endpoint,
    in_review,
    insert,
    make_admin,
    make_endpoint,
    make_event,
    make_user,
)
from tests.database.pipeline import audits, claim, event, log, override, overrides
from tests.database.rpcs import Connection, Row, acting, refused


@pytest.fixture
def endpoint(hosted_database: Connection) -> Endpoint:
    return make_endpoint(hosted_database)


def test_an_override_corrects_type_and_person(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    event_id = in_review(hosted_database, endpoint)

    answer = override(
        hosted_database, endpoint.user_id, event_id, entity_table="invoice", is_person=False
    )

    assert answer == {"id": str(event_id), "entity_table": "invoice", "is_person": False}
    found = event(hosted_database, event_id)
    assert (found["entity_table"], found["is_person"], found["stage"]) == (
        "invoice",
        False,
        "review",
    )
    assert found["classified_by"] == f"user:{endpoint.user_id}"


@pytest.mark.parametrize(
    ("to", "after"),
    [({"entity_table": "invoice"}, ("invoice", True)), ({"is_person": False}, ("order", False))],
)
def test_what_an_override_leaves_out_stays(
    hosted_database: Connection, endpoint: Endpoint, to: Row, after: tuple[str, bool]
) -> None:
    event_id = in_review(hosted_database, endpoint)

    override(hosted_database, endpoint.user_id, event_id, **to)

    found = event(hosted_database, event_id)
    assert (found["entity_table"], found["is_person"]) == after


def test_an_override_is_logged_and_audited(hosted_database: Connection, endpoint: Endpoint) -> None:
    event_id, owner = in_review(hosted_database, endpoint), endpoint.user_id

    override(hosted_database, owner, event_id, entity_table="invoice")

    decided = {"entity_table": "invoice", "is_person": None}
    (entry,) = log(hosted_database, event_id)
    assert (entry["action_type"], entry["action_config"]) == ("override", decided)
    assert audits(hosted_database) == [
        {
            "user_id": owner,
            "actor_id": owner,
            "action": "event.override",
            "target_id": event_id,
            "details": decided,
        }
    ]


def test_a_failed_event_can_be_overridden(hosted_database: Connection, endpoint: Endpoint) -> None:
    event_id = make_event(hosted_database, endpoint, stage="prepare", **FAILED)

    override(hosted_database, endpoint.user_id, event_id, entity_table="invoice")

    assert event(hosted_database, event_id)["entity_table"] == "invoice"


@pytest.mark.parametrize("columns", [{"stage": "classify"}, {"stage": "rules"}, PROCESSED])
def test_an_event_under_way_or_through_cannot_be_overridden(
    hosted_database: Connection, endpoint: Endpoint, columns: Row
) -> None:
    event_id = make_event(hosted_database, endpoint, **columns)

    with refused("WH017"):
        override(hosted_database, endpoint.user_id, event_id, is_person=True)


def test_an_override_to_an_unknown_type_is_refused(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    event_id = in_review(hosted_database, endpoint)

    with refused("WH001"):
        override(hosted_database, endpoint.user_id, event_id, entity_table="spaceship")


def test_an_admin_overrides_with_the_owners_types(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    admin = make_admin(hosted_database)
    insert(
        hosted_database,
        "public.entity_types",
        user_id=endpoint.user_id,
        name="lead",
        description="A lead",
        target_table="orders",
    )
    event_id = in_review(hosted_database, endpoint)

    override(hosted_database, admin, event_id, entity_table="lead")

    (audit,) = audits(hosted_database)
    assert (audit["user_id"], audit["actor_id"]) == (endpoint.user_id, admin)


def test_anothers_event_and_no_event_are_refused_alike(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    event_id, stranger = in_review(hosted_database, endpoint), make_user(hosted_database)

    for unknown in (event_id, uuid.uuid4()):
        with refused("WH007"):
            override(hosted_database, stranger, unknown, is_person=False)
    assert event(hosted_database, event_id)["is_person"] is True
    assert audits(hosted_database) == []


def test_an_override_is_remembered_for_endpoint_and_event_type(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    event_id, owner = in_review(hosted_database, endpoint, event_type="paid"), endpoint.user_id

    override(hosted_database, owner, event_id, entity_table="invoice")

    (remembered,) = overrides(hosted_database)
    told = ("user_id", "endpoint_id", "event_type", "entity_table", "is_person", "decided_by")
    assert [remembered[name] for name in told] == [
        owner,
        endpoint.id,
        "paid",
        "invoice",
        None,
        owner,
    ]


def test_a_later_override_replaces_what_it_says_and_keeps_the_rest(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    first, second, third = (in_review(hosted_database, endpoint) for _ in range(3))
    admin = make_admin(hosted_database)

    override(hosted_database, endpoint.user_id, first, entity_table="invoice")
    override(hosted_database, endpoint.user_id, second, is_person=False)
    override(hosted_database, admin, third, entity_table="ticket")

    (remembered,) = overrides(hosted_database)
    assert (remembered["entity_table"], remembered["is_person"]) == ("ticket", False)
    assert (remembered["user_id"], remembered["decided_by"]) == (endpoint.user_id, admin)


def test_an_override_that_says_nothing_is_not_remembered(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    override(hosted_database, endpoint.user_id, in_review(hosted_database, endpoint))

    assert overrides(hosted_database) == []


def test_an_event_without_a_type_of_its_own_says_nothing_about_the_next(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    event_id = in_review(hosted_database, endpoint, event_type="unknown")

    override(hosted_database, endpoint.user_id, event_id, entity_table="invoice")

    assert overrides(hosted_database) == []
    assert event(hosted_database, event_id)["entity_table"] == "invoice"


def test_an_override_that_was_taken_back_is_handed_out_no_more(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    override(
        hosted_database,
        endpoint.user_id,
        in_review(hosted_database, endpoint),
        entity_table="invoice",
    )
    with acting(hosted_database, "authenticated", endpoint.user_id):
        hosted_database.execute("delete from public.classification_overrides")
    make_event(hosted_database, endpoint)

    (given,) = claim(hosted_database, "classify")["events"]
    assert given["override"] is None


def test_what_was_decided_goes_with_the_endpoint(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    event_id = in_review(hosted_database, endpoint)
    override(hosted_database, endpoint.user_id, event_id, entity_table="invoice")

    hosted_database.execute("delete from public.webhook_endpoints where id = %s", [endpoint.id])

    assert overrides(hosted_database) == []
