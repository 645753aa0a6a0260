"""One attempt: what a receiver gets, what is kept from it, and what the log says."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import psycopg
from standardwebhooks import Webhook

from receiver import Receiver, Reply
from tests.functions.dispatch.conftest import Dispatch, MakeHook, Publish
from tests.functions.dispatch.rows import delivery_of, logs_of
from tests.running_stack import User

Connection = psycopg.Connection[dict[str, Any]]


async def test_an_event_arrives_signed_and_is_logged(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    hook = make_hook(receiver.url, signature_profile="chatbots")
    event_id = publish("ticket.created", {"ticket": {"subject": "Grüße", "amount": 1.50}})

    counts = await dispatch()

    assert (counts["claimed"], counts["delivered"]) == (1, 1)
    (received,) = receiver.received
    Webhook(hook.secret).verify(received.body, dict(received.headers))
    assert received.event["event"] == "ticket.created"
    assert received.event["data"] == {"ticket": {"subject": "Grüße", "amount": 1.5}}
    assert received.message_id == str(event_id)
    assert received.headers["x-chatbots-event"] == "ticket.created"
    delivery = delivery_of(database, hook)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)
    (log,) = logs_of(database, hook)
    assert (log["outcome"], log["response_status"], log["response_body"]) == (
        "delivered",
        200,
        "OK",
    )
    assert str(log["id"]) == received.headers["x-chatbots-delivery"]


async def test_the_envelope_has_the_time_of_the_event(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    make_hook(receiver.url)
    event_id = publish()
    await dispatch()

    (row,) = database.execute(
        "select created_at from public.published_events where id = %s", [event_id]
    ).fetchall()
    told = datetime.fromisoformat(receiver.received[0].event["timestamp"])
    assert list(receiver.received[0].event) == ["event", "timestamp", "data"]
    assert abs((told - row["created_at"]).total_seconds()) < 0.001


async def test_a_filter_lets_through_what_it_is_true_of(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    hook = make_hook(
        receiver.url, filter='event.type == "order.completed" && event.data.total > 10'
    )
    small, large = (
        publish("order.completed", {"total": 5}),
        publish("order.completed", {"total": 50}),
    )

    counts = await dispatch()

    assert (counts["delivered"], counts["filtered"]) == (1, 1)
    assert [one.message_id for one in receiver.received] == [str(large)]
    assert delivery_of(database, hook, small)["status"] == "filtered"
    assert len(logs_of(database, hook)) == 1


async def test_a_filter_that_does_not_work_fails_the_delivery_with_words(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    hook = make_hook(receiver.url, filter="event.data.total > 10")
    publish("order.completed", {"total": "many"})

    counts = await dispatch()

    assert counts["failed"] == 1
    assert receiver.received == []
    (log,) = logs_of(database, hook)
    assert (log["outcome"], log["error_code"]) == ("failed", "filter_failed")
    assert log["error_message"].startswith("Not sent. The filter:")


async def test_data_that_breaks_its_types_schema_is_not_sent(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
    owner: User,
) -> None:
    hook = make_hook(receiver.url)
    database.execute(
        "insert into public.event_types (user_id, name, schema) values (%s, 'order.completed', %s)",
        [owner.id, '{"type": "object", "required": ["total"]}'],
    )
    publish("order.completed", {"sum": 1})

    counts = await dispatch()

    assert (counts["failed"], receiver.received) == (1, [])
    (log,) = logs_of(database, hook)
    assert log["error_code"] == "schema_violation"
    assert "total" in log["error_message"]


async def test_custom_headers_are_sent_and_shown_to_nobody(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
) -> None:
    token = f"Bearer {uuid.uuid4().hex}"
    receiver.reply = lambda request: Reply(
        200, {"X-Echo": request.headers["authorization"]}, request.headers["authorization"].encode()
    )
    hook = make_hook(receiver.url, headers={"Authorization": token})
    publish()

    await dispatch()

    assert receiver.received[0].headers["authorization"] == token
    (log,) = logs_of(database, hook)
    assert log["request_headers"]["Authorization"] == "***"
    assert log["request_headers"]["webhook-signature"] == "***"
    assert token not in str(log)
    assert hook.secret not in str(log)


async def test_a_slack_webhook_gets_a_message_and_its_address_stays_secret(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
    secrets: Any,
) -> None:
    shown = receiver.url.replace("/hook", "/services/T0/B0/***")
    hook = make_hook(shown, kind="slack")
    database.execute(
        "insert into private.webhook_secrets (webhook_id, purpose, ciphertext) values (%s, 'url', %s)",
        [hook.id, secrets.encrypt(shown.replace("***", "canary"))],
    )
    receiver.reply = Reply(404, body=shown.replace("***", "canary").encode())
    publish("ticket.created", {"ticket": {"subject": "Printer", "ticket_number": "TKT-1"}})

    await dispatch()

    assert receiver.received[0].path == "/services/T0/B0/canary"
    (attachment,) = receiver.received[0].event["attachments"]
    assert "Printer" in str(attachment)
    assert "canary" not in str(logs_of(database, hook))


async def test_during_a_rotation_a_single_signature_header_alternates_between_both_secrets(
    dispatch: Dispatch,
    make_hook: MakeHook,
    publish: Publish,
    receiver: Receiver,
    database: Connection,
    secrets: Any,
) -> None:
    hook = make_hook(receiver.url, signature_profile="whatscrm", secret="old secret")
    database.execute(
        "insert into private.webhook_secrets (webhook_id, purpose, ciphertext)"
        " values (%s, 'signing', %s)",
        [hook.id, secrets.encrypt("new secret")],
    )
    receiver.replies = [Reply(401)]
    publish()

    await dispatch()

    first, second = (one.headers["x-webhook-signature"] for one in receiver.received)
    assert first != second
    assert len(receiver.received[0].headers["webhook-signature"].split()) == 2
