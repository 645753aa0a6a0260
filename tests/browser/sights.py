"""An account with something on every page, and where those pages are."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from functions.console.lists import PAGE_SIZE
from receiver import Receiver, Reply
from tests.browser.scenery import Account, Connection, add_history, add_past, order, signed

EMPTY_PAGES = {
    "overview": "/",
    "endpoints": "/endpoints",
    "queue": "/queue",
    "log": "/log",
    "log-nothing-found": "/log?text=nowhere",
    "webhooks": "/webhooks",
    "rules": "/rules",
    "settings": "/settings",
}
PLAIN_PAGES = {
    "overview": "/?window=hour",
    "overview-day": "/?window=day",
    "overview-week": "/?window=week",
    "endpoints": "/endpoints",
    "endpoint-new": "/endpoints/new?scheme=hmac",
    "queue": "/queue",
    "log": "/log",
    "log-failed": "/log?status=failed",
    "log-found": "/log?text=needle",
    "log-look-further": "/log?text=straw",
    "log-nothing-found": "/log?text=nowhere",
    "webhooks": "/webhooks",
    "webhook-new": "/webhooks/new",
    "rules": "/rules",
    "rule-new": "/rules/new",
    "settings": "/settings",
    "event-type": "/settings/event-types/ticket.created",
    "error": "/log/01a20000-0000-7000-8000-000000000000",
}
SCHEMES = (("Stripe", "stripe"), ("GitHub", "github"), ("Shopify", "shopify"))


@dataclass(frozen=True)
class Sights:
    account: Account
    paths: dict[str, str]
    """Every page, by name."""


def furnish(account: Account, receiver: Receiver, database: Connection) -> Sights:
    """Puts something of everything into an account."""
    for name, scheme in SCHEMES:
        account.create_endpoint(name=name, scheme=scheme)
    shop = account.create_endpoint(name="Corner shop", defaultEntityTable="order")
    good = account.create_webhook(
        receiver.url, name="Warehouse", events=["order.*", "invoice.paid"]
    )
    bad = account.create_webhook(f"{receiver.url}/gone", name="Old billing", events=["invoice.*"])
    account.create_webhook(
        f"{receiver.url}/services", name="Support channel", kind="slack", events=["ticket.created"]
    )
    rule = account.api("POST", "/rules", RULE)
    account.api("POST", "/rules", RULE | {"name": "Welcome creators", "entityTable": "influencer"})
    kind = account.api("POST", "/entity-types", ENTITY_TYPE)
    receiver.reply = lambda request: Reply(503 if request.path.endswith("gone") else 200)
    add_history(database, account, shop["id"], good["id"])
    # As many as fill a page, in the first stretch that is looked through: so the page asks before it looks further.
    add_past(database, account, shop["id"], events=1500, straws=PAGE_SIZE)
    for secret in ("another", "an old one"):
        httpx.post(shop["url"], content=b"{}", headers=signed("webhook_signature", secret, {})[1])
    account.publish("invoice.paid", id="in_1")
    waiting = [account.send(shop, **event) for event in WAITING]
    through = account.send(shop, **order(100))
    for event_id in (*waiting, through):
        account.wait_until(event_id, stage="review")
    account.api("POST", f"/queue/{through}/approve")
    account.wait_until(through, status="processed")
    test = account.api("POST", f"/webhooks/{bad['id']}/test", {"eventType": "invoice.paid"})
    return Sights(
        account,
        PLAIN_PAGES
        | {
            "endpoint": f"/endpoints/{shop['id']}",
            "endpoint-edit": f"/endpoints/{shop['id']}/edit",
            "event": f"/log/{through}",
            "event-review": f"/log/{waiting[0]}",
            "webhook": f"/webhooks/{good['id']}",
            "webhook-failing": f"/webhooks/{bad['id']}",
            "webhook-edit": f"/webhooks/{good['id']}/edit",
            "delivery": f"/webhooks/{bad['id']}/deliveries/{test['deliveryId']}",
            "rule-edit": f"/rules/{rule['id']}/edit",
            "entity-type": f"/settings/entity-types/{kind['id']}",
        },
    )


WAITING = (
    order(101),
    {"event_type": "invoice.overdue", "data": {"id": "in_7", "amount": 480, "currency": "EUR"}},
    {"event_type": "influencer.applied", "data": {"id": "inf_3", "handle": "@ada", "followers": 9}},
    {"event_type": "ticket.created", "data": {"id": "t_9", "subject": "The engine stops"}},
    {"event_type": "contact.created", "data": {"id": "c_4", "email": "grace@example.com"}},
)
RULE = {
    "name": "Customers who order",
    "entityTable": "order",
    "condition": "event.data.total > 10",
    "actions": [
        {"actionType": "tag", "actionConfig": {"tags": ["ordered"]}},
        {
            "actionType": "send_notification",
            "actionConfig": {"title": "An order of {{ entity.total }}"},
        },
    ],
}
ENTITY_TYPE = {
    "name": "lead",
    "description": "Somebody who may become a customer.",
    "targetTable": "people",
    "matchColumns": ["email"],
    "fieldMap": {"email": "lower(data.email)", "name": "data.name"},
}
