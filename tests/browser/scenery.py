"""Accounts with something in them, for pages to show."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
from psycopg.types.json import Jsonb

from shared.signatures import scheme_named
from tests.running_stack import User

Connection = psycopg.Connection[dict[str, Any]]
DEADLINE_SECONDS = 30


@dataclass
class Account:
    """A user, and what they do through the API."""

    user: User
    functions_url: str
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.user.token}"}
        self.client = httpx.Client(base_url=self.functions_url, headers=headers, timeout=30)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, f"/api{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def create_endpoint(self, **fields: Any) -> dict[str, Any]:
        body = {"name": "Shop", "scheme": "webhook_signature"} | fields
        made: dict[str, Any] = self.api("POST", "/endpoints", body)
        return made

    def create_webhook(self, url: str, **fields: Any) -> dict[str, Any]:
        body = {"name": "Receiver", "url": url, "events": ["order.*"]} | fields
        made: dict[str, Any] = self.api("POST", "/webhooks", body)
        return made

    def publish(self, event: str, **data: Any) -> str:
        made: dict[str, Any] = self.api("POST", "/events", {"event": event, "data": data})
        return str(made["id"])

    def send(self, endpoint: dict[str, Any], secret: str | None = None, **payload: Any) -> str:
        """Posts a webhook as the endpoint's source would; the event's id."""
        return post_signed(
            endpoint["url"], endpoint["scheme"], secret or endpoint["secret"] or "", payload
        )

    def wait_until(self, event_id: str, **facts: Any) -> dict[str, Any]:
        """The event, once it has come so far."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            event: dict[str, Any] = self.api("GET", f"/log/{event_id}")
            if all(event[name] == fact for name, fact in facts.items()):
                return event
            time.sleep(0.1)
        raise AssertionError(f"The event has not come to {facts}: {event}")


def signed(scheme_name: str, secret: str, payload: Any) -> tuple[bytes, dict[str, str]]:
    """A webhook's body and headers, as the endpoint's source would send them."""
    scheme = scheme_named(scheme_name)
    body = json.dumps(payload).encode()
    headers = scheme.sign(
        body, secret, scheme.settings({}), int(time.time()), delivery_id=str(uuid.uuid4())
    )
    return body, {"Content-Type": "application/json", **headers}


def post_signed(url: str, scheme_name: str, secret: str, payload: Any) -> str:
    body, headers = signed(scheme_name, secret, payload)
    answer = httpx.post(url, content=body, headers=headers, timeout=30)
    assert answer.is_success, answer.text
    return str(answer.json()["data"]["id"])


