"""What may go wrong around an attempt, and what must come of it all the same."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import psycopg
import pytest

from functions.dispatch import recording
from functions.dispatch.app import create_app
from functions.dispatch.settings import DispatchSettings
from receiver import Received, Receiver, Reply
from shared.database import Database
from shared.errors import DatabaseUnavailable
from tests.functions.dispatch.conftest import Dispatch, Hook, MakeHook, Publish
from tests.running_stack import RunningStack

Connection = psycopg.Connection[dict[str, Any]]


def expire_leases(database: Connection, hook: Hook) -> None:
    database.execute(
        "update public.webhook_deliveries set leased_until = now() - interval '1 second'"
        " where webhook_id = %s and lease_id is not null",
        [hook.id],
    )


def outcomes(database: Connection, hook: Hook) -> list[str]:
    logs = database.execute(
        "select outcome from public.webhook_logs where webhook_id = %s order by attempt", [hook.id]
    )
    return [row["outcome"] for row in logs]


def lose_answers(monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    """The database goes away with the next record: before it was made, or once it is."""
    call = Database.call

    async def failing(self: Database, function: str, **arguments: Any) -> Any:
        if function == "finish_deliveries":
            if after:
                await call(self, function, **arguments)
            raise DatabaseUnavailable
        return await call(self, function, **arguments)

    monkeypatch.setattr(Database, "call", failing)
    monkeypatch.setattr(recording, "TRIES", 1)


async def test_what_was_sent_and_not_recorded_is_sent_once_more_under_the_same_id(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook = make_hook(receiver.url)
    publish()
    with pytest.MonkeyPatch.context() as monkeypatch:
        lose_answers(monkeypatch, after=False)
        assert (await dispatch())["lost"] == 1
    assert "attempted but not recorded" in caplog.text
    expire_leases(database, hook)

    counts = await dispatch()

    assert counts["delivered"] == 1
    first, second = receiver.received
    assert (first.message_id, first.body) == (second.message_id, second.body)
    assert outcomes(database, hook) == ["unknown", "delivered"]


async def test_what_was_recorded_without_an_answer_is_not_sent_again(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    hook = make_hook(receiver.url)
    publish()
    with pytest.MonkeyPatch.context() as monkeypatch:
        lose_answers(monkeypatch, after=True)
        await dispatch()
    expire_leases(database, hook)

    assert (await dispatch())["claimed"] == 0
    assert len(receiver.received) == 1
    assert outcomes(database, hook) == ["delivered"]


async def test_a_record_that_comes_after_its_lease_was_lost_changes_nothing_but_the_log(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    hook = make_hook(receiver.url)

    def lose_the_lease(_: Received) -> Reply:
        with psycopg.connect(database.info.dsn, password=database.info.password) as other:
            other.execute(
                "update public.webhook_deliveries set lease_id = gen_random_uuid()"
                " where webhook_id = %s",
                [hook.id],
            )
        return Reply(500)

    receiver.reply = lose_the_lease
    publish()

    counts = await dispatch()

    assert (counts["lost"], counts["retried"]) == (1, 0)
    (row,) = database.execute(
        "select status::text from public.webhook_deliveries where webhook_id = %s", [hook.id]
    ).fetchall()
    assert row == {"status": "delivering"}
    assert outcomes(database, hook) == ["failed"]


async def test_a_database_that_is_away_is_a_503_and_loses_nothing(
    stack: RunningStack,
    dispatch: Dispatch,
    dispatch_settings: DispatchSettings,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
) -> None:
    make_hook(receiver.url)
    publish()
    away = dispatch_settings.model_copy(update={"supabase_url": "http://127.0.0.1:9"})
    app = create_app(away)
    headers = {"Authorization": f"Bearer {stack.functions_secret}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://dispatch", headers=headers
        ) as client,
    ):
        response = await client.post("/", json={})

    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
    assert (await dispatch())["delivered"] == 1


async def test_after_an_outage_a_receiver_is_not_overrun(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    at_once = most_at_once = 0
    lock = threading.Lock()
    release = threading.Semaphore(0)

    def reply(_: Received) -> Reply:
        nonlocal at_once, most_at_once
        with lock:
            at_once += 1
            most_at_once = max(most_at_once, at_once)
        release.acquire(timeout=0.2)
        with lock:
            at_once -= 1
        return Reply()

    receiver.reply = reply
    hook = make_hook(receiver.url)
    for _ in range(120):
        publish()
    database.execute(
        "update private.webhook_states set consecutive_failures = 9, failing_since = now(),"
        " concurrency = 4 where webhook_id = %s",
        [hook.id],
    )

    counts = await dispatch()

    assert counts["delivered"] == 120
    # It begins with 4 and may have one more for each that went well: 62 before they run out.
    assert most_at_once <= 64
    assert len({one.message_id for one in receiver.received[:4]}) == 4


async def test_a_rate_limit_is_kept_and_the_rest_waits_for_the_next_minute(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    hook = make_hook(receiver.url, rate_limit_per_minute=7)
    for _ in range(20):
        publish()

    first = await dispatch()
    again = await dispatch()

    assert (first["delivered"], again["claimed"], len(receiver.received)) == (7, 0, 7)
    assert again["next_at"] is not None
    database.execute(
        "update private.webhook_states set window_started_at = now() - interval '61 seconds'"
        " where webhook_id = %s",
        [hook.id],
    )
    assert (await dispatch())["delivered"] == 7


async def test_calls_that_come_at_once_share_the_work(
    dispatch: Dispatch, make_hook: MakeHook, publish: Publish, receiver: Receiver
) -> None:
    make_hook(receiver.url)
    for _ in range(50):
        publish()

    counts = await asyncio.gather(*(dispatch() for _ in range(5)))

    assert sum(one["delivered"] for one in counts) == 50
    assert sorted(one["joined"] for one in counts) == [False, True, True, True, True]
    assert len(receiver.received) == 50
