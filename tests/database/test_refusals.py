"""Refused requests: the last hundred of each endpoint, whatever comes, and for its owner alone."""

from __future__ import annotations

import json
import uuid

import psycopg
import pytest
from uuid_utils.compat import uuid7

from tests.database.factories import Endpoint, make_endpoint, refusal
from tests.database.rpcs import Connection, Row, acting, at_once, call, one

KEPT = 100


def record(connection: Connection, *refusals: Row) -> None:
    call(connection, "record_refusals", p_refusals=list(refusals))


def kept(connection: Connection, endpoint: Endpoint) -> list[uuid.UUID]:
    """Ids of what is kept, oldest first."""
    rows = connection.execute(
        "select id from public.webhook_refusals where endpoint_id = %s order by id", [endpoint.id]
    )
    return [row["id"] for row in rows]


@pytest.fixture
def endpoint(hosted_database: Connection) -> Endpoint:
    return make_endpoint(hosted_database)


def test_a_refusal_is_kept_for_the_owner_of_its_endpoint(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    given = refusal(endpoint, body_start="ew==")
    record(hosted_database, given)
    row = one(hosted_database, "select * from public.webhook_refusals")
    assert row["user_id"] == endpoint.user_id
    assert row["created_at"].isoformat() == "2026-05-28T20:26:40+00:00"
    same = given.keys() - {"created_at"}
    assert {name: row[name] for name in same} == {name: given[name] for name in same}


def test_the_newest_hundred_of_each_endpoint_stay(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    other = make_endpoint(hosted_database)
    record(hosted_database, refusal(other))
    ids: list[uuid.UUID] = []
    for count in (60, 60, 1, 250):
        batch = [refusal(endpoint) for _ in range(count)]
        ids += [row["id"] for row in batch]
        record(hosted_database, *batch)
        assert kept(hosted_database, endpoint) == ids[-KEPT:]
    assert len(kept(hosted_database, other)) == 1


def test_the_same_refusal_twice_is_one(hosted_database: Connection, endpoint: Endpoint) -> None:
    given = refusal(endpoint)
    record(hosted_database, given)
    record(hosted_database, given)
    assert kept(hosted_database, endpoint) == [given["id"]]


def test_refusals_of_an_endpoint_that_is_gone_are_left_out(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    gone = Endpoint(uuid7(), endpoint.user_id)
    record(hosted_database, refusal(gone), refusal(endpoint))
    assert one(hosted_database, "select count(*) from public.webhook_refusals")["count"] == 1


def test_they_go_with_their_endpoint(hosted_database: Connection, endpoint: Endpoint) -> None:
    record(hosted_database, refusal(endpoint))
    hosted_database.execute("delete from public.webhook_endpoints where id = %s", [endpoint.id])
    assert kept(hosted_database, endpoint) == []


def test_nothing_to_record_is_nothing_wrong(hosted_database: Connection) -> None:
    record(hosted_database)


def test_long_texts_are_cut(hosted_database: Connection, endpoint: Endpoint) -> None:
    record(hosted_database, refusal(endpoint, reason="x" * 600, method="M" * 30))
    row = one(hosted_database, "select reason, method from public.webhook_refusals")
    assert (len(row["reason"]), len(row["method"])) == (500, 20)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 500},
        {"status": 202},
        {"code": "Not a code"},
        {"headers": [1]},
        {"headers": {"x": "y" * 33_000}},
        {"body_start": "A" * 22_001},
        {"created_at": None},
    ],
)
def test_impossible_refusals_are_refused(
    fields: Row, hosted_database: Connection, endpoint: Endpoint
) -> None:
    with pytest.raises(psycopg.errors.IntegrityError):
        record(hosted_database, refusal(endpoint, **fields))


def test_only_the_service_records(hosted_database: Connection, endpoint: Endpoint) -> None:
    rows = json.dumps([refusal(endpoint)], default=str)
    for role, user in (("anon", None), ("authenticated", endpoint.user_id)):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            acting(hosted_database, role, user),
        ):
            hosted_database.execute("select public.record_refusals(%s)", [rows])


@pytest.fixture
def two(committed: Connection) -> list[Endpoint]:
    return [make_endpoint(committed), make_endpoint(committed)]


def test_calls_at_once_keep_no_more_and_do_not_deadlock(
    hosted_database_url: str, committed: Connection, two: list[Endpoint]
) -> None:
    def write(connection: Connection, number: int) -> None:
        order = two if number % 2 else two[::-1]
        for _ in range(5):
            record(connection, *(refusal(endpoint) for endpoint in order for _ in range(20)))

    at_once(hosted_database_url, 6, write)
    assert [len(kept(committed, endpoint)) for endpoint in two] == [KEPT, KEPT]


def test_the_delete_finds_what_is_too_much_by_the_index(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    record(hosted_database, *(refusal(endpoint) for _ in range(3)))
    for way in ("seqscan", "bitmapscan", "sort"):
        hosted_database.execute(f"set local enable_{way} = off")
    plan = hosted_database.execute(
        "explain select x.id from public.webhook_refusals x where x.endpoint_id = %s"
        " order by x.id desc offset 100",
        [endpoint.id],
    ).fetchall()
    text = "\n".join(row["QUERY PLAN"] for row in plan)
    assert "webhook_refusals_endpoint_id_idx" in text
    assert "Sort" not in text