def post_with_curl(url: str, scheme_name: str, secret: str, payload: Any) -> str:
    """The same, posted by curl."""
    body, headers = signed(scheme_name, secret, payload)
    options = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["curl", "-sS", "--fail-with-body", url, *options, "--data-binary", "@-"]
    answer = subprocess.run(command, input=body, capture_output=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return str(json.loads(answer.stdout)["data"]["id"])


def order(number: int, **more: Any) -> dict[str, Any]:
    """A shop's order."""
    customer = {"name": "Ada Lovelace", "email": f"ada{number}@example.com"}
    data = {
        "id": f"ord_{number}",
        "order_number": number,
        "total": 12.5 + number,
        "currency": "EUR",
    }
    return {"event_type": "order.completed", "data": data | {"customer": customer} | more}


def add_history(database: Connection, account: Account, endpoint_id: str, webhook_id: str) -> None:
    """Events and attempts of the last day, which no test has time to wait for."""
    now = datetime.now(UTC)
    published = account.publish("order.shipped", orderId="ord_1")
    delivery = database.execute(
        "select id from public.webhook_deliveries where published_event_id = %s", [published]
    ).fetchone()
    assert delivery is not None
    with database.cursor() as cursor:
        for minute in (*range(60), *range(60, 24 * 60, 4)):
            at = now - timedelta(minutes=minute + 1, seconds=7)
            busy = 1 + (minute * 7) % 5 + (3 if minute > 60 and (minute // 60) % 6 < 2 else 0)
            for place in range(busy if minute < 180 else 1 + busy // 4):
                _add_event(cursor, account, endpoint_id, at, is_failed=(minute + place) % 23 == 0)
                _add_attempt(cursor, account, webhook_id, delivery["id"], published, at, place)
    count_anew(database)


def count_anew(database: Connection) -> None:
    """Has the sweep count what was put in behind its back."""
    database.execute("truncate private.activity_progress, public.activity")
    is_counted = False
    while not is_counted:
        row = database.execute(
            "select private.count_activity() > now() - interval '3 minutes' as is_counted"
        ).fetchone()
        is_counted = row is not None and bool(row["is_counted"])


def add_past(
    database: Connection, account: Account, endpoint_id: str, events: int, straws: int = 0
) -> uuid.UUID:
    """So many processed events, a minute apart from midnight of 2026-03-01 on, UTC; the id of the first, the needle.

    The newest of them say that they are straws.
    """
    rows = database.execute(
        "insert into public.webhook_events (id, endpoint_id, user_id, event_type, payload, scheme, dedupe_key, status,"
        " stage, entity_table, is_person, processed_at, created_at)"
        " select encode(overlay(uuid_send(private.first_id_at(t.at)) placing"
        " substring(uuid_send(gen_random_uuid()) from 7) from 7), 'hex')::uuid, %(endpoint)s, %(user)s,"
        " 'order.completed', jsonb_build_object('note', case"
        " when t.n = 0 then 'haystack needle' when t.n > %(events)s - %(straws)s then 'straw' else 'hay' end), 'none',"
        " 'id:' || t.n, 'processed', 'done', 'order', true, t.at, t.at"
        " from (select n, '2026-03-01Z'::timestamptz + n * interval '1 minute' as at"
        " from generate_series(0, %(events)s) n) t"
        " returning id, payload ->> 'note' as note",
        {
            "endpoint": endpoint_id,
            "user": account.user.id,
            "events": events,
            "straws": straws,
        },
    ).fetchall()
    (needle,) = (row["id"] for row in rows if "needle" in row["note"])
    found: uuid.UUID = needle
    return found


def _id_at(at: datetime) -> uuid.UUID:
    head = int(at.timestamp() * 1000).to_bytes(6, "big")
    return uuid.UUID(bytes=head + b"\x70" + uuid.uuid4().bytes[7:])


def _add_event(
    cursor: psycopg.Cursor[Any],
    account: Account,
    endpoint_id: str,
    at: datetime,
    *,
    is_failed: bool,
) -> None:
    event_id = _id_at(at)
    took = timedelta(milliseconds=180 + event_id.int % 900)
    cursor.execute(
        "insert into public.webhook_events (id, endpoint_id, user_id, event_type, external_id, payload, scheme, "
        "dedupe_key, status, stage, entity_table, is_person, ai_confidence, classified_by, error_message, "
        "processed_at, created_at) values (%s, %s, %s, 'order.completed', %s, %s, 'webhook_signature', %s, %s, %s, "
        "'order', true, 0.94, 'wordllama', %s, %s, %s)",
        [
            event_id,
            endpoint_id,
            account.user.id,
            f"ord_{event_id.int % 9000 + 1000}",
            Jsonb(order(event_id.int % 9000)),
            f"id:{event_id}",
            "failed" if is_failed else "processed",
            "rules" if is_failed else "done",
            "set_field: there is no field discount" if is_failed else None,
            None if is_failed else at + took,
            at,
        ],
    )


def _add_attempt(
    cursor: psycopg.Cursor[Any],
    account: Account,
    webhook_id: str,
    delivery_id: uuid.UUID,
    event_id: str,
    at: datetime,
    place: int,
) -> None:
    is_failed = (at.minute + place) % 19 == 0
    attempt_id = _id_at(at)
    cursor.execute(
        "insert into public.webhook_logs (id, delivery_id, webhook_id, user_id, published_event_id, event_type, "
        "is_test, attempt, outcome, error_code, error_message, response_status, latency_ms, attempted_at) values "
        "(%s, %s, %s, %s, %s, 'order.shipped', false, %s, %s, %s, %s, %s, %s, %s)",
        [
            attempt_id,
            delivery_id,
            webhook_id,
            account.user.id,
            event_id,
            attempt_id.int % 2_000_000_000 + 1000,
            "failed" if is_failed else "delivered",
            "status" if is_failed else None,
            "The receiver answered 503" if is_failed else None,
            503 if is_failed else 200,
            30 + attempt_id.int % 160,
            at,
        ],
    )
