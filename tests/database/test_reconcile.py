"""Events fetched from their vendor: stored as if they had come, for the owner's own endpoint, and no further."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest

from tests.database.factories import Endpoint, incoming, make_endpoint, make_user
from tests.database.pipeline import event, ingest, log, states
from tests.database.rpcs import Connection, Row, call_as, listening, one, refused

STATE = {"cursor": "v1_1"}


@pytest.fixture
def endpoint(hosted_database: Connection) -> Endpoint:
    return make_endpoint(hosted_database, scheme="github")


def fetched(endpoint: Endpoint, **fields: Any) -> Row:
    """An event as the API hands it over."""
    row = incoming(endpoint) | fields
    return {name: row[name] for name in row.keys() - {"id", "endpoint_id", "scheme"}}


def reconcile(
    connection: Connection, endpoint: Endpoint, *events: Row, state: Row | None = None
) -> list[Row]:
    answer: list[Row] = call_as(
        connection,
        endpoint.user_id,
        "reconcile_endpoint",
        p_endpoint_id=endpoint.id,
        p_events=list(events),
        p_state=state,
    )
    return answer


def state_of(connection: Connection, endpoint: Endpoint) -> list[Row]:
    return connection.execute(
        "select user_id, state from public.endpoint_reconciliations where endpoint_id = %s",
        [endpoint.id],
    ).fetchall()


def test_a_fetched_event_is_in_the_queue_and_its_log_says_who_fetched_it(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    (result,) = reconcile(hosted_database, endpoint, fetched(endpoint, event_type="push"))

    assert result["state"] == "accepted"
    found = event(hosted_database, uuid.UUID(result["id"]))
    assert (found["endpoint_id"], found["user_id"]) == (endpoint.id, endpoint.user_id)
    assert (found["stage"], found["status"], found["scheme"]) == ("classify", "pending", "github")
    assert (found["event_type"], found["payload"]) == ("push", {"id": 1})
    (step,) = log(hosted_database, found["id"])
    assert step["action_type"] == "reconcile"
    assert step["result"] == {"by": str(endpoint.user_id)}


def test_what_came_by_itself_is_a_duplicate(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    row = incoming(endpoint, dedupe_key="id:guid-1")
    ingest(hosted_database, row)

    answer = reconcile(hosted_database, endpoint, fetched(endpoint, dedupe_key="id:guid-1"))

    assert answer == [{"id": str(row["id"]), "state": "duplicate"}]
    assert log(hosted_database, row["id"]) == []


def test_it_is_always_the_named_endpoint_and_its_scheme(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    other = make_endpoint(hosted_database)
    forged = fetched(endpoint) | {"endpoint_id": other.id, "id": uuid.uuid4(), "scheme": "stripe"}

    (result,) = reconcile(hosted_database, endpoint, forged)

    found = event(hosted_database, uuid.UUID(result["id"]))
    assert (found["endpoint_id"], found["scheme"]) == (endpoint.id, "github")
    assert found["id"] != forged["id"]


def test_how_far_it_came_is_kept_until_the_next_time(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    reconcile(hosted_database, endpoint, state={"cursor": "v1_2"})
    reconcile(hosted_database, endpoint, fetched(endpoint), state=STATE)
    reconcile(hosted_database, endpoint, state=None)

    assert state_of(hosted_database, endpoint) == [{"user_id": endpoint.user_id, "state": STATE}]


def test_what_the_rate_limit_held_back_has_to_be_fetched_again(
    hosted_database: Connection,
) -> None:
    endpoint = make_endpoint(hosted_database, scheme="stripe", rate_limit_per_minute=1)

    answer = reconcile(hosted_database, endpoint, fetched(endpoint), fetched(endpoint), state=STATE)

    assert states(answer) == ["accepted", "rate_limited"]
    assert state_of(hosted_database, endpoint) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"dedupe_key": None},
        {"dedupe_key": "id:"},
        {"dedupe_key": "body:ab"},
        {"dedupe_key": "id:" + "x" * 300},
        {"event_type": None},
        {"event_type": ""},
        {"event_type": "x" * 256},
        {"external_id": "x" * 256},
        {"headers": [1]},
        {"headers": {"x": "y" * 33_000}},
        {"content_type": "x" * 201},
        {"body": None},
        {"body": base64.b64encode(b"[1]").decode()},
        {"body": base64.b64encode(b'{"a":' * 65 + b"1" + b"}" * 65).decode()},
        {"body": base64.b64encode(b'{"a": "' + b"x" * 1_048_576 + b'"}').decode()},
        {"payload": {"a": "\u0000"}},
    ],
)
def test_what_ingest_would_not_let_through_is_refused(
    hosted_database: Connection, endpoint: Endpoint, fields: Row
) -> None:
    with refused("WH001"):
        reconcile(hosted_database, endpoint, fetched(endpoint), fetched(endpoint) | fields)

    assert one(hosted_database, "select count(*) from public.webhook_events")["count"] == 0


def test_a_call_takes_a_hundred_events(hosted_database: Connection, endpoint: Endpoint) -> None:
    events = [fetched(endpoint) for _ in range(101)]
    assert len(reconcile(hosted_database, endpoint, *events[:100])) == 100
    with refused("WH001"):
        reconcile(hosted_database, endpoint, *events)


@pytest.mark.parametrize("columns", [{"scheme": "none"}, {"scheme": "github", "is_active": False}])
def test_only_active_endpoints_of_a_vendor_that_can_be_asked(
    hosted_database: Connection, columns: Row
) -> None:
    endpoint = make_endpoint(hosted_database, **columns)
    with refused("WH017"):
        reconcile(hosted_database, endpoint, fetched(endpoint))


def test_the_endpoint_of_another_is_not_found(
    hosted_database: Connection, endpoint: Endpoint
) -> None:
    stranger = Endpoint(endpoint.id, make_user(hosted_database))
    with refused("WH007"):
        reconcile(hosted_database, stranger, fetched(endpoint), state=STATE)


def test_it_wakes_classify(committed: Connection, hosted_database_url: str) -> None:
    endpoint = make_endpoint(committed, scheme="stripe")
    with listening(hosted_database_url) as woken:
        reconcile(committed, endpoint, fetched(endpoint))
    assert woken == ["classify"]
