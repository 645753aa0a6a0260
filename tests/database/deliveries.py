"""Webhooks, published events, and deliveries taken through the queue by its RPCs, as dispatch would."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from tests.database.factories import insert, make_user
from tests.database.rpcs import Connection, Row, call, call_as, one

EVENT = "order.completed"


@dataclass(frozen=True)
class Webhook:
    id: uuid.UUID
    user_id: uuid.UUID


def make_webhook(
    connection: Connection,
    user_id: uuid.UUID | None = None,
    concurrency: int = 1000,
    **columns: object,
) -> Webhook:
    """Subscribes to everything unless told otherwise, and has shown that it can take all at once."""
    values = {
        "name": "Shop",
        "url": "https://example.com/hook",
        "events": ["*"],
        "created_by": user_id or make_user(connection),
    }
    row = insert(connection, "public.webhooks", **values | columns)
    connection.execute(
        "update private.webhook_states set concurrency = %s where webhook_id = %s",
        [concurrency, row["id"]],
    )
    return Webhook(row["id"], row["created_by"])


def publish(
    connection: Connection,
    user_id: uuid.UUID,
    event_type: str = EVENT,
    data: object = None,
    key: str | None = None,
) -> uuid.UUID:
    """Publishes as the service would; the event's id."""
    answer = call(
        connection,
        "publish_event",
        p_type=event_type,
        p_data={"id": 1} if data is None else data,
        p_user_id=user_id,
        p_idempotency_key=key,
    )
    return uuid.UUID(answer["id"])


def make_delivery(connection: Connection, webhook: Webhook, **columns: object) -> uuid.UUID:
    """A delivery of an event of its own, due at once."""
    event = insert(
        connection,
        "public.published_events",
        user_id=webhook.user_id,
        type=EVENT,
        data={"id": 1},
        is_test=columns.get("is_test", False),
    )
    values = {
        "published_event_id": event["id"],
        "webhook_id": webhook.id,
        "user_id": webhook.user_id,
    }
    row_id: uuid.UUID = insert(connection, "public.webhook_deliveries", **values | columns)["id"]
    return row_id


def make_deliveries(
    connection: Connection, webhook: Webhook, count: int, **columns: object
) -> set[uuid.UUID]:
    """Deliveries that differ in their events only."""
    first = make_delivery(connection, webhook, **columns)
    query = """
        with events as (
          insert into public.published_events (user_id, type, data, is_test)
          select e.user_id, e.type, e.data, e.is_test
          from public.published_events e, generate_series(2, %(count)s)
          where e.id = (select d.published_event_id from public.webhook_deliveries d where d.id = %(first)s)
          returning id
        )
        insert into public.webhook_deliveries
        select (jsonb_populate_record(d, jsonb_build_object(
          'id', gen_random_uuid(), 'published_event_id', e.id))).*
        from public.webhook_deliveries d, events e where d.id = %(first)s returning id"""
    copies = connection.execute(query, {"count": count, "first": first}).fetchall()
    return {first, *(row["id"] for row in copies)}


def claim_deliveries(
    connection: Connection,
    limit: int = 100,
    per_webhook: int = 100,
    delivery_ids: Iterable[uuid.UUID] | None = None,
) -> Row:
    """A batch, leased for a minute."""
    batch: Row = call(
        connection,
        "claim_deliveries",
        p_limit=limit,
        p_per_webhook=per_webhook,
        p_lease_seconds=60,
        p_delivery_ids=None if delivery_ids is None else list(delivery_ids),
    )
    return batch


def claimed(batch: Row) -> set[uuid.UUID]:
    return {uuid.UUID(delivery["id"]) for delivery in batch["deliveries"]}


def shares(batch: Row) -> dict[uuid.UUID, int]:
    """How many deliveries of a batch each webhook has."""
    found: dict[uuid.UUID, int] = {}
    for delivery in batch["deliveries"]:
        webhook_id = uuid.UUID(delivery["webhook_id"])
        found[webhook_id] = found.get(webhook_id, 0) + 1
    return found


