"""Users, endpoints, events and rules made straight in SQL, and the RPCs called as the Data API calls them."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from shared.errors import error_classes
from tests.running_stack import act_as, add_user

Connection = psycopg.Connection[dict[str, Any]]
Row = dict[str, Any]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Endpoint:
    id: uuid.UUID
    user_id: uuid.UUID


@contextmanager
def acting(connection: Connection, role: str, user_id: uuid.UUID | None = None) -> Iterator[None]:
    """The block runs with this role and user, in a transaction (or savepoint) of its own."""
    with connection.transaction():
        act_as(connection, role, user_id)
        yield
        # A released savepoint would leave both to the rest of the transaction.
        connection.execute(
            "select set_config('role', 'none', true), set_config('request.jwt.claims', '', true)"
        )


def call(connection: Connection, function: str, **arguments: object) -> Any:
    """A service RPC, called as service_role."""
    with acting(connection, "service_role"):
        return rpc(connection, function, **arguments)


def call_as(connection: Connection, user_id: uuid.UUID, function: str, **arguments: object) -> Any:
    """A user's RPC, called with that user's token."""
    with acting(connection, "authenticated", user_id):
        return rpc(connection, function, **arguments)


def rpc(connection: Connection, function: str, **arguments: object) -> Any:
    """The RPC called as whoever the connection acts for. Lists and dicts go as JSON text, as over HTTP."""
    given = {
        name: json.dumps(value, default=str) if isinstance(value, list | dict) else value
        for name, value in arguments.items()
    }
    query = sql.SQL("select public.{}({}) as answer").format(
        sql.Identifier(function),
        sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name))
            for name in given
        ),
    )
    return one(connection, query, given)["answer"]


@contextmanager
def refused(code: str) -> Iterator[None]:
    """The block is refused with this number of ours (shared/errors.py), as the Data API's callers see it."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    status = next(error.status for error in error_classes() if error.sqlstate == code)
    assert caught.value.sqlstate == f"PT{status}", caught.value
    assert caught.value.diag.message_detail == code


def one(
    connection: Connection,
    query: str | sql.Composed,
    parameters: Mapping[str, Any] | Sequence[Any] = (),
) -> Row:
    """The single row of a query."""
    (row,) = connection.execute(query, parameters).fetchall()
    return row


def insert(connection: Connection, table: str, **columns: object) -> Row:
    """A row with these columns, past row level security; as it was stored."""
    values = {
        name: Jsonb(value) if isinstance(value, dict) else value for name, value in columns.items()
    }
    query = sql.SQL("insert into {} ({}) values ({}) returning *").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
    )
    return one(connection, query, values)


def make_user(connection: Connection) -> uuid.UUID:
    return add_user(connection)


def make_endpoint(
    connection: Connection, user_id: uuid.UUID | None = None, **columns: object
) -> Endpoint:
    """In automatic mode unless told otherwise."""
    values = {
        "name": "Shop",
        "slug": f"shop-{uuid.uuid4().hex[:12]}",
        "scheme": "none",
        "processing_mode": "automatic",
        "created_by": user_id or make_user(connection),
    }
    row = insert(connection, "public.webhook_endpoints", **values | columns)
    return Endpoint(row["id"], row["created_by"])


def make_event(connection: Connection, endpoint: Endpoint, **columns: object) -> uuid.UUID:
    """An event in the queue; an order of nobody's once it is past classify and review."""
    event_id = uuid7()
    values: dict[str, object] = {
        "id": event_id,
        "endpoint_id": endpoint.id,
        "user_id": endpoint.user_id,
        "event_type": "order.created",
        "payload": {"id": 1},
        "scheme": "none",
        "dedupe_key": f"id:{event_id}",
    }
    if columns.get("stage", "classify") not in {"classify", "review"}:
        values |= {"entity_table": "order", "is_person": False}
    insert(connection, "public.webhook_events", **values | columns)
    return event_id


