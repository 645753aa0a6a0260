"""The same delivery twice is one event."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.database.factories import Endpoint, incoming, make_endpoint
from tests.database.pipeline import ingest, states
from tests.database.rpcs import Connection, at_once, one


def stored(connection: Connection, endpoint: Endpoint) -> int:
    query = "select count(*) from public.webhook_events where endpoint_id = %s"
    return int(one(connection, query, [endpoint.id])["count"])


def age(connection: Connection, event_id: object, by: timedelta) -> None:
    connection.execute(
        "update public.webhook_events set created_at = created_at - %s where id = %s",
        [by, event_id],
    )


def test_copies_within_a_group_are_one_event(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database)
    rows = [incoming(endpoint, dedupe_key="id:same") for _ in range(3)]

    answer = ingest(hosted_database, *rows)

    assert states(answer) == ["accepted", "duplicate", "duplicate"]
    assert {result["id"] for result in answer} == {str(rows[0]["id"])}


def test_the_same_delivery_id_at_two_endpoints_is_two_events(hosted_database: Connection) -> None:
    one_endpoint, other = make_endpoint(hosted_database), make_endpoint(hosted_database)

    answer = ingest(
        hosted_database,
        incoming(one_endpoint, dedupe_key="id:1"),
        incoming(other, dedupe_key="id:1"),
    )

    assert states(answer) == ["accepted", "accepted"]


def test_a_group_sent_again_after_its_answer_was_lost_is_not_stored_again(
    hosted_database: Connection,
) -> None:
    endpoint = make_endpoint(hosted_database)
    rows = [incoming(endpoint), incoming(endpoint)]
    ingest(hosted_database, *rows)

    answer = ingest(hosted_database, *rows)

    assert answer == [{"id": str(row["id"]), "state": "duplicate"} for row in rows]


def test_a_delivery_id_never_expires(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, dedupe_window_seconds=60)
    row = incoming(endpoint, dedupe_key="id:1")
    ingest(hosted_database, row)
    age(hosted_database, row["id"], timedelta(days=400))

    (result,) = ingest(hosted_database, incoming(endpoint, dedupe_key="id:1"))

    assert result == {"id": str(row["id"]), "state": "duplicate"}


@pytest.mark.parametrize(("seconds", "state"), [(59, "duplicate"), (61, "accepted")])
def test_an_equal_body_is_the_same_delivery_only_within_the_window(
    hosted_database: Connection, seconds: int, state: str
) -> None:
    endpoint = make_endpoint(hosted_database, dedupe_window_seconds=60)
    row = incoming(endpoint, dedupe_key="body:abc")
    ingest(hosted_database, row)
    age(hosted_database, row["id"], timedelta(seconds=seconds))

    assert states(ingest(hosted_database, incoming(endpoint, dedupe_key="body:abc"))) == [state]


def test_after_the_window_the_newer_row_holds_the_key(hosted_database: Connection) -> None:
    endpoint = make_endpoint(hosted_database, dedupe_window_seconds=60)
    old, new = (incoming(endpoint, dedupe_key="body:abc") for _ in range(2))
    ingest(hosted_database, old)
    age(hosted_database, old["id"], timedelta(seconds=61))
    ingest(hosted_database, new)

    (result,) = ingest(hosted_database, incoming(endpoint, dedupe_key="body:abc"))

    assert result == {"id": str(new["id"]), "state": "duplicate"}
    assert stored(hosted_database, endpoint) == 2


def test_fifty_parallel_copies_are_one_event(
    committed: Connection, hosted_database_url: str
) -> None:
    endpoint = make_endpoint(committed)
    answers = at_once(
        hosted_database_url,
        10,
        lambda connection, _: [
            ingest(connection, incoming(endpoint, dedupe_key="id:same"))[0] for _ in range(5)
        ],
    )
    results = [result for answer in answers for result in answer]

    assert sorted(result["state"] for result in results) == ["accepted"] + ["duplicate"] * 49
    assert len({result["id"] for result in results}) == 1
    assert stored(committed, endpoint) == 1


def test_groups_with_the_same_keys_in_opposite_order_do_not_deadlock(
    committed: Connection, hosted_database_url: str
) -> None:
    endpoint = make_endpoint(committed, dedupe_window_seconds=0)
    keys = [f"body:{number}" for number in range(40)]

    def send(connection: Connection, number: int) -> list[str]:
        ordered = keys if number % 2 else keys[::-1]
        return [
            state
            for _ in range(5)
            for state in states(
                ingest(connection, *(incoming(endpoint, dedupe_key=key) for key in ordered))
            )
        ]

    answers = at_once(hosted_database_url, 6, send)

    # With no window at all every copy may count as new; none may be refused or lost.
    given = [state for answer in answers for state in answer]
    assert set(given) <= {"accepted", "duplicate"}
    assert given.count("accepted") == stored(committed, endpoint)
