"""Webhooks on pages: made, changed, paused, deleted."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.database.deliveries import Webhook, make_delivery, set_webhook
from tests.functions.console.conftest import (
    WEBHOOK,
    Browser,
    Connection,
    create_endpoint,
    create_webhook,
    words_of,
)
from tests.running_stack import User


async def test_a_webhook_is_made_changed_paused_and_deleted(anna: Browser) -> None:
    webhook_id = await create_webhook(anna, **{"headers.key": "X-Key", "headers.value": "sesame"})
    page = await anna.get(f"/webhooks/{webhook_id}/edit")
    assert "sesame" not in page.text
    edit = f"/webhooks/{webhook_id}/edit"
    fields = WEBHOOK | {"name": "Renamed", "filter": "event.data.total > 5"}
    answer = await anna.post(
        edit, page=edit, **fields, **{"headers.key": "X-Key", "headers.value": "***"}
    )
    assert answer.status_code == 303, words_of(answer)
    words = words_of(await anna.get(f"/webhooks/{webhook_id}"))
    assert "Renamed" in words
    assert "X-Key" in words
    await anna.post(f"/webhooks/{webhook_id}/switch", active="0")
    assert "paused" in words_of(await anna.get("/webhooks"))
    answer = await anna.post(f"/webhooks/{webhook_id}/rotate", overlapSeconds="0")
    assert "whsec_" in answer.text
    await anna.post(f"/webhooks/{webhook_id}/delete")
    await anna.get(f"/webhooks/{webhook_id}", 404)


async def test_what_waits_for_a_webhook_that_is_off_says_so(
    open_browser: Callable[..., Any], new_user: Callable[[], User], database: Connection
) -> None:
    user = new_user()
    browser: Browser = await open_browser(user)
    await create_endpoint(browser)
    webhook = Webhook(uuid.UUID(await create_webhook(browser)), user.id)
    delivery_id = make_delivery(database, webhook, attempts=1)
    pages = (
        "/webhooks",
        f"/webhooks/{webhook.id}",
        f"/webhooks/{webhook.id}/deliveries/{delivery_id}",
    )

    async def told() -> list[str]:
        return [" ".join(words_of(await browser.get(path)).split()) for path in ("/", *pages)]

    overview, listed, shown, delivery = await told()
    assert "0 in, 1 out" in overview
    assert "1 waiting" in listed
    assert "pending next" in shown
    assert "pending" in delivery
    assert not any("webhook paused" in words or "as it is" in words for words in await told())

    await browser.post(f"/webhooks/{webhook.id}/switch", active="0")
    overview, listed, shown, delivery = await told()
    assert "0 in, 0 out 1 waiting, webhook paused or switched off" in overview
    assert "1 waiting, as it is paused" in listed
    assert "waiting, webhook paused" in shown
    assert "pending next" not in shown
    assert "waiting, webhook paused" in delivery
    assert "Next attempt once the webhook is on" in delivery

    set_webhook(database, webhook, disabled_reason="It is gone")
    _, listed, shown, delivery = await told()
    assert "1 waiting, as it is switched off" in listed
    assert "waiting, webhook switched off" in shown
    assert "waiting, webhook switched off" in delivery


async def test_a_test_of_a_webhook_that_is_off_waits_for_nothing(
    anna: Browser, users: tuple[User, ...], database: Connection
) -> None:
    webhook = Webhook(uuid.UUID(await create_webhook(anna)), users[0].id)
    make_delivery(database, webhook, is_test=True)
    await anna.post(f"/webhooks/{webhook.id}/switch", active="0")
    assert "webhook paused" not in words_of(await anna.get(f"/webhooks/{webhook.id}"))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("url", "http://10.0.0.1/", "url: "),
        ("events", "", "events: "),
        ("filter", "event.data.total >", "filter: "),
        ("timeoutSeconds", "90", "timeoutSeconds: "),
    ],
)
async def test_what_is_wrong_with_a_webhook_is_told(
    anna: Browser, field: str, value: str, words: str
) -> None:
    fields = WEBHOOK | {field: value}
    answer = await anna.post("/webhooks/new", page="/webhooks/new", **fields)
    assert answer.status_code == 400
    assert words in words_of(answer)
