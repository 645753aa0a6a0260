"""A past for one user, made in SQL: events of the last week, and as many deliveries with an attempt each.

A third is of the last hour, a third of the last day, a third of the week, so that every span has much to count.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.running_stack import User

RARE = 5
"""So many events, the oldest of all, are of an endpoint and a type of their own, and say `needle`."""

PAYLOAD = {
    "event_type": "order.completed",
    "data": {"total": 129.9, "currency": "EUR", "note": "x" * 300},
}

# The time of row n, and an id of that time. What is added later lies between what is there.
TIMES = """
select n, at, overlay(uuid_send(private.first_id_at(at))
  placing substring(uuid_send(gen_random_uuid()) from 7) from 7) as bytes
from (
  select n, now() - interval '2 seconds' - random() * (case n %% 3
    when 0 then interval '1 hour' when 1 then interval '1 day' else interval '7 days' end - interval '10 minutes') as at
  from generate_series(1, %(rows)s) n) as times
"""
RARE_TIMES = """
select n, at, overlay(uuid_send(private.first_id_at(at))
  placing substring(uuid_send(gen_random_uuid()) from 7) from 7) as bytes
from (select n, now() - interval '7 days' + interval '9 minutes' + n * interval '1 second' as at
  from generate_series(1, %(rows)s) n) as times
"""
EVENTS = """
insert into public.webhook_events (id, endpoint_id, user_id, external_id, event_type, payload, scheme, dedupe_key,
  status, stage, entity_table, is_person, ai_confidence, classified_by, error_message, processed_at, created_at)
select encode(t.bytes, 'hex')::uuid, (%(endpoints)s::uuid[])[1 + t.n %% cardinality(%(endpoints)s::uuid[])], %(user)s,
  'ord_' || t.n, 'order.completed', %(payload)s::jsonb, 'none', gen_random_uuid()::text,
  (case k.kind when 0 then 'failed' when 1 then 'pending' else 'processed' end)::public.webhook_event_status,
  (case k.kind when 0 then 'rules' when 1 then 'review' else 'done' end)::public.webhook_event_stage,
  %(type)s, true, 0.9, 'wordllama', case k.kind when 0 then 'It broke' end,
  case when k.kind > 1 then t.at + random() * interval '1 second' end, t.at
from ({times}) t, lateral (select case when %(type)s = 'order' then t.n %% 20 else 2 end as kind) k
"""
DELIVERIES = """
with times as materialized ({times}), published as (
  insert into public.published_events (id, user_id, type, data, created_at)
  select encode(t.bytes, 'hex')::uuid, %(user)s, 'order.shipped', '{{"orderId": "ord_1"}}', t.at from times t
  returning id, created_at
), sent as (
  insert into public.webhook_deliveries (id, published_event_id, webhook_id, user_id, status, attempts, run_after,
    response_status, error_message, finished_at, created_at)
  select encode(t.bytes, 'hex')::uuid, encode(t.bytes, 'hex')::uuid,
    (%(webhooks)s::uuid[])[1 + t.n / 3 %% cardinality(%(webhooks)s::uuid[])], %(user)s,
    (case when t.n %% 20 = 0 then 'failed' else 'delivered' end)::public.webhook_delivery_status, 1, t.at,
    case when t.n %% 20 = 0 then 503 else 200 end, case when t.n %% 20 = 0 then 'The receiver answered 503' end,
    t.at, t.at
  from times t
  returning id, webhook_id, status, response_status, error_message, created_at
)
insert into public.webhook_logs (id, delivery_id, webhook_id, user_id, published_event_id, event_type, is_test, attempt,
  outcome, error_message, response_status, latency_ms, attempted_at)
select s.id, s.id, s.webhook_id, %(user)s, s.id, 'order.shipped', false, 1, s.status::text, s.error_message,
  s.response_status, 20 + random() * 200, s.created_at
from sent s
"""


@dataclass(frozen=True)
class Past:
    """Whose past it is, and what it is of."""

    database: psycopg.Connection[Any]
    user: User
    endpoints: list[uuid.UUID]
    webhooks: list[uuid.UUID]
    quiet_endpoint: uuid.UUID

    @classmethod
    def of(cls, database: psycopg.Connection[Any], user: User) -> Past:
        """Endpoints and webhooks to begin with, and the few events that are hard to find."""
        made = [_add_endpoint(database, user, number) for number in range(6)]
        webhooks = [_add_webhook(database, user, number) for number in range(3)]
        past = cls(database, user, made[1:], webhooks, made[0])
        payload = PAYLOAD | {"word": "needle"}
        past._add_events(RARE, [past.quiet_endpoint], "ticket", payload, RARE_TIMES)
        return past

    def grow(self, rows: int) -> None:
        """So many events more, and so many deliveries; counted by the planner, as autovacuum would."""
        self._add_events(rows, self.endpoints, "order", PAYLOAD, TIMES)
        given = {"rows": rows, "user": self.user.id, "webhooks": self.webhooks}
        self.database.execute(DELIVERIES.format(times=TIMES), given)
        # As if the sweep had counted all along.
        self.database.execute("truncate private.activity_progress, public.activity")
        row = self.database.execute("select now() - interval '3 minutes'").fetchone()
        assert row is not None
        counted = None
        while counted is None or counted < row[0]:
            answer = self.database.execute("select private.count_activity()").fetchone()
            assert answer is not None
            counted = answer[0]
        self.database.execute(
            "vacuum analyze public.webhook_events, public.published_events, public.webhook_deliveries,"
            " public.webhook_logs, public.activity"
        )

    def newest(self, table: str) -> uuid.UUID:
        row = self.database.execute(
            f"select id from public.{table} where user_id = %s order by id desc limit 1",  # noqa: S608
            [self.user.id],
        ).fetchone()
        assert row is not None
        newest: uuid.UUID = row[0]
        return newest

    def _add_events(
        self,
        rows: int,
        endpoints: list[uuid.UUID],
        entity_type: str,
        payload: dict[str, Any],
        times: str,
    ) -> None:
        self.database.execute(
            EVENTS.format(times=times),
            {
                "rows": rows,
                "user": self.user.id,
                "endpoints": endpoints,
                "type": entity_type,
                "payload": json.dumps(payload),
            },
        )


def _add_endpoint(database: psycopg.Connection[Any], user: User, number: int) -> uuid.UUID:
    made = uuid.uuid4()
    database.execute(
        "insert into public.webhook_endpoints (id, name, slug, scheme, created_by) values (%s, %s, %s, 'none', %s)",
        [made, f"Shop {number}", made.hex, user.id],
    )
    return made


def _add_webhook(database: psycopg.Connection[Any], user: User, number: int) -> uuid.UUID:
    made = uuid.uuid4()
    database.execute(
        "insert into public.webhooks (id, name, url, events, created_by)"
        " values (%s, %s, 'https://receiver.example.com/in', '{order.*}', %s)",
        [made, f"Receiver {number}", user.id],
    )
    return made
