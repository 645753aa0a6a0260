"""The demo's way out: a receiver on this machine refuses an event twice, and gets it on a retry.

The receiver checks signatures as the guides for receivers show it, with nothing of Switchhook's own code.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from rich.table import Table

from receiver import Received, Receiver, Reply, receiving

Api = Callable[..., Any]
NAME = "Demo: a receiver on this machine"
REFUSALS = 2
DEADLINE_SECONDS = 60
POLL_SECONDS = 0.2
MESSAGE = {
    "id": "60d21b4667d0d8992e610c86",
    "conversationId": "60d21b4667d0d8992e610c85",
    "sender": {"id": "user123", "type": "user"},
    "content": {"type": "text", "text": "Grüße 👋 I need help with my account."},
}


@dataclass
class Delivered:
    """What is known of one event on its way out."""

    event: str
    event_id: str
    delivery: dict[str, Any] | None = None
    """As GET /api/webhooks/{id}/deliveries/{deliveryId} shows it, once it is through."""
    received: list[Received] = field(default_factory=list)

    @property
    def statuses(self) -> list[int | None]:
        """What the receiver answered to each attempt."""
        log = self.delivery["log"] if self.delivery else []
        return [attempt["responseStatus"] for attempt in log]


class WayOut:
    """The demo's receiver and webhook. `published` is checked once `follow` is through."""

    def __init__(self, api: Api, receiver: Receiver, secret: str, run_id: str) -> None:
        self._api, self._receiver, self._secret = api, receiver, secret
        self._run_id = run_id
        self._refused: list[str] = []
        self._forged: list[str] = []
        self.webhook_id = ""
        self.published: list[Delivered] = []
        receiver.reply = self._reply

    def _reply(self, request: Received) -> Reply:
        signature = hmac.new(self._secret.encode(), request.body, hashlib.sha256).hexdigest()
        given = request.headers.get("x-chatbots-signature", "")
        if not hmac.compare_digest(f"sha256={signature}", given):
            self._forged.append(request.message_id)
            return Reply(401)
        first = self.published[0].event_id if self.published else None
        if request.message_id == first and len(self._refused) < REFUSALS:
            self._refused.append(request.message_id)
            return Reply(503, body=b"Not now")
        return Reply()

    def set_up(self) -> None:
        """Registers the receiver, or tells a webhook of an earlier run where it is now."""
        wanted = {
            "url": self._receiver.url,
            "events": ["message.*", "ticket.created"],
            "signatureProfile": "chatbots",
            "active": True,
        }
        known = {
            webhook["name"]: webhook["id"]
            for webhook in self._api("GET", "/webhooks?limit=100")["items"]
        }
        if NAME in known:
            self.webhook_id = self._api("PATCH", f"/webhooks/{known[NAME]}", wanted)["id"]
        else:
            new = {"name": NAME, "secret": self._secret, **wanted}
            self.webhook_id = self._api("POST", "/webhooks", new)["id"]

    def publish(self) -> None:
        """Publishes two events. The tickets that the samples become are published by the database."""
        for event in ("message.created", "message.updated"):
            key = f"{self._run_id}:{event}"
            made = self._api(
                "POST", "/events", {"event": event, "data": MESSAGE, "idempotencyKey": key}
            )
            self.published.append(Delivered(event, made["id"]))

    def follow(self) -> None:
        """Waits until all that was published is through."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not all(self._is_through(one) for one in self.published):
            if time.monotonic() > deadline:
                return
            time.sleep(POLL_SECONDS)

    def _is_through(self, one: Delivered) -> bool:
        if one.delivery is None:
            for delivery in self._api("GET", f"/events/{one.event_id}")["deliveries"]:
                if delivery["webhookId"] == self.webhook_id and delivery["status"] == "delivered":
                    path = f"/webhooks/{self.webhook_id}/deliveries/{delivery['id']}"
                    one.delivery = self._api("GET", path)
        return one.delivery is not None

    def problems(self) -> list[str]:
        """In what way it did not go as it should; empty if it did."""
        found = [f"{one.event} was not delivered" for one in self.published if not one.delivery]
        found += [f"{identifier} came with a wrong signature" for identifier in self._forged]
        wanted = [503] * REFUSALS + [200]
        if not found and self.published[0].statuses != wanted:
            found.append(f"the receiver answered {self.published[0].statuses}, not {wanted}")
        if not any(request.event["event"] == "ticket.created" for request in self._received()):
            found.append("no ticket that a webhook became was published")
        return found

    def _received(self) -> list[Received]:
        return [one for one in self._receiver.received if one.message_id not in self._forged]

    def table(self) -> Table:
        """What became of each event."""
        columns = ("event out", "receiver", "signature", "attempts", "status", "seconds")
        result = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for one in self.published:
            delivery = one.delivery or {"status": "not through", "createdAt": None}
            answers = " → ".join(str(status) for status in one.statuses)
            result.add_row(
                one.event,
                urlsplit(self._receiver.url).netloc,
                "valid" if one.event_id not in self._forged else "wrong",
                answers,
                delivery["status"],
                _seconds(delivery),
                style=None if one.delivery else "red",
            )
        tickets = [one for one in self._received() if one.event["event"] == "ticket.created"]
        result.add_row(
            f"ticket.created ({len(tickets)} of the tickets above)",
            urlsplit(self._receiver.url).netloc,
            "valid",
            "",
            "delivered",
            "",
        )
        return result

    def end(self) -> None:
        """Switches the webhook off: its receiver ends with the demo."""
        self._api("PATCH", f"/webhooks/{self.webhook_id}", {"active": False})


def _seconds(delivery: dict[str, Any]) -> str:
    if not delivery.get("finishedAt"):
        return ""
    began, ended = (datetime.fromisoformat(delivery[name]) for name in ("createdAt", "finishedAt"))
    return f"{(ended - began).total_seconds():.1f}"


@contextmanager
def way_out(api: Api, secret: str, run_id: str) -> Iterator[WayOut]:
    """The receiver, registered, until the block is over."""
    with receiving() as receiver:
        way = WayOut(api, receiver, secret, run_id)
        way.set_up()
        try:
            yield way
        finally:
            way.end()
