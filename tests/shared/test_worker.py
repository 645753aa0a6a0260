"""What the worker functions share, on a real queue."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
import uuid_utils

from shared.settings import WorkerSettings
from shared.worker import Decide, Stage, create_app
from tests.running_stack import RunningStack, User

Connection = psycopg.Connection[dict[str, Any]]


@pytest.fixture
def events(database: Connection, new_user: Callable[[], User]) -> Callable[[int], list[str]]:
    """Puts events into the queue; returns their ids."""

    def add(count: int) -> list[str]:
        endpoint_id = uuid.uuid4()
        database.execute(
            "insert into public.webhook_endpoints (id, name, slug, scheme, created_by)"
            " values (%s, 'Test', %s, 'none', %s)",
            [endpoint_id, endpoint_id.hex, new_user().id],
        )
        rows = [
            {
                "id": str(uuid_utils.uuid7()),
                "endpoint_id": str(endpoint_id),
                "event_type": "order.completed",
                "scheme": "none",
                "dedupe_key": f"id:{number}",
                "body": base64.b64encode(b"{}").decode(),
            }
            for number in range(count)
        ]
        database.execute("select public.ingest_events(%s)", [json.dumps(rows)])
        return [row["id"] for row in rows]

    return add


@pytest.fixture
def settings(stack: RunningStack) -> WorkerSettings:
    return WorkerSettings(
        supabase_url=stack.api_url,
        supabase_secret_key=stack.secret_key,
        functions_secret=stack.functions_secret,
        worker_batch_size=2,
    )


Work = Callable[..., Any]


@pytest.fixture
def call(settings: WorkerSettings) -> Work:
    """Calls a classify worker that decides as told."""

    async def work(decide: Decide, body: Any = None, **headers: str) -> httpx.Response:
        app = create_app(Stage("classify", "classify", decide), settings)
        secret = settings.functions_secret.get_secret_value()
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False),
                base_url="http://worker",
                headers={"Authorization": f"Bearer {secret}"} | headers,
                timeout=30,
            ) as client,
        ):
            return await client.post("/functions/v1/classify", json={} if body is None else body)

    return work


def decided(**changes: Any) -> Decide:
    """A decision that is the same for all events."""
    result = {
        "entity_table": "order",
        "is_person": True,
        "confidence": 0.9,
        "classified_by": "test",
    }
    return lambda batch: [{"id": event["id"]} | result | changes for event in batch["events"]]


def states(database: Connection, ids: list[str]) -> list[tuple[str, str, str | None]]:
    rows = database.execute(
        "select stage::text, status::text, error_message from public.webhook_events"
        " where id = any (%s) order by id",
        [ids],
    ).fetchall()
    return [(row["stage"], row["status"], row["error_message"]) for row in rows]


async def test_a_call_works_until_nothing_is_due_and_answers_with_counts(
    call: Work, events: Callable[[int], list[str]], database: Connection
) -> None:
    database.execute("delete from public.webhook_events")
    ids = events(5)
    answer = (await call(decided())).json()
    assert answer["status"] == "success"
    assert answer["data"] == {
        "claimed": 5,
        "finished": 5,
        "failed": 0,
        "lost": 0,
        "batches": 3,
        "replayed": 0,
    }
    assert states(database, ids) == [("review", "pending", None)] * 5


async def test_named_events_are_taken_and_no_others(
    call: Work, events: Callable[[int], list[str]], database: Connection
) -> None:
    first, second, third = events(3)
    answer = (await call(decided(), {"event_ids": [first, third]})).json()
    assert answer["data"]["finished"] == 2
    assert [stage for stage, _, _ in states(database, [first, second, third])] == [
        "review",
        "classify",
        "review",
    ]


async def test_an_error_about_one_event_fails_that_event_at_once(
    call: Work, events: Callable[[int], list[str]], database: Connection
) -> None:
    bad, good = events(2)

    def decide(batch: dict[str, Any]) -> list[dict[str, Any]]:
        results = decided()(batch)
        return [{"id": bad, "error": "no"} if one["id"] == bad else one for one in results]

    answer = (await call(decide, {"event_ids": [bad, good]})).json()
    assert answer["data"]["failed"] == 1
    assert states(database, [bad, good]) == [
        ("classify", "failed", "no"),
        ("review", "pending", None),
    ]


async def test_a_result_that_the_database_cannot_take_fails_its_event_and_no_other(
    call: Work, events: Callable[[int], list[str]], database: Connection
) -> None:
    bad, good = events(2)

    def decide(batch: dict[str, Any]) -> list[dict[str, Any]]:
        results = decided()(batch)
        return [one | {"classified_by": "a\u0000b"} if one["id"] == bad else one for one in results]

    assert (await call(decide, {"event_ids": [bad, good]})).status_code == 200
    assert states(database, [bad, good]) == [
        ("classify", "failed", "The outcome cannot be stored"),
        ("review", "pending", None),
    ]


async def test_integers_beyond_64_bits_reach_the_database(
    call: Work, events: Callable[[int], list[str]], database: Connection
) -> None:
    ids = events(1)
    answer = await call(decided(classified_by=2**70), {"event_ids": ids})
    assert answer.json()["data"]["finished"] == 1
    (row,) = database.execute(
        "select classified_by from public.webhook_events where id = %s", ids
    ).fetchall()
    assert row["classified_by"] == str(2**70)


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic x"])
async def test_without_the_functions_secret_nothing_is_done(given: str, call: Work) -> None:
    response = await call(decided(), Authorization=given)
    assert response.status_code == 401
    assert response.json()["code"] == "unauthorized"


@pytest.mark.parametrize(
    "body",
    [[], {"event_ids": []}, {"event_ids": "x"}, {"ids": ["x"]}, {"event_ids": ["not-an-id"]}],
)
async def test_a_wrong_body_is_400(body: Any, call: Work) -> None:
    response = await call(decided(), body)
    assert response.status_code == 400
    assert response.json()["code"] == "invalid_request"


def replay(database: Connection, ids: list[str]) -> str:
    """Has these events, now in review, classified anew by a dry run; its id. There is no other."""
    database.execute("delete from public.event_replays")
    database.execute("delete from public.webhook_events where id <> all (%s)", [ids])
    rows = database.execute(
        "update public.webhook_events set stage = 'review', entity_table = 'order', is_person = true"
        " where id = any (%s) returning user_id",
        [ids],
    ).fetchall()
    (row,) = database.execute(
        "insert into public.event_replays (user_id, stage, is_dry_run, after_id, last_id)"
        " values (%s, 'classify', true, %s, %s) returning id",
        [rows[0]["user_id"], uuid.UUID(int=0), max(ids)],
    ).fetchall()
    return str(row["id"])


def progress(database: Connection, replay_id: str) -> tuple[int, int, int]:
    """Examined, different, failing."""
    (row,) = database.execute(
        "select examined, different, failing from public.event_replays where id = %s", [replay_id]
    ).fetchall()
    return row["examined"], row["different"], row["failing"]


async def test_a_worker_with_nothing_due_decides_anew_about_the_past(
    call: Work, events: Callable[[int], list[str]], database: Connection
) -> None:
    ids = events(3)
    replay_id = replay(database, ids)
    answer = (await call(decided(entity_table="invoice"))).json()["data"]
    assert (answer["claimed"], answer["replayed"]) == (0, 3)
    assert progress(database, replay_id) == (3, 3, 0)
    assert states(database, ids) == [("review", "pending", None)] * 3


async def test_what_comes_in_goes_before_the_past(
    call: Work, events: Callable[[int], list[str]], database: Connection
) -> None:
    replay(database, events(2))
    fresh = set(events(2))
    seen: list[set[str]] = []

    def decide(batch: dict[str, Any]) -> list[dict[str, Any]]:
        seen.append({event["id"] for event in batch["events"]})
        return decided()(batch)

    answer = (await call(decide)).json()["data"]
    assert (answer["claimed"], answer["replayed"]) == (2, 2)
    assert seen[0] == fresh


async def test_a_worker_that_is_given_events_leaves_the_past_alone(
    call: Work, events: Callable[[int], list[str]], database: Connection
) -> None:
    replay_id = replay(database, events(2))
    answer = (await call(decided(), {"event_ids": events(1)})).json()["data"]
    assert (answer["finished"], answer["replayed"]) == (1, 0)
    assert progress(database, replay_id) == (0, 0, 0)


async def test_an_outcome_that_cannot_be_compared_fails_its_batch_and_not_the_replay(
    call: Work, events: Callable[[int], list[str]], database: Connection
) -> None:
    ids = events(3)
    replay_id = replay(database, ids)

    def decide(batch: dict[str, Any]) -> list[dict[str, Any]]:
        results = decided()(batch)
        return [r | {"is_person": "maybe"} if r["id"] == ids[0] else r for r in results]

    assert (await call(decide)).json()["data"]["replayed"] == 3
    examined, _, failing = progress(database, replay_id)
    assert (examined, failing) == (3, 2)  # batches are of two
