"""What sources, programs and readers send to a system whose instances may be killed at any moment."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.acceptance.instances import Instance, Pair
from tests.running_stack import User

EVENTS = 600
MESSAGES = 100
"""That are sent and published at least; it goes on until the last kill."""

ACTIONS: dict[str, dict[str, str]] = {
    "tag": {"tag": "sent-twice"},
    "send_notification": {"title": "Order {{ event.external_id }}"},
    "create_ticket": {"subject": "Look at {{ event.external_id }}"},
    "store_message": {"content": "{{ event.external_id }}"},
    "call_webhook": {"event": "order.completed"},
}


@dataclass
class Load:
    """What is sent, and what was answered."""

    functions: dict[str, Pair]
    user: User
    slug: str = ""
    secret: str = ""
    stored: dict[str, str] = field(default_factory=dict)
    """Event ids by delivery id."""
    published: dict[str, str] = field(default_factory=dict)
    """Event ids by idempotency key."""
    duplicates: int = 0
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    """All that were to be killed are."""

    async def call_api(self, path: str, **fields: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.user.token}"}
        answer = await self.functions["api"].send("POST", path, json=fields, headers=headers)
        assert answer.status_code in {200, 201}, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def set_up(self, receiver_url: str) -> None:
        endpoint = await self.call_api(
            "/api/endpoints",
            name="Shop",
            scheme="webhook_signature",
            processingMode="automatic",
            confidenceThreshold=0,
            allowedObjectTypes=["order"],
        )
        self.slug, self.secret = endpoint["slug"], endpoint["secret"]
        actions = [{"actionType": name, "actionConfig": config} for name, config in ACTIONS.items()]
        await self.call_api("/api/rules", name="Each", entityTable="order", actions=actions)
        await self.call_api(
            "/api/webhooks",
            name="Mine",
            url=receiver_url,
            events=["order.completed", "ticket.created", "message.created"],
        )

    async def send_webhooks(self, numbers: itertools.count[int]) -> None:
        """A source: it takes no answer for a no, and sends again under the same id."""
        for number in numbers:
            if self.is_over.is_set() and number >= EVENTS:
                return
            external_id = f"order-{number}"
            data = {"order_id": external_id, "total": 10, "email": f"c{number % 50}@example.com"}
            event = {"event_type": "order.placed", "external_id": external_id, "data": data}
            body = json.dumps(event).encode()
            signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
            headers = {
                "Content-Type": "application/json",
                "X-Webhook-Signature": f"sha256={signature}",
                "Idempotency-Key": external_id,
            }
            answer = await self.functions["ingest"].send(
                "POST", f"/{self.slug}", content=body, headers=headers
            )
            assert answer.status_code == 202, answer.text
            self.stored[external_id] = answer.json()["data"]["id"]
            self.duplicates += answer.json()["data"]["state"] == "duplicate"
            await asyncio.sleep(0.02)

    async def publish(self) -> None:
        """A program of the user's, which sends again under the same key."""
        while not self.is_over.is_set() or len(self.published) < MESSAGES:
            key = uuid.uuid4().hex
            headers = {"Authorization": f"Bearer {self.user.token}", "Idempotency-Key": key}
            event = {"event": "message.created", "data": {"id": key}}
            answer = await self.functions["api"].send(
                "POST", "/api/events", json=event, headers=headers
            )
            assert answer.is_success, answer.text
            self.published[key] = answer.json()["data"]["id"]
            await asyncio.sleep(0.05)

    async def look(self) -> None:
        """A reader of the console, signed in once."""
        console = self.functions["console"]
        page = await console.send("GET", "/console/sign-in")
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
        assert found is not None
        form = {"csrf": found[1], "email": self.user.email, "password": self.user.password}
        signed_in = await console.send("POST", "/console/sign-in", data=form)
        assert signed_in.status_code == 303, signed_in.text
        last = False
        while not last:
            last = self.is_over.is_set()
            answer = await console.send("GET", "/console/log")
            assert answer.status_code == 200, answer.text

    async def sweep(self, function: str, instance: Instance, secret: str) -> None:
        """What wakes a worker, one call after the other."""
        pair = self.functions[function]
        headers = {"Authorization": f"Bearer {secret}"}
        while instance in pair.instances:
            try:
                answer = await pair.send_to(instance, "POST", "/", json={}, headers=headers)
            except httpx.TransportError:
                assert instance not in pair.instances, "no answer of an instance that runs"
                return
            assert answer.status_code == 200, answer.text
            await asyncio.sleep(0.05)
