"""Which record an event is about: the one that its type's match columns find, else a new one."""

from __future__ import annotations

import uuid

import pytest

from tests.database.factories import make_endpoint
from tests.database.pipeline import log, prepare, prepared, send_again
from tests.database.rpcs import Connection, one


def test_a_second_event_of_the_same_order_updates_it(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    first = prepared(
        hosted_database, endpoint, fields={"external_id": "o1", "status": "open", "total": 5}
    )

    second = prepared(hosted_database, endpoint, fields={"external_id": "o1", "status": "paid"})

    assert second["entity_id"] == first["entity_id"]
    order = one(hosted_database, "select * from public.orders")
    assert (order["status"], float(order["total"])) == ("paid", 5)
    assert {e["action_type"] for e in log(hosted_database, second["id"])} == {"update_entity"}


@pytest.mark.parametrize("fields", [{"status": "open"}, {"external_id": None, "status": "open"}])
def test_without_its_match_columns_each_event_makes_a_record(
    hosted_database: Connection, fields: dict[str, str]
) -> None:
    endpoint = make_endpoint(hosted_database)
    first = prepared(hosted_database, endpoint, fields=fields)

    second = prepared(hosted_database, endpoint, fields=fields)

    assert second["entity_id"] != first["entity_id"]


def test_all_match_columns_have_to_agree(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ids = [
        prepared(
            hosted_database,
            endpoint,
            entity_table="influencer",
            fields={"handle": "ada", "platform": platform},
        )["entity_id"]
        for platform in ("tiktok", "youtube", "tiktok")
    ]

    assert ids[0] == ids[2] != ids[1]


def test_another_owners_record_is_never_found(hosted_database: Connection) -> None:
    theirs, ours = (
        prepared(
            hosted_database,
            make_endpoint(hosted_database),
            fields={"external_id": "o1", "total": total},
        )
        for total in (1, 2)
    )

    assert theirs["entity_id"] != ours["entity_id"]
    orders = hosted_database.execute("select user_id, total from public.orders").fetchall()
    assert {(row["user_id"], int(row["total"])) for row in orders} == {
        (theirs["user_id"], 1),
        (ours["user_id"], 2),
    }


def test_a_reprocessed_event_keeps_its_record_and_person(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    first = prepared(hosted_database, endpoint, person={"name": "Ada"}, fields={"status": "open"})
    send_again(hosted_database, first)

    second = prepare(
        hosted_database, first["id"], person={"name": "Ada"}, fields={"status": "paid"}
    )

    assert second["entity_id"] == first["entity_id"]
    assert second["person_id"] == first["person_id"]
    assert one(hosted_database, "select status from public.orders")["status"] == "paid"


def test_an_event_classified_anew_makes_a_record_of_its_new_type(
    hosted_database: Connection,
) -> None:
    first = prepared(hosted_database, make_endpoint(hosted_database), fields={"status": "open"})
    send_again(hosted_database, first)
    hosted_database.execute("update public.webhook_events set entity_table = 'invoice'")

    second = prepare(hosted_database, first["id"], fields={"status": "open"})

    assert second["entity_id"] != first["entity_id"]
    assert one(hosted_database, "select id from public.invoices")["id"] == second["entity_id"]


def test_a_payload_cannot_choose_ids_owner_or_times(hosted_database: Connection) -> None:
    endpoint, stranger = make_endpoint(hosted_database), make_endpoint(hosted_database)
    forged = {
        "id": str(uuid.uuid4()),
        "user_id": str(stranger.user_id),
        "created_at": "2001-01-01",
        "external_id": "o1",
    }

    found = prepared(hosted_database, endpoint, fields=forged)

    order = one(hosted_database, "select * from public.orders")
    assert str(order["id"]) != forged["id"]
    assert order["user_id"] == endpoint.user_id
    assert order["created_at"].year != 2001
    assert found["entity_id"] == order["id"]
