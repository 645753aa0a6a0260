"""The calls that users of other platforms know, literally as they make them, but for ids and tokens."""

from __future__ import annotations

import re
import uuid
from typing import Any

import httpx
import pytest

from tests.functions.api.conftest import Account, created, data_of
from tests.functions.api.receiver import Receiver

JSON = {"Content-Type": "application/json"}
PREFIXES = pytest.mark.parametrize("api", ["/api", "/api/v1"])


async def post(account: Account, path: str, body: str) -> httpx.Response:
    return await account.client.post(path, content=body, headers=JSON)


async def my_application_webhook(account: Account, api: str = "/api") -> dict[str, Any]:
    answer = await post(
        account,
        f"{api}/webhooks",
        """{
  "name": "My Application Webhook",
  "url": "https://example.com/webhooks/chatbots",
  "description": "Webhook for receiving conversation events",
  "events": ["conversation.created", "message.created"],
  "active": true
}""",
    )
    assert answer.status_code == 201
    content: dict[str, Any] = answer.json()
    return content


@PREFIXES
async def test_creating_a_webhook_answers_with_all_that_is_documented(
    api: str, anna: Account
) -> None:
    content = await my_application_webhook(anna, api)
    data = content["data"]
    documented = {
        "name": "My Application Webhook",
        "url": "https://example.com/webhooks/chatbots",
        "description": "Webhook for receiving conversation events",
        "events": ["conversation.created", "message.created"],
        "active": True,
        "createdBy": str(anna.user.id),
    }
    assert content["status"] == "success"
    assert {name: data[name] for name in documented} == documented
    assert str(uuid.UUID(data["_id"])) == data["id"]
    assert data["secret"]
    for name in ("createdAt", "updatedAt"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", data[name])


@PREFIXES
async def test_webhooks_are_listed_and_read(api: str, anna: Account) -> None:
    made = (await my_application_webhook(anna))["data"]
    many = await data_of(anna.client.get(f"{api}/webhooks"))
    one = await data_of(anna.client.get(f"{api}/webhooks/{made['_id']}"))
    assert many["items"][0] == one
    assert one == {name: value for name, value in made.items() if name != "secret"}


@PREFIXES
async def test_put_changes_only_what_it_names(api: str, anna: Account) -> None:
    made = (await my_application_webhook(anna))["data"]
    answer = await anna.client.put(
        f"{api}/webhooks/{made['_id']}",
        content="""{
  "events": ["conversation.created", "message.created", "message.updated"],
  "active": true
}""",
        headers=JSON,
    )
    after = answer.json()["data"]
    assert after["events"] == ["conversation.created", "message.created", "message.updated"]
    kept = ("_id", "name", "url", "description", "active", "createdBy", "createdAt")
    assert {name: after[name] for name in kept} == {name: made[name] for name in kept}


@PREFIXES
async def test_a_webhook_is_deleted(api: str, anna: Account) -> None:
    made = (await my_application_webhook(anna))["data"]
    path = f"{api}/webhooks/{made['_id']}"
    assert (await data_of(anna.client.delete(path)))["_id"] == made["_id"]
    assert (await anna.client.get(path)).status_code == 404


@PREFIXES
async def test_a_secret_is_regenerated_without_a_body(api: str, anna: Account) -> None:
    made = (await my_application_webhook(anna))["data"]
    answer = await data_of(anna.client.post(f"{api}/webhooks/{made['_id']}/regenerate-secret"))
    assert answer["secret"] not in {None, "", made["secret"]}


async def at_receiver(account: Account, made: dict[str, Any], receiver: Receiver) -> str:
    """Lets the webhook lead to loopback; its path there."""
    path = f"/{made['_id']}"
    change = {"url": f"{receiver.url}{path}"}
    await data_of(account.client.patch(f"/api/webhooks/{made['_id']}", json=change))
    return path


@PREFIXES
async def test_a_webhook_is_tested_without_a_body(
    api: str, anna: Account, receiver: Receiver
) -> None:
    made = (await my_application_webhook(anna))["data"]
    path = await at_receiver(anna, made, receiver)
    result = await data_of(anna.client.post(f"{api}/webhooks/{made['_id']}/test"))
    assert (result["success"], result["status"]) == (True, 200)
    assert result["eventType"] == "conversation.created"
    (received,) = receiver.at(path)
    assert b'"event":"conversation.created"' in received.body
    assert b"Support Request" in received.body


async def my_first_webhook(account: Account) -> dict[str, Any]:
    return await created(
        post(
            account,
            "/api/v1/webhooks",
            """{
    "name": "My First Webhook",
    "url": "https://webhook.site/your-unique-id",
    "events": ["message.new", "conversation.created"]
  }""",
        )
    )


async def test_the_quick_start_goes_through_from_login_to_stats(
    anna: Account, anonymous: httpx.AsyncClient, receiver: Receiver
) -> None:
    login = {"email": anna.user.email, "password": anna.user.password}
    session = await data_of(anonymous.post("/api/v1/auth/login", json=login))
    anonymous.headers["Authorization"] = f"Bearer {session['accessToken']}"
    account = Account(anna.user, anonymous)
    made = await my_first_webhook(account)
    assert made["active"] is True
    path = await at_receiver(account, made, receiver)
    answer = await post(
        account,
        f"/api/v1/webhooks/{made['id']}/test",
        """{
    "eventType": "message.new",
    "payload": {
      "messageId": "test_123",
      "content": "Hello World"
    }
  }""",
    )
    assert answer.json()["data"]["success"] is True
    (received,) = receiver.at(path)
    assert b'"messageId":"test_123"' in received.body
    logs = await data_of(account.client.get(f"/api/v1/webhooks/{made['id']}/logs"))
    assert [(one["eventType"], one["success"]) for one in logs["items"]] == [("message.new", True)]
    stats = await data_of(account.client.get(f"/api/v1/webhooks/{made['id']}/stats"))
    assert stats["attempts"] == 0  # a test does not count
    one = await data_of(account.client.get(f"/api/v1/webhooks/{made['id']}"))
    assert one["active"] is True


@pytest.mark.parametrize(
    "events",
    [
        ["message.new"],
        ["conversation.created", "conversation.assigned"],
        ["campaign.started", "campaign.completed"],
        ["*"],
        ["message_received", "chatbot_updated"],
        ["ai.response.requires_review", "ticket.escalated", "feedback.received"],
        ["user.login", "chatbot.trained"],
    ],
)
async def test_the_documented_events_may_be_subscribed_to(events: list[str], anna: Account) -> None:
    made = await anna.create_webhook(events=events, secret="my_own_secret")
    assert (made["events"], made["secret"]) == (events, "my_own_secret")


async def test_the_documented_events_are_in_the_catalogue_with_an_example(anna: Account) -> None:
    page = await data_of(anna.client.get("/api/event-types?limit=100"))
    examples = {one["name"]: one["example"] for one in page["items"]}
    assert examples["message.new"]["conversationId"] == "conv_456"
    assert examples["chatbot.trained"]["training"]["metrics"]["f1Score"] == 0.89
    assert examples["ai.response.rejected"]["reason"]
    assert len(examples) >= 36
