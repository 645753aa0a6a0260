"""Webhooks on pages: made, changed, paused, deleted."""

from __future__ import annotations

import pytest

from tests.functions.console.conftest import (
    WEBHOOK,
    Browser,
    create_webhook,
    words_of,
)


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
