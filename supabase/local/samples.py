"""What the demo sends: webhooks as eight sources send them, and what should come of each."""

from __future__ import annotations

import json
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from shared.signatures import scheme_named

PAYLOADS = ROOT / "tests" / "payloads"


@dataclass(frozen=True)
class Source:
    """A sender, and the endpoint that receives for it."""

    name: str
    slug: str
    scheme: str
    folder: str
    id_field: str = "sent_at"
    """What in a body tells two deliveries apart: the vendor's id of the event, or else a time."""
    mode: str = "automatic"

    def endpoint(self, secret: str) -> dict[str, Any]:
        """The body that creates its endpoint through the API."""
        return {
            "name": self.name,
            "slug": self.slug,
            "scheme": self.scheme,
            "secret": secret,
            "processingMode": self.mode,
        }


STRIPE = Source("Stripe", "demo-stripe", "stripe", "stripe", id_field="id")
GITHUB = Source("GitHub", "demo-github", "github", "github")
SHOPIFY = Source("Shopify", "demo-shopify", "shopify", "shopify")
SLACK = Source("Slack", "demo-slack", "slack", "slack", id_field="event_id")
CHATBOTS = Source("Chatbots", "demo-chatbots", "chatbots", "chatbots")
SHOP = Source("Own shop", "demo-shop", "webhook_signature", "shop")
PLANHUB = Source("PlanHub", "demo-planhub", "standard_webhooks", "planhub")
HELPDESK = Source("Helpdesk", "receive", "webhook_signature", "autoresponder", mode="review")


@dataclass(frozen=True)
class Sample:
    """One webhook and what it should become."""

    source: Source
    event: str
    """As the source names it; for sources that say it in a header, what the header says."""
    entity: str
    file: str = ""
    is_person: bool = True
    actions: tuple[str, ...] = field(default=())

    def body(self) -> bytes:
        """The payload, made into a delivery that has not been seen before."""
        name = self.file or self.event
        payload = json.loads((PAYLOADS / self.source.folder / f"{name}.json").read_text())
        prefix = str(payload.get(self.source.id_field, "")).partition("_")[0]
        payload[self.source.id_field] = f"{prefix}_{uuid.uuid4().hex[:24]}".removeprefix("_")
        return json.dumps(payload).encode()

    def headers(self, body: bytes, secret: str) -> dict[str, str]:
        """What the source sends along: the signature, made with the endpoint's secret."""
        scheme = scheme_named(self.source.scheme)
        signed = scheme.sign(
            body,
            secret,
            scheme.settings({}),
            int(time.time()),
            event_type=self.event,
            delivery_id=str(uuid.uuid4()),
        )
        return {"Content-Type": "application/json", **signed}


SAMPLES = (
    Sample(STRIPE, "customer.created", "person"),
    Sample(STRIPE, "customer.subscription.created", "subscription"),
    Sample(STRIPE, "invoice.paid", "invoice", actions=("tag", "send_notification")),
    Sample(GITHUB, "issues", "ticket", file="issues.opened", actions=("tag",)),
    Sample(SHOPIFY, "orders/create", "order", file="orders_create", actions=("tag", "assign_role")),
    Sample(SHOPIFY, "customers/create", "person", file="customers_create"),
    Sample(SHOP, "contact.created", "person"),
    Sample(SHOP, "order.completed", "order", actions=("tag", "assign_role")),
    Sample(SHOP, "influencer.applied", "influencer", actions=("send_notification",)),
    Sample(PLANHUB, "user.created", "person"),
    Sample(
        PLANHUB,
        "invoice.overdue",
        "invoice",
        is_person=False,
        actions=("tag", "send_notification"),
    ),
    Sample(CHATBOTS, "conversation.created", "ticket", actions=()),
    Sample(SLACK, "message", "ticket", actions=("store_message",)),
    Sample(HELPDESK, "ticket.create", "ticket", actions=("tag",)),
)

RULES: tuple[dict[str, Any], ...] = (
    {
        "name": "Demo: customers who order",
        "entityTable": "order",
        "condition": "",
        "actions": [
            {"actionType": "tag", "actionConfig": {"tags": ["ordered"]}},
            {"actionType": "assign_role", "actionConfig": {"role": "customer", "target": "person"}},
        ],
    },
    {
        "name": "Demo: tell me of invoices",
        "entityTable": "invoice",
        "condition": "entity.amount > 0",
        "actions": [
            {"actionType": "tag", "actionConfig": {"tags": ["billing"]}},
            {
                "actionType": "send_notification",
                "actionConfig": {
                    "title": "Invoice {{ entity.number }}: {{ entity.amount }} {{ entity.currency }}"
                },
            },
        ],
    },
    {
        "name": "Demo: welcome creators",
        "entityTable": "influencer",
        "condition": "",
        "actions": [
            {
                "actionType": "send_notification",
                "actionConfig": {"title": "{{ entity.name }} wants to work with you"},
            }
        ],
    },
    {
        "name": "Demo: sort tickets",
        "entityTable": "ticket",
        "condition": 'event.type.startsWith("ticket") || endpoint.scheme == "github"',
        "actions": [{"actionType": "tag", "actionConfig": {"tags": ["inbox"]}}],
    },
    {
        "name": "Demo: keep what was said",
        "entityTable": "ticket",
        "condition": 'endpoint.scheme == "slack"',
        "actions": [
            {
                "actionType": "store_message",
                "actionConfig": {"content": "{{ event.payload.event.text }}"},
            }
        ],
    },
)
