"""Traces over HTTP, of events that went the whole way. What they hold in each case: tests/database/test_trace.py."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import httpx

from tests.functions.api.conftest import Account, Connection, MakeEvent, data_of, refused
from tests.running_stack import RunningStack

BODY: dict[str, Any] = {
    "event": "order.completed",
    "data": {"id": 1001, "total": 500, "email": "ada@example.com"},
}


async def run(functions_url: str, stack: RunningStack, event_id: str, *functions: str) -> None:
    """The workers on this event."""
    async with httpx.AsyncClient(base_url=f"{functions_url}/functions/v1", timeout=60) as client:
        for function in functions:
            answer = await client.post(
                f"/{function}",
                json={"event_ids": [event_id]},
                headers={"Authorization": f"Bearer {stack.functions_secret}"},
            )
            assert answer.json()["data"]["finished"] == 1, answer.text


async def send(functions_url: str, slug: str, body: bytes) -> str:
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(
            f"{functions_url}/functions/v1/ingest/{slug}",
            content=body,
            headers={"Content-Type": "application/json"},
        )
    assert answer.is_success, answer.text
    event_id: str = answer.json()["data"]["id"]
    return event_id


async def test_an_event_is_told_from_its_body_to_its_deliveries_with_links(
    newcomer: Account, functions_url: str, stack: RunningStack
) -> None:
    endpoint = await newcomer.create_endpoint(defaultEntityTable="order")
    webhook = await newcomer.create_webhook(events=["order.seen"])
    call = {"actionType": "call_webhook", "actionConfig": {"event": "order.seen", "data": {}}}
    rule = await newcomer.create_rule(actions=[call])
    body = json.dumps(BODY).encode()
    event_id = await send(functions_url, endpoint["slug"], body)
    await run(functions_url, stack, event_id, "classify")
    url = f"/api/queue/{event_id}"
    await data_of(newcomer.client.patch(url, json={"entityTable": "order", "isPerson": True}))
    await data_of(newcomer.client.post(f"{url}/approve"))
    await run(functions_url, stack, event_id, "prepare-for-rules", "process-rules")

    found = await data_of(newcomer.client.get(f"{url}/trace"))

    assert (found["id"], found["_id"], found["link"]) == (event_id, event_id, url)
    assert (found["status"], found["stage"]) == ("processed", "done")
    assert found["received"]["body"] == {
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "contentType": "application/json",
    }
    assert found["verification"]["scheme"] == "none"
    assert found["verification"]["endpoint"]["link"] == f"/api/endpoints/{endpoint['id']}"
    assert found["label"]["classifiedBy"] == f"user:{newcomer.user.id}"
    assert found["label"]["classifier"]["classified_by"]
    assert {decision["action"] for decision in found["label"]["decisions"]} == {
        "event.override",
        "event.approve",
    }
    assert (found["person"]["how"], found["entity"]["how"]) == ("made", "made")
    (told,) = found["rules"]
    assert told["link"] == f"/api/rules/{rule['id']}"
    (action,) = told["actions"]
    assert (action["actionType"], action["success"]) == ("call_webhook", True)
    (outgoing,) = found["outgoing"]
    assert outgoing["actionId"] == action["actionId"] == rule["actions"][0]["id"]
    (delivery,) = outgoing["deliveries"]
    assert (delivery["webhookId"], delivery["webhookName"]) == (webhook["id"], "Receiver")


async def test_every_link_leads_to_what_it_names(
    newcomer: Account, make_event: MakeEvent, database: Connection
) -> None:
    endpoint = await newcomer.create_endpoint()
    await newcomer.create_webhook(events=["message.new"])
    published = await newcomer.publish("message.new", text="Hello")
    rule = await newcomer.create_rule(actions=[{"actionType": "tag", "actionConfig": {"tag": "x"}}])
    event_id = make_event(endpoint)
    database.execute(
        "insert into public.webhook_event_logs (webhook_event_id, user_id, rule_id, action_id,"
        " action_type, success, result) values (%s, %s, %s, %s, 'call_webhook', true, %s)",
        [
            event_id,
            newcomer.user.id,
            rule["id"],
            rule["actions"][0]["id"],
            json.dumps({"published_event_id": published["id"]}),
        ],
    )

    found = await data_of(newcomer.client.get(f"/api/queue/{event_id}/trace"))

    (told,), (outgoing,) = found["rules"], found["outgoing"]
    (delivery,) = outgoing["deliveries"]
    for one in (found, found["verification"]["endpoint"], told, outgoing, delivery):
        assert (await data_of(newcomer.client.get(one["link"])))["id"] == one["id"]


async def test_nobody_traces_an_event_of_another(
    anna: Account, ben: Account, admin: Account, make_event: MakeEvent
) -> None:
    event_id = make_event(await anna.create_endpoint())
    for one in (event_id, uuid.uuid4()):
        await refused(ben.client.get(f"/api/queue/{one}/trace"), 404, "not_found")
    assert await data_of(admin.client.get(f"/api/queue/{event_id}/trace")) == await data_of(
        anna.client.get(f"/api/queue/{event_id}/trace")
    )
