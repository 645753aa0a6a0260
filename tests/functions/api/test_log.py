"""The log over HTTP, on a real database."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from shared.management.events import first_id_at
from tests.functions.api.conftest import Account, Connection, MakeEvent, data_of, refused

PROCESSED = {"stage": "done", "status": "processed", "processed_at": "2026-01-02T03:04:05Z"}
FAILED = {"stage": "rules", "status": "failed", "error_message": "tag: no such tag"}


@pytest.fixture
async def endpoint(anna: Account) -> dict[str, Any]:
    return await anna.create_endpoint()


async def logged(account: Account, endpoint: dict[str, Any], **query: Any) -> list[str]:
    params = {"endpointId": endpoint["id"], **query}
    page = await data_of(account.client.get("/api/log", params=params))
    return [item["id"] for item in page["items"]]


async def test_the_log_shows_what_is_through_or_has_failed(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    done, failed = make_event(endpoint, **PROCESSED), make_event(endpoint, **FAILED)
    make_event(endpoint)
    assert await logged(anna, endpoint) == [failed, done]
    assert await logged(anna, endpoint, status="processed") == [done]
    assert await logged(anna, endpoint, status="failed") == [failed]


async def test_the_log_is_filtered_by_endpoint_and_types(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    order = make_event(endpoint, **PROCESSED)
    person = make_event(endpoint, entity_table="person", event_type="a,b.(c)", **PROCESSED)
    other = await anna.create_endpoint()
    assert await logged(anna, endpoint, entityTable="order") == [order]
    assert await logged(anna, endpoint, eventType="a,b.(c)") == [person]
    assert await logged(anna, other) == []


@pytest.mark.parametrize("name", ["true", "False", "null", "12", '"', "\\", "*", "a b&c=d", "é"])
async def test_any_event_type_can_be_asked_for(
    name: str, anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    event_id = make_event(endpoint, event_type=name, **PROCESSED)
    make_event(endpoint, event_type="another", **PROCESSED)
    assert await logged(anna, endpoint, eventType=name) == [event_id]


async def test_the_log_is_filtered_by_the_time_of_arrival(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    old, new = (
        make_event(endpoint, id=first_id_at(at), created_at=at, **PROCESSED)
        for at in (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
    )
    assert await logged(anna, endpoint, since="2026-01-02T00:00:00Z") == [new]
    assert await logged(anna, endpoint, until="2026-01-02T00:00:00Z") == [old]
    assert await logged(anna, endpoint, since="2026-01-02T01:00:00+01:00") == [new]
    both = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-03T00:00:00Z"}
    assert await logged(anna, endpoint, **both) == [new, old]


@pytest.mark.parametrize(
    "query",
    ["status=pending", "since=yesterday", "until=2026-01-01T00:00:00", "stage=done", "eventType="],
)
async def test_a_bad_filter_is_refused(query: str, anna: Account) -> None:
    words = await refused(anna.client.get(f"/api/log?{query}"), 400, "invalid_request")
    assert words.startswith(query.partition("=")[0])


async def test_the_log_comes_in_pages(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    made = [make_event(endpoint, **PROCESSED) for _ in range(3)]
    query = {"endpointId": endpoint["id"], "limit": 2}
    first = await data_of(anna.client.get("/api/log", params=query))
    query["cursor"] = first["nextCursor"]
    second = await data_of(anna.client.get("/api/log", params=query))
    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["nextCursor"] is None


async def test_an_event_s_log_tells_what_was_done_and_what_it_became(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent, database: Connection
) -> None:
    person, order, rule = (uuid.uuid4() for _ in range(3))
    owner, email = anna.user.id, f"{uuid.uuid4().hex}@example.com"
    database.execute(
        "insert into public.people (id, user_id, name, email) values (%s, %s, 'Ada', %s)",
        [person, owner, email],
    )
    database.execute(
        "insert into public.orders (id, user_id, order_number) values (%s, %s, '1001')",
        [order, owner],
    )
    event_id = make_event(endpoint, person_id=person, entity_id=order, **PROCESSED)
    for action, config, error, at in (
        ("tag", {"tags": ["vip"]}, None, "2026-01-02T00:00:02Z"),
        ("create_entity", {}, None, "2026-01-02T00:00:01Z"),
        ("assign_role", {"role": "lead"}, "No person", "2026-01-02T00:00:03Z"),
    ):
        database.execute(
            "insert into public.webhook_event_logs (webhook_event_id, user_id, rule_id, action_type,"
            " action_config, success, error_message, duration_ms, result, processed_at)"
            " values (%s, %s, %s, %s, %s, %s, %s, 1.25, %s, %s)",
            [event_id, owner, rule, action, Jsonb(config), error is None, error, Jsonb({}), at],
        )
    event = await data_of(anna.client.get(f"/api/log/{event_id}"))
    assert event["payload"] == {"data": {"id": 1001, "total": 12.5}}
    assert event["processedAt"] == "2026-01-02T03:04:05Z"
    assert event["person"] == {
        "id": str(person),
        "_id": str(person),
        "name": "Ada",
        "email": email,
        "kind": "person",
    }
    assert event["entity"] == {"id": str(order), "_id": str(order), "entityTable": "order"}
    steps = [(step["actionType"], step["success"], step["error"]) for step in event["log"]]
    assert steps == [
        ("create_entity", True, None),
        ("tag", True, None),
        ("assign_role", False, "No person"),
    ]
    tag = event["log"][1]
    assert tag["_id"] == tag["id"]
    assert (tag["actionConfig"], tag["ruleId"]) == ({"tags": ["vip"]}, str(rule))
    assert (tag["durationMs"], tag["processedAt"]) == (1.25, "2026-01-02T00:00:02Z")


async def test_the_log_of_another_is_not_shown(
    ben: Account, admin: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    event_id = make_event(endpoint, **PROCESSED)
    for owner in ("me", "all"):
        assert await logged(ben, endpoint, owner=owner) == []
    await refused(ben.client.get(f"/api/log/{event_id}"), 404, "not_found")
    assert await logged(admin, endpoint, owner="all") == [event_id]
    assert (await data_of(admin.client.get(f"/api/log/{event_id}")))["id"] == event_id
