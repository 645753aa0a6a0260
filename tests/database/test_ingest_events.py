"""public.ingest_events: what is stored, what is refused, and what the answer says of each row."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode

import psycopg
import pytest

from tests.database.factories import Endpoint, incoming, make_endpoint
from tests.database.pipeline import event, ingest, states
from tests.database.rpcs import Connection, call, listening, one


def stored(connection: Connection, endpoint: Endpoint) -> int:
    query = "select count(*) from public.webhook_events where endpoint_id = %s"
    return int(one(connection, query, [endpoint.id])["count"])


def test_an_accepted_delivery_is_stored_whole(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    row = incoming(
        endpoint,
        b'{"total": 5}',
        external_id="ord_1",
        headers={"user-agent": "shop"},
        scheme="stripe",
    )

    assert ingest(hosted_database, row) == [{"id": str(row["id"]), "state": "accepted"}]

    found = event(hosted_database, row["id"])
    assert found["payload"] == {"total": 5}
    assert found["headers"] == {"user-agent": "shop"}
    assert (found["external_id"], found["event_type"], found["scheme"]) == (
        "ord_1",
        "order.created",
        "stripe",
    )
    assert (found["status"], found["stage"], found["attempts"]) == ("pending", "classify", 0)
    assert found["user_id"] == endpoint.user_id


def test_results_come_in_the_order_of_the_rows(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    off = make_endpoint(hosted_database, is_active=False)
    slow = make_endpoint(hosted_database, rate_limit_per_minute=1)
    nowhere = Endpoint(uuid.uuid4(), endpoint.user_id)
    first = incoming(endpoint, dedupe_key="id:1")
    ingest(hosted_database, first)
    rows = [
        incoming(slow),
        incoming(off),
        incoming(endpoint, dedupe_key="id:1"),
        incoming(nowhere),
        incoming(endpoint),
        incoming(slow),
    ]

    answer = ingest(hosted_database, *rows)

    assert states(answer) == [
        "accepted",
        "endpoint_inactive",
        "duplicate",
        "unknown_endpoint",
        "accepted",
        "rate_limited",
    ]
    expected = [str(row["id"]) for row in rows]
    expected[2] = str(first["id"])
    assert [result["id"] for result in answer] == expected


def test_an_empty_group_has_no_results(hosted_database: Connection) -> None:
    assert ingest(hosted_database) == []


def test_the_body_is_kept_byte_for_byte(hosted_database: Connection) -> None:
    body = b'{ "caf\\u00e9" :\t"caf\xc3\xa9 \xf0\x9f\x93\xa6", "n": 1.500 }\r\n'
    row = incoming(make_endpoint(hosted_database), body, content_type="application/json; charset=x")

    ingest(hosted_database, row)

    query = "select body, content_type from private.webhook_bodies where webhook_event_id = %s"
    kept = one(hosted_database, query, [row["id"]])
    assert bytes(kept["body"]) == body
    assert kept["content_type"] == "application/json; charset=x"


def test_a_payload_given_beside_the_body_is_the_one_stored(hosted_database: Connection) -> None:
    row = incoming(make_endpoint(hosted_database), b'{"a": "\\u0000"}', payload={"a": "\ufffd"})

    ingest(hosted_database, row)

    assert event(hosted_database, row["id"])["payload"] == {"a": "\ufffd"}


@pytest.mark.parametrize(
    ("bad", "sqlstate"),
    [
        ({"body": b64encode(b'{"a": "\\u0000"}').decode()}, "22P05"),
        ({"body": b64encode(b'{"a": "\\ud800"}').decode()}, "22P02"),
        ({"body": b64encode(b'{"a": 1e999999}').decode()}, "22003"),
        ({"body": b64encode(b"[" * 100_000 + b"]" * 100_000).decode()}, "54001"),
        ({"body": b64encode(b'{"a": "\xff"}').decode()}, "22021"),
        ({"body": b64encode(b"{").decode()}, "22P02"),
        ({"body": "not base64!"}, "22023"),
        ({"id": "not-a-uuid"}, "22P02"),
        ({"event_type": None}, "23502"),
        ({"dedupe_key": None}, "23502"),
        ({"dedupe_key": "id:" + "".join(str(n) for n in range(20_000))}, "54000"),
    ],
)
def test_a_bad_row_is_refused_and_its_group_is_stored(
    hosted_database: Connection, bad: dict[str, object], sqlstate: str
) -> None:
    endpoint = make_endpoint(hosted_database)
    rows = [incoming(endpoint), incoming(endpoint) | bad, incoming(endpoint)]

    answer = ingest(hosted_database, *rows)

    assert states(answer) == ["accepted", "rejected", "accepted"]
    assert answer[1] == {"id": str(rows[1]["id"]), "state": "rejected", "sqlstate": sqlstate}
    assert stored(hosted_database, endpoint) == 2


def test_a_bad_row_takes_nothing_of_the_rate_limit(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, rate_limit_per_minute=2)
    bad = incoming(endpoint, b'{"a": "\\u0000"}')

    answer = ingest(hosted_database, bad, incoming(endpoint), incoming(endpoint))

    assert states(answer) == ["rejected", "accepted", "accepted"]


def test_text_that_is_no_array_is_refused(hosted_database: Connection) -> None:
    with pytest.raises(psycopg.DataError):
        call(hosted_database, "ingest_events", p_events=json.dumps("rows"))


def test_a_deactivated_endpoint_stores_nothing(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, is_active=False)

    assert states(ingest(hosted_database, incoming(endpoint))) == ["endpoint_inactive"]
    assert stored(hosted_database, endpoint) == 0


def test_a_deleted_endpoint_is_unknown_and_its_events_are_gone(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    ingest(hosted_database, incoming(endpoint))
    hosted_database.execute("delete from public.webhook_endpoints where id = %s", [endpoint.id])

    assert states(ingest(hosted_database, incoming(endpoint))) == ["unknown_endpoint"]
    assert stored(hosted_database, endpoint) == 0


def test_an_accepted_group_wakes_classify_once(
    committed: Connection, hosted_database_url: str
) -> None:
    endpoint = make_endpoint(committed)
    with listening(hosted_database_url) as woken:
        ingest(committed, *(incoming(endpoint) for _ in range(20)))

    assert woken == ["classify"]


def test_a_group_of_duplicates_wakes_nobody(
    committed: Connection, hosted_database_url: str
) -> None:
    row = incoming(make_endpoint(committed), dedupe_key="id:1")
    ingest(committed, row)
    with listening(hosted_database_url) as woken:
        ingest(committed, row)

    assert woken == []
