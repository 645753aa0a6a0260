"""Test sends: what the receiver gets, what the caller is told, and a dispatch that does not do its part."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from functions.api.app import create_app
from functions.api.settings import ApiSettings
from shared.management import webhook_trials
from shared.management.dispatcher import dispatch_url as url_for
from tests.functions.api.conftest import Account, Connection, client_of, data_of, refused
from tests.functions.api.receiver import Answer, Receiver


async def webhook_at(account: Account, receiver: Receiver, **fields: Any) -> tuple[Any, str]:
    """A webhook that leads to the receiver, and its path there."""
    path = f"/{uuid.uuid4().hex}"
    return await account.create_webhook(url=f"{receiver.url}{path}", **fields), path


async def tried_out(account: Account, webhook: dict[str, Any], **trial: Any) -> dict[str, Any]:
    url = f"/api/webhooks/{webhook['id']}/test"
    result: dict[str, Any] = await data_of(account.client.post(url, json=trial))
    return result


async def test_the_caller_is_told_what_the_receiver_answered(
    anna: Account, receiver: Receiver
) -> None:
    webhook, path = await webhook_at(anna, receiver)
    receiver.answers[path] = Answer(201, "Welcome")
    result = await tried_out(
        anna, webhook, eventType="ticket.created", payload={"b": 1, "a": [2.5]}
    )
    told = {
        "success": True,
        "status": 201,
        "body": "Welcome",
        "error": None,
        "errorCode": None,
        "eventType": "ticket.created",
    }
    assert {name: result[name] for name in told} == told
    assert result["latencyMs"] > 0
    assert result.keys() - told.keys() == {"latencyMs", "deliveryId", "eventId"}
    (received,) = receiver.at(path)
    assert '"data":{"b":1,"a":[2.5]}' in received.body.decode()


async def test_a_refusal_by_the_receiver_is_no_error_of_the_api(
    anna: Account, receiver: Receiver
) -> None:
    webhook, path = await webhook_at(anna, receiver)
    receiver.answers[path] = Answer(500, "Out of order")
    result = await tried_out(anna, webhook)
    assert (result["success"], result["status"], result["body"]) == (False, 500, "Out of order")
    assert result["error"] == "The receiver answered 500"
    assert len(receiver.at(path)) == 1


async def test_a_receiver_that_is_away_is_told_without_a_status(anna: Account) -> None:
    webhook = await anna.create_webhook(url="http://127.0.0.1:9/")
    result = await tried_out(anna, webhook)
    assert (result["success"], result["status"]) == (False, None)
    assert result["errorCode"] == "connection_failed"
    assert "refused" in result["error"]


@pytest.mark.parametrize(
    ("events", "event_type", "data"),
    [
        (["message.new", "user.login"], "message.new", {"messageId": "msg_123"}),
        (["*", "user.login"], "user.login", {"id": "user123"}),
        (["ticket.*"], "webhook.test", {"message": "This is a test."}),
        (["own.event"], "own.event", {"message": "This is a test."}),
    ],
)
async def test_without_a_body_a_sample_of_what_it_subscribes_to_is_sent(
    events: list[str],
    event_type: str,
    data: dict[str, Any],
    anna: Account,
    receiver: Receiver,
) -> None:
    webhook, path = await webhook_at(anna, receiver, events=events)
    result = await data_of(anna.client.post(f"/api/webhooks/{webhook['id']}/test"))
    (received,) = receiver.at(path)
    content = json.loads(received.body)
    assert result["eventType"] == content["event"] == event_type
    assert data.items() <= content["data"].items()


async def test_a_webhook_that_is_off_is_tested_too(anna: Account, receiver: Receiver) -> None:
    webhook, path = await webhook_at(anna, receiver, active=False)
    assert (await tried_out(anna, webhook))["success"] is True
    assert len(receiver.at(path)) == 1


async def test_a_test_goes_with_the_webhooks_own_headers_to_its_secret_address(
    anna: Account, receiver: Receiver
) -> None:
    path = f"/{uuid.uuid4().hex}/token"
    webhook = await anna.create_webhook(
        url=f"{receiver.url}{path}", kind="slack", headers={"X-Tenant": "a"}
    )
    assert (await tried_out(anna, webhook))["success"] is True
    (received,) = receiver.at(path)
    assert received.headers["x-tenant"] == "a"


async def test_a_test_is_sent_whatever_the_filter(anna: Account, receiver: Receiver) -> None:
    webhook, path = await webhook_at(anna, receiver, filter="event.data.priority == 'high'")
    result = await tried_out(anna, webhook, payload={"priority": "low"})
    assert (result["success"], len(receiver.at(path))) == (True, 1)


async def test_a_test_is_in_the_log_under_its_ids(anna: Account, receiver: Receiver) -> None:
    webhook, _ = await webhook_at(anna, receiver)
    result = await tried_out(anna, webhook)
    logs = await data_of(anna.client.get(f"/api/webhooks/{webhook['id']}/logs"))
    (entry,) = logs["items"]
    assert (entry["deliveryId"], entry["eventId"]) == (result["deliveryId"], result["eventId"])
    assert entry["isTest"] is True


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"eventType": "not an event"}, "eventType"),
        ({"eventType": ""}, "eventType"),
        ({"payload": [1]}, "payload"),
        ({"payload": "text"}, "payload"),
        ({"event": "message.new"}, "event"),
    ],
)
async def test_a_bad_test_is_refused_by_field(
    body: dict[str, Any], told: str, anna: Account
) -> None:
    webhook = await anna.create_webhook()
    response = anna.client.post(f"/api/webhooks/{webhook['id']}/test", json=body)
    assert (await refused(response, 400, "invalid_request")).startswith(told)


OpenAs = Callable[..., Any]


@pytest.fixture
async def with_dispatch_at(
    anna: Account, api_settings: ApiSettings
) -> AsyncIterator[Callable[[str], Any]]:
    """Opens Anna's client of an API that calls dispatch elsewhere."""
    opened: list[Any] = []

    async def open_at(url: str) -> httpx.AsyncClient:
        app = create_app(api_settings.model_copy(update={"dispatch_url": url}))
        lifespan = app.router.lifespan_context(app)
        await lifespan.__aenter__()
        client = client_of(app, Authorization=f"Bearer {anna.user.token}")
        opened.extend([lifespan, client])
        return client

    yield open_at
    for one in reversed(opened):
        await one.__aexit__(None, None, None)


