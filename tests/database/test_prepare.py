"""The prepare stage: the person behind an event and the record that it is about, found or made, and linked."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.database.factories import make_endpoint, make_event
from tests.database.pipeline import claim, event, finish, log, prepare, prepared
from tests.database.rpcs import Connection, at_once, listening, one


def person(connection: Connection, person_id: uuid.UUID) -> dict[str, Any]:
    return one(connection, "select * from public.people where id = %s", [person_id])


def count(connection: Connection, table: str, owner: uuid.UUID) -> int:
    query = f"select count(*) from public.{table} where user_id = %s"  # noqa: S608 (a table of ours)
    return int(one(connection, query, [owner])["count"])


def test_a_worker_is_given_the_event_with_its_maps(hosted_database: Connection) -> None:
    maps = {"order": {"total": "data.sum"}}
    endpoint = make_endpoint(hosted_database, slug="shop", field_maps=maps)
    event_id = make_event(hosted_database, endpoint, stage="prepare", external_id="o1")

    batch = claim(hosted_database, "prepare")

    assert batch["events"] == [
        {
            "id": str(event_id),
            "user_id": str(endpoint.user_id),
            "event_type": "order.created",
            "external_id": "o1",
            "payload": {"id": 1},
            "entity_table": "order",
            "is_person": False,
            "endpoint": {
                "id": str(endpoint.id),
                "slug": "shop",
                "name": "Shop",
                "scheme": "none",
                "field_maps": maps,
            },
        }
    ]
    (order,) = (t for t in batch["entity_types"] if t["name"] == "order")
    assert (order["target_table"], order["match_columns"]) == ("orders", ["external_id"])


def test_an_event_becomes_a_person_and_a_record_that_are_linked(
    hosted_database: Connection,
) -> None:
    endpoint = make_endpoint(hosted_database)

    found = prepared(
        hosted_database,
        endpoint,
        person={"email": "ada@example.com", "name": "Ada"},
        fields={"external_id": "o1", "total": 12.5, "ordered_at": "2026-11-22T10:00:00Z"},
    )

    assert (found["status"], found["stage"], found["attempts"]) == ("pending", "rules", 0)
    made = person(hosted_database, found["person_id"])
    assert (made["email"], made["name"], made["kind"]) == ("ada@example.com", "Ada", "person")
    assert made["endpoint_id"] == endpoint.id
    order = one(hosted_database, "select * from public.orders where id = %s", [found["entity_id"]])
    assert (order["external_id"], float(order["total"])) == ("o1", 12.5)
    assert order["user_id"] == endpoint.user_id
    link = one(hosted_database, "select * from public.people_entities")
    assert (link["person_id"], link["entity_id"]) == (found["person_id"], found["entity_id"])


def test_every_step_is_logged(hosted_database: Connection) -> None:
    found = prepared(
        hosted_database,
        make_endpoint(hosted_database),
        person={"email": "ada@example.com"},
        fields={"external_id": "o1"},
    )

    entries = {entry["action_type"]: entry for entry in log(hosted_database, found["id"])}
    assert set(entries) == {"create_person", "create_entity", "link_person"}
    assert entries["create_person"]["action_config"] == {"email": "ada@example.com"}
    assert entries["create_entity"]["result"] == {
        "entity_id": str(found["entity_id"]),
        "entity_table": "order",
    }


def test_a_machine_behind_an_event_makes_no_person(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)

    found = prepared(
        hosted_database, endpoint, is_person=False, person={"email": "noreply@example.com"}
    )

    assert found["person_id"] is None
    assert count(hosted_database, "people", endpoint.user_id) == 0
    assert found["entity_id"] is not None


def test_an_event_that_names_nobody_still_has_its_record(hosted_database: Connection) -> None:
    found = prepared(hosted_database, make_endpoint(hosted_database), person={"company": "ACME"})

    assert found["person_id"] is None
    assert found["entity_id"] is not None


@pytest.mark.parametrize(("is_person", "kind"), [(True, "person"), (False, "automated")])
def test_an_event_about_a_person_has_that_person_as_its_record(
    hosted_database: Connection, is_person: bool, kind: str
) -> None:
    found = prepared(
        hosted_database,
        make_endpoint(hosted_database),
        entity_table="person",
        is_person=is_person,
        person={"email": "ada@example.com"},
    )

    assert found["person_id"] == found["entity_id"]
    assert person(hosted_database, found["person_id"])["kind"] == kind
    assert count(hosted_database, "people_entities", found["user_id"]) == 0


def test_an_event_about_a_person_who_is_not_named_fails(hosted_database: Connection) -> None:
    found = prepared(
        hosted_database, make_endpoint(hosted_database), entity_table="person", person={}
    )

    assert (found["status"], found["stage"]) == ("failed", "prepare")
    assert found["error_message"] == (
        "Nothing in the payload says who this is (no email, phone, id or name)"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"total": "a lot"}, 'invalid input syntax for type numeric: "a lot"'),
        ({"ordered_at": "yesterday-ish"}, "invalid input syntax for type timestamp"),
    ],
)
def test_a_value_that_does_not_fit_fails_its_event_alone(
    hosted_database: Connection, fields: dict[str, str], message: str
) -> None:
    endpoint = make_endpoint(hosted_database)
    events = [make_event(hosted_database, endpoint, stage="prepare") for _ in range(3)]
    batch = claim(hosted_database, "prepare")
    results: list[dict[str, object]] = [{"id": event_id, "fields": {}} for event_id in events]
    results[1]["fields"] = fields

    answer = finish(hosted_database, "prepare", batch["lease_id"], *results)

    assert len(answer["finished"]) == 3
    states = [event(hosted_database, event_id)["status"] for event_id in events]
    assert states == ["pending", "failed", "pending"]
    bad = event(hosted_database, events[1])
    assert message in bad["error_message"]
    assert bad["entity_id"] is None
    assert count(hosted_database, "orders", endpoint.user_id) == 2


def test_a_refused_value_fails_with_the_rule_it_broke(hosted_database: Connection) -> None:
    found = prepared(
        hosted_database,
        make_endpoint(hosted_database),
        entity_table="ticket",
        fields={"priority": "sky-high"},
    )

    assert found["status"] == "failed"
    assert "priorities_are_known" in found["error_message"]


def test_an_event_whose_type_is_gone_fails(hosted_database: Connection) -> None:
    event_id = make_event(
        hosted_database,
        make_endpoint(hosted_database),
        stage="prepare",
        entity_table="spaceship",
        is_person=False,
    )

    found = prepare(hosted_database, event_id)

    assert (found["status"], found["error_message"]) == (
        "failed",
        "There is no entity type spaceship",
    )


def test_parallel_workers_make_one_person_and_one_order(
    committed: Connection, hosted_database_url: str
) -> None:
    endpoint = make_endpoint(committed)

    def work(connection: Connection, _: int) -> list[dict[str, Any]]:
        return [
            prepared(
                connection,
                endpoint,
                person={"email": "ada@example.com"},
                fields={"external_id": "o1"},
            )
            for _ in range(3)
        ]

    done = [found for each in at_once(hosted_database_url, 6, work) for found in each]

    assert {found["stage"] for found in done} == {"rules"}
    assert len({found["entity_id"] for found in done}) == 1
    assert len({found["person_id"] for found in done}) == 1


def test_process_rules_is_woken_once(committed: Connection, hosted_database_url: str) -> None:
    events = [make_event(committed, make_endpoint(committed), stage="prepare") for _ in range(3)]
    batch = claim(committed, "prepare")
    with listening(hosted_database_url) as woken:
        finish(committed, "prepare", batch["lease_id"], *({"id": id_} for id_ in events))

    assert woken == ["process_rules"]
