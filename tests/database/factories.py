"""Users, endpoints, events and deliveries, made straight in SQL."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass

from psycopg import sql
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from tests.database.rpcs import Connection, Row, one
from tests.running_stack import add_user

PROCESSED: dict[str, str] = {"status": "processed", "stage": "done", "processed_at": "now"}
FAILED: dict[str, str] = {"status": "failed", "error_message": "No"}


@dataclass(frozen=True)
class Endpoint:
    id: uuid.UUID
    user_id: uuid.UUID


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


def make_admin(connection: Connection) -> uuid.UUID:
    admin = make_user(connection)
    insert(connection, "private.admins", user_id=admin)
    return admin


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


def in_review(connection: Connection, endpoint: Endpoint, **columns: object) -> uuid.UUID:
    classified = {"entity_table": "order", "is_person": True}
    return make_event(connection, endpoint, stage="review", **classified | columns)


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


def refusal(endpoint: Endpoint, **fields: object) -> Row:
    """A refused request as ingest hands it over."""
    return {
        "id": uuid7(),
        "endpoint_id": endpoint.id,
        "status": 401,
        "code": "invalid_signature",
        "reason": "no v1 in Stripe-Signature matches",
        "method": "POST",
        "headers": {"content-type": "application/json"},
        "body_bytes": 12,
        "created_at": "2026-05-28T20:26:40+00:00",
    } | fields
