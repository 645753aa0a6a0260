"""Text of an outside system that reads like SQL, CEL or a template is data, the whole way through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.acceptance.test_pipeline import Connection, api, wait_for
from tests.running_stack import User

TEXTS = [
    "'; drop table public.people; --",
    "$$; select pg_sleep(60); $$",
    "{{ event.data.customer.email }}",
    "{{ ''.__class__.__mro__ }}",
    '" || true || "',
    "event.data.total > 0",
    "__import__('os').system('id')",
    "<script>alert(1)</script>",
]
RULE = {
    "name": "Note",
    "entityTable": "order",
    "condition": 'event.data.note != "" && event.data.total == 12.5',
    "actions": [
        {"actionType": "tag", "actionConfig": {"tags": ["{{ event.data.note }}"]}},
        {
            "actionType": "send_notification",
            "actionConfig": {"title": "{{ event.data.note }}", "body": "{{ person.name }}"},
        },
    ],
}


def post_order(url: str, user: User, note: str, **data: Any) -> str:
    """Sends an order whose every text is this one; the event's id."""
    wanted = {
        "name": "Shop",
        "scheme": "none",
        "processingMode": "automatic",
        "confidenceThreshold": 0,
    }
    slug = api(url, user, "POST", "/endpoints", wanted)["slug"]
    order = {"order_id": note, "total": 12.5, "currency": "EUR", "note": note, **data}
    order["customer"] = {"name": note, "email": "ada@example.com"}
    body = {"event_type": "order.completed", "data": order}
    answer = httpx.post(f"{url}/functions/v1/webhook-ingest/{slug}", json=body, timeout=30)
    assert answer.status_code == 202, answer.text
    event_id: str = answer.json()["data"]["id"]
    return event_id


@pytest.mark.parametrize("text", TEXTS)
def test_text_stays_text(
    text: str, pipeline_url: str, new_user: Callable[[], User], database: Connection
) -> None:
    user = new_user()
    api(pipeline_url, user, "POST", "/rules", RULE)

    event = wait_for(pipeline_url, user, post_order(pipeline_url, user, text), "done")

    assert (event["status"], event["entityTable"]) == ("processed", "order")
    found = database.execute(
        "select o.external_id, p.name, t.tag, n.title, n.body from public.orders o"
        " join public.people p using (user_id) join public.entity_tags t using (user_id)"
        " join public.notifications n using (user_id) where o.user_id = %s",
        [user.id],
    ).fetchall()
    assert [tuple(row.values()) for row in found] == [(text, text, text, text, text)]


def test_a_condition_that_would_take_for_ever_fails_its_own_event_alone(
    pipeline_url: str, new_user: Callable[[], User]
) -> None:
    user, other = new_user(), new_user()
    pairs = "event.data.items.all(a, event.data.items.all(b, a + b >= 0))"
    api(pipeline_url, user, "POST", "/rules", RULE | {"condition": pairs})
    api(pipeline_url, other, "POST", "/rules", RULE)

    slow = post_order(pipeline_url, user, "slow", items=list(range(5_000)))
    quick = post_order(pipeline_url, other, "quick")

    assert wait_for(pipeline_url, other, quick, "done")["status"] == "processed"
    with pytest.raises(AssertionError, match="condition"):
        wait_for(pipeline_url, user, slow, "done")