async def test_a_dispatch_that_is_away_is_503_and_the_test_stays_queued(
    anna: Account, with_dispatch_at: OpenAs, database: Connection
) -> None:
    webhook = await anna.create_webhook()
    client = await with_dispatch_at("http://127.0.0.1:9/functions/v1/dispatch")
    response = await client.post(f"/api/webhooks/{webhook['id']}/test")
    assert (response.status_code, response.json()["code"]) == (503, "service_unavailable")
    assert "dispatch cannot be reached; the test is queued" in response.json()["error"]
    assert response.headers["retry-after"] == "5"
    query = "select status::text from public.webhook_deliveries where webhook_id = %s"
    assert database.execute(query, [webhook["id"]]).fetchall() == [{"status": "pending"}]


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_a_dispatch_that_refuses_is_503(
    status: int, anna: Account, with_dispatch_at: OpenAs, receiver: Receiver
) -> None:
    path = f"/{uuid.uuid4().hex}"
    receiver.answers[path] = Answer(status)
    client = await with_dispatch_at(f"{receiver.url}{path}")
    webhook = await anna.create_webhook()
    response = client.post(f"/api/webhooks/{webhook['id']}/test")
    assert f"answered {status}" in await refused(response, 503, "service_unavailable")


async def test_dispatch_is_told_the_delivery_and_the_functions_secret(
    anna: Account,
    with_dispatch_at: OpenAs,
    receiver: Receiver,
    api_settings: ApiSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook_trials, "GRACE_SECONDS", 0.5)
    path = f"/{uuid.uuid4().hex}"
    client = await with_dispatch_at(f"{receiver.url}{path}")
    webhook = await anna.create_webhook(timeoutSeconds=1)
    response = client.post(f"/api/webhooks/{webhook['id']}/test")
    words = await refused(response, 503, "service_unavailable")
    assert words == "The test is still under way; its outcome will be in the webhook's log"
    (call,) = receiver.at(path)
    assert len(json.loads(call.body)["delivery_ids"]) == 1
    secret = api_settings.functions_secret.get_secret_value()
    assert call.headers["authorization"] == f"Bearer {secret}"
    assert str(anna.user.token) not in str(call.headers)


async def test_a_test_that_another_worker_took_is_waited_for(
    anna: Account, with_dispatch_at: OpenAs, receiver: Receiver, database: Connection
) -> None:
    webhook = await anna.create_webhook()
    client = await with_dispatch_at(f"{receiver.url}/{uuid.uuid4().hex}")
    waiting = asyncio.create_task(client.post(f"/api/webhooks/{webhook['id']}/test"))
    query = (
        "update public.webhook_deliveries set status = 'failed', error_message = 'Elsewhere',"
        " finished_at = now() where webhook_id = %s returning id"
    )
    async with asyncio.timeout(20):
        while True:
            if database.execute(query, [webhook["id"]]).fetchall():
                break
            await asyncio.sleep(0.05)
    result = await data_of(waiting)
    assert (result["success"], result["error"]) == (False, "Elsewhere")


def test_dispatch_is_called_where_the_functions_are_unless_it_has_its_own_address(
    api_settings: ApiSettings,
) -> None:
    beside = {"functions_url": "https://hooks.example.com/", "dispatch_url": ""}
    assert (
        url_for(api_settings.model_copy(update=beside))
        == "https://hooks.example.com/functions/v1/dispatch"
    )
    alone = beside | {"dispatch_url": "https://dispatch.example.com/"}
    assert url_for(api_settings.model_copy(update=alone)) == "https://dispatch.example.com/"