def results(batch: Row, state: str = "delivered", **fields: object) -> list[Row]:
    """What dispatch reports where every delivery of a batch ended the same."""
    outcome: dict[str, dict[str, object]] = {
        "delivered": {"response_status": 200},
        "retry": {"response_status": 500, "error_message": "No", "delay_seconds": 60},
        "failed": {"response_status": 500, "error_message": "No"},
        "filtered": {},
    }
    return [
        {
            "id": delivery["id"],
            "lease_id": batch["lease_id"],
            "attempt": delivery["attempt"],
            "state": state,
        }
        | outcome[state]
        | fields
        for delivery in batch["deliveries"]
    ]


def finish_deliveries(connection: Connection, reports: list[Row]) -> Row:
    answer: Row = call(connection, "finish_deliveries", p_results=reports)
    return answer


def work_deliveries(
    connection: Connection,
    delivery_id: uuid.UUID | None = None,
    state: str = "delivered",
    **fields: object,
) -> list[Row]:
    """Claims this delivery (or what is due), finishes with this state; what became of each."""
    named = None if delivery_id is None else [delivery_id]
    batch = claim_deliveries(connection, delivery_ids=named)
    assert batch["deliveries"]
    finish_deliveries(connection, results(batch, state, **fields))
    return [delivery(connection, claimed_id) for claimed_id in claimed(batch)]


def delivery(connection: Connection, delivery_id: uuid.UUID) -> Row:
    return one(connection, "select * from public.webhook_deliveries where id = %s", [delivery_id])


def webhook_row(connection: Connection, webhook: Webhook) -> Row:
    return one(connection, "select * from public.webhooks where id = %s", [webhook.id])


def state_of(connection: Connection, webhook: Webhook) -> Row:
    """How a webhook has fared, and how many its minute has had."""
    query = """select consecutive_failures, failing_since, window_used
        from private.webhook_states where webhook_id = %s"""
    return one(connection, query, [webhook.id])


def attempts(connection: Connection, delivery_id: uuid.UUID) -> list[Row]:
    """The log of a delivery, by attempt."""
    return connection.execute(
        "select * from public.webhook_logs where delivery_id = %s order by attempt", [delivery_id]
    ).fetchall()


def published(connection: Connection, user_id: uuid.UUID | None = None) -> list[Row]:
    """What was published (by this user), in the order of names."""
    return connection.execute(
        "select * from public.published_events where user_id = coalesce(%s, user_id) "
        "order by type, created_at",
        [user_id],
    ).fetchall()


def receivers(connection: Connection, event_id: uuid.UUID) -> set[uuid.UUID]:
    """Webhooks that an event is queued for."""
    found = connection.execute(
        "select webhook_id from public.webhook_deliveries where published_event_id = %s", [event_id]
    )
    return {row["webhook_id"] for row in found}


def expire_delivery_leases(connection: Connection) -> None:
    """As if every lease had been given long ago."""
    connection.execute(
        "update public.webhook_deliveries set leased_until = now() - interval '1 second' "
        "where lease_id is not null"
    )


def make_deliveries_due(connection: Connection) -> None:
    """As if every wait before the next attempt were over."""
    connection.execute(
        "update public.webhook_deliveries set run_after = now() where status = 'pending'"
    )


def set_webhook(connection: Connection, webhook: Webhook, **columns: object) -> None:
    query = sql.SQL("update public.webhooks set {} where id = {}").format(
        sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), value)
            for name, value in columns.items()
        ),
        webhook.id,
    )
    connection.execute(query)


def manage(connection: Connection, user_id: uuid.UUID, function: str, **arguments: object) -> Row:
    """A user's RPC about webhooks."""
    answer: Row = call_as(connection, user_id, function, **arguments)
    return answer


def try_out(connection: Connection, webhook: Webhook, **arguments: object) -> Row:
    """A test that the webhook's owner sends."""
    return manage(connection, webhook.user_id, "test_webhook", p_webhook_id=webhook.id, **arguments)
