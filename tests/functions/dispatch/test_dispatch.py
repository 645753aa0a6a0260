"""Dispatch against real receivers and the real database: what arrives, what is recorded, what comes next."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import psycopg
import pytest

from functions.dispatch.app import create_app
from functions.dispatch.settings import DispatchSettings
from receiver import Received, Receiver, Reply
from tests.functions.dispatch.conftest import Dispatch, MakeHook, Publish
from tests.functions.dispatch.rows import delivery_of, logs_of, seconds_until_due
from tests.running_stack import RunningStack, User

Connection = psycopg.Connection[dict[str, Any]]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (what is waited for happens in other threads)
            await asyncio.sleep(0.01)


async def test_what_fails_is_tried_at_once_then_later_with_the_same_id_and_body(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    receiver.reply = Reply(500, body=b"Not today")
    hook = make_hook(receiver.url)
    publish("order.completed", {"total": 5})

    counts = await dispatch()

    assert counts["retried"] == 2
    first, second = receiver.received
    assert (first.message_id, first.body) == (second.message_id, second.body)
    assert first.headers["webhook-signature"] != "" != second.headers["webhook-signature"]
    delivery = delivery_of(database, hook)
    assert (delivery["status"], delivery["attempts"]) == ("pending", 2)
    assert delivery["error_message"] == "The receiver answered 500"
    assert 3.5 <= seconds_until_due(database, hook) <= 6
    assert datetime.fromisoformat(counts["next_at"]) <= delivery["run_after"]
    assert [log["response_body"] for log in logs_of(database, hook)] == ["Not today"] * 2


async def test_a_retry_that_succeeds_ends_it(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    receiver.replies = [Reply(503)]
    hook = make_hook(receiver.url)
    publish()

    await dispatch()

    assert [log["outcome"] for log in logs_of(database, hook)] == ["failed", "delivered"]
    assert delivery_of(database, hook)["status"] == "delivered"


async def test_a_receiver_that_is_gone_is_switched_off_and_its_owner_told(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    receiver.replies = [Reply(410)]
    hook = make_hook(receiver.url, events=["ticket.*"])
    other = make_hook(receiver.url, events=["webhook.disabled"])
    publish()

    await dispatch()

    (row,) = database.execute(
        "select active, disabled_reason from public.webhooks where id = %s", [hook.id]
    ).fetchall()
    assert row == {"active": False, "disabled_reason": "The receiver answered 410 Gone"}
    (told,) = database.execute(
        "select title from public.notifications where user_id = %s", [hook.owner]
    ).fetchall()
    assert "Test" in told["title"]
    assert receiver.received[1].event["event"] == "webhook.disabled"
    assert receiver.received[1].event["data"]["webhook"]["id"] == str(hook.id)
    assert delivery_of(database, other)["status"] == "delivered"


async def test_a_test_is_delivered_by_its_id_though_the_webhook_is_off_and_tried_once(
    dispatch: Dispatch,
    make_hook: MakeHook,
    receiver: Receiver,
    database: Connection,
) -> None:
    receiver.reply = Reply(500)
    hook = make_hook(receiver.url, active=False)
    (event,) = database.execute(
        "insert into public.published_events (user_id, type, data, is_test)"
        " values (%s, 'webhook.test', '{}', true) returning id",
        [hook.owner],
    ).fetchall()
    (delivery,) = database.execute(
        "insert into public.webhook_deliveries (published_event_id, webhook_id, user_id, is_test)"
        " values (%s, %s, %s, true) returning id",
        [event["id"], hook.id, hook.owner],
    ).fetchall()

    counts = await dispatch(delivery["id"])

    assert (counts["claimed"], counts["failed"], len(receiver.received)) == (1, 1, 1)
    (log,) = logs_of(database, hook)
    assert (log["is_test"], log["response_status"]) == (True, 500)


async def test_one_webhook_that_cannot_be_prepared_holds_up_no_other(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    broken, fine = make_hook(receiver.url), make_hook(receiver.url)
    database.execute(
        "update private.webhook_secrets set ciphertext = 'nonsense' where webhook_id = %s",
        [broken.id],
    )
    publish()

    counts = await dispatch()

    assert (counts["delivered"], counts["failed"]) == (1, 1)
    assert delivery_of(database, fine)["status"] == "delivered"
    assert delivery_of(database, broken)["status"] == "failed"
    assert "ENCRYPTION_KEYS" in logs_of(database, broken)[0]["error_message"]


async def test_a_webhook_deleted_while_its_delivery_is_under_way_gets_no_further_attempt(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    hook = make_hook(receiver.url)

    def delete(_: object) -> Reply:
        with psycopg.connect(database.info.dsn, password=database.info.password) as other:
            other.execute("delete from public.webhooks where id = %s", [hook.id])
        return Reply(500)

    receiver.reply = delete
    publish()

    counts = await dispatch()

    assert (counts["lost"], len(receiver.received)) == (1, 1)
    assert (await dispatch())["claimed"] == 0


async def test_a_webhook_switched_off_while_its_delivery_is_under_way_waits_until_it_is_on(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    hook = make_hook(receiver.url)

    def switch_off(_: object) -> Reply:
        with psycopg.connect(database.info.dsn, password=database.info.password) as other:
            other.execute("update public.webhooks set active = false where id = %s", [hook.id])
        return Reply(500)

    receiver.reply = switch_off
    publish()
    await dispatch()
    assert len(receiver.received) == 1

    receiver.reply = Reply()
    database.execute("update public.webhooks set active = true where id = %s", [hook.id])
    await dispatch()

    assert delivery_of(database, hook)["status"] == "delivered"


async def test_what_hangs_holds_up_no_other_webhook(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    new_user: Callable[[], User],
) -> None:
    release = threading.Event()

    def reply(request: Received) -> Reply:
        if request.path == "/hangs":
            release.wait(timeout=25)
        return Reply()

    def arrived(path: str) -> int:
        return sum(request.path == path for request in list(receiver.received))

    receiver.reply = reply
    slow, quick = new_user(), new_user()
    make_hook(receiver.url.replace("/hook", "/hangs"), user=slow, timeout_seconds=30)
    make_hook(receiver.url, user=quick)
    for _ in range(40):
        publish(user=slow)
    call = asyncio.create_task(dispatch())
    try:
        await until(lambda: arrived("/hangs") > 0)
        for _ in range(20):
            publish(user=quick)
        joined = await dispatch()
        await until(lambda: arrived("/hook") == 20)

        assert joined["joined"]
        assert not call.done()
    finally:
        release.set()
    await call


async def test_an_answer_that_cannot_be_stored_fails_no_other_result(
    dispatch: Dispatch,
    dispatch_client: httpx.AsyncClient,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    database.execute(
        "alter table public.webhook_logs add constraint for_this_test"
        " check (response_body <> 'poison') not valid"
    )
    try:
        receiver.replies = [Reply(body=b"poison")]
        hook = make_hook(receiver.url)
        for _ in range(5):
            publish()
        counts = await dispatch()
    finally:
        database.execute("alter table public.webhook_logs drop constraint for_this_test")

    assert counts["delivered"] == 5
    assert sorted(str(log["response_body"]) for log in logs_of(database, hook)) == [
        *["None"],
        *["OK"] * 4,
    ]


async def test_a_table_changed_while_it_works_loses_no_delivery(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    make_hook(receiver.url)
    for _ in range(300):
        publish()
    call = asyncio.create_task(dispatch())
    await until(lambda: bool(receiver.received))

    def migrate() -> None:
        with psycopg.connect(database.info.dsn, password=database.info.password) as other:
            other.execute("alter table public.webhook_deliveries add column for_this_test integer")
            other.execute("alter table public.webhook_deliveries drop column for_this_test")

    await asyncio.to_thread(migrate)
    counts = await call

    assert counts["lost"] == 0
    assert len({one.message_id for one in receiver.received}) == len(receiver.received) == 300


async def test_many_claims_at_once_deliver_nothing_twice(
    stack: RunningStack,
    dispatch_settings: DispatchSettings,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
) -> None:
    make_hook(receiver.url)
    for _ in range(200):
        publish()
    headers = {"Authorization": f"Bearer {stack.functions_secret}"}

    async def one_process() -> None:
        app = create_app(dispatch_settings)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=transport, base_url="http://dispatch", headers=headers, timeout=60
            ) as client,
        ):
            (await client.post("/", json={})).raise_for_status()

    await asyncio.gather(*(one_process() for _ in range(8)))

    assert len({one.message_id for one in receiver.received}) == len(receiver.received) == 200


@pytest.mark.parametrize(
    ("authorization", "body", "status", "code"),
    [
        ("Bearer wrong", "{}", 401, "unauthorized"),
        (None, "{}", 401, "unauthorized"),
        ("right", '{"delivery_ids": []}', 400, "invalid_request"),
        ("right", '{"other": 1}', 400, "invalid_request"),
        ("right", "{", 400, "invalid_request"),
        ("right", '{"delivery_ids": ["x"]}', 400, "invalid_request"),
    ],
)
async def test_a_call_that_is_not_right_is_refused(
    dispatch_client: httpx.AsyncClient,
    authorization: str | None,
    body: str,
    status: int,
    code: str,
) -> None:
    if authorization != "right":
        dispatch_client.headers.pop("Authorization")
    headers = {"Authorization": authorization} if authorization not in (None, "right") else {}

    response = await dispatch_client.post("/", content=body, headers=headers)

    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_it_says_what_it_is_and_that_it_reaches_the_database(
    dispatch_client: httpx.AsyncClient,
) -> None:
    health = (await dispatch_client.get("/healthz")).json()["data"]

    assert (health["function"], health["database"]) == ("dispatch", "reachable")