def make_events(
    connection: Connection, endpoint: Endpoint, count: int, **columns: object
) -> set[uuid.UUID]:
    """Copies of one event under ids of their own."""
    first = make_event(connection, endpoint, **columns)
    query = """
        insert into public.webhook_events
        select (jsonb_populate_record(e, jsonb_build_object('id', n.id, 'dedupe_key', n.id))).*
        from public.webhook_events e, unnest(%s::uuid[]) as n (id) where e.id = %s returning id"""
    copies = connection.execute(query, [[uuid7() for _ in range(count - 1)], first]).fetchall()
    return {first, *(row["id"] for row in copies)}


def event(connection: Connection, event_id: uuid.UUID) -> Row:
    return one(connection, "select * from public.webhook_events where id = %s", [event_id])


def incoming(endpoint: Endpoint, body: bytes = b'{"id": 1}', **fields: object) -> Row:
    """A delivery as ingest hands it over, with a delivery id of its own unless told otherwise."""
    row_id = uuid7()
    return {
        "id": row_id,
        "endpoint_id": endpoint.id,
        "event_type": "order.created",
        "headers": {},
        "scheme": "none",
        "dedupe_key": f"id:{row_id}",
        "body": base64.b64encode(body).decode(),
        "content_type": "application/json",
    } | fields


def ingest(connection: Connection, *rows: Row) -> list[Row]:
    answer: list[Row] = call(connection, "ingest_events", p_events=list(rows))
    return answer


def states(answer: list[Row]) -> list[str]:
    """What became of each row of a group."""
    return [result["state"] for result in answer]


def claim(
    connection: Connection, stage: str, limit: int = 10, event_ids: list[uuid.UUID] | None = None
) -> Row:
    """A batch, leased for a minute."""
    answer: Row = call(
        connection, f"claim_{stage}", p_limit=limit, p_lease_seconds=60, p_event_ids=event_ids
    )
    return answer


def claimed_ids(batch: Row) -> set[uuid.UUID]:
    return {uuid.UUID(event["id"]) for event in batch["events"]}


def finish(connection: Connection, stage: str, lease_id: str, *results: Row) -> Row:
    answer: Row = call(connection, f"finish_{stage}", p_lease_id=lease_id, p_results=list(results))
    return answer


def work(connection: Connection, stage: str, event_id: uuid.UUID, **result: object) -> Row:
    """Claims this event, finishes it with this result, and returns what became of it."""
    batch = claim(connection, stage, event_ids=[event_id])
    assert claimed_ids(batch) == {event_id}
    answer = finish(connection, stage, batch["lease_id"], {"id": event_id, **result})
    assert answer == {"finished": [str(event_id)], "lost": []}
    return event(connection, event_id)


def classify(connection: Connection, event_id: uuid.UUID, **result: object) -> Row:
    """Classified as an order with certainty, unless told otherwise."""
    certain = {
        "entity_table": "order",
        "is_person": True,
        "confidence": 1,
        "classified_by": "embedding",
    }
    return work(connection, "classify", event_id, **certain | result)


def log(connection: Connection, event_id: uuid.UUID) -> list[Row]:
    """What the event's log says, oldest first."""
    return connection.execute(
        "select * from public.webhook_event_logs where webhook_event_id = %s order by processed_at",
        [event_id],
    ).fetchall()


def expire_leases(connection: Connection) -> None:
    """As if every lease had been given long ago."""
    connection.execute(
        "update public.webhook_events set leased_until = now() - interval '1 second' "
        "where lease_id is not null"
    )


def make_due(connection: Connection, event_id: uuid.UUID) -> None:
    """As if the wait before the next attempt were over."""
    connection.execute(
        "update public.webhook_events set run_after = now() where id = %s", [event_id]
    )


def at_once(url: str, times: int, act: Callable[[Connection, int], Answer]) -> list[Answer]:
    """What `act` returns on each of so many connections, all starting at the same moment."""
    barrier = threading.Barrier(times)

    def run(number: int) -> Answer:
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            barrier.wait(timeout=30)
            return act(connection, number)

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(run, range(times)))
