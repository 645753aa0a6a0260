"""What holds for all pages: nothing sent is more than text, nobody sees another's, live parts."""

from __future__ import annotations

from typing import Any

from functions.console.visits import LIVE_VERSION
from tests.functions.console.conftest import (
    Browser,
    MakeEvent,
    create_endpoint,
    create_rule,
    create_webhook,
    failed,
    words_of,
)

SCRIPT = "<script>alert(1)</script>{{ 7 * 7 }}\"'><img src=x onerror=alert(1)>"


async def test_what_a_stranger_sent_is_text_on_every_page(
    anna: Browser, make_event: MakeEvent
) -> None:
    endpoint_id = await create_endpoint(anna, name=SCRIPT, description=SCRIPT)
    columns: dict[str, Any] = {
        "event_type": SCRIPT,
        "external_id": SCRIPT,
        "payload": {SCRIPT: [SCRIPT]},
        "headers": {"x-title": SCRIPT},
    }
    waiting = make_event(endpoint_id, **columns)
    broken = make_event(endpoint_id, **failed(**columns | {"error_message": SCRIPT}))
    for path in (
        "/",
        "/endpoints",
        f"/endpoints/{endpoint_id}",
        "/queue",
        f"/queue/{waiting}/payload",
        f"/log?text={SCRIPT}",
        f"/log/{waiting}",
        f"/log/{broken}",
    ):
        page = (await anna.get(path)).text
        assert "<script>alert" not in page, path
        assert "<img" not in page, path
        assert "49" not in page.split("&lt;script&gt;alert(1)&lt;/script&gt;")[-1][:20], path
    body = await anna.get(f"/log/{waiting}/body")
    assert body.headers["content-type"].startswith("text/plain")


async def test_what_belongs_to_somebody_else_is_not_there(
    anna: Browser, ben: Browser, make_event: MakeEvent
) -> None:
    endpoint_id = await create_endpoint(anna, name="Anna's own")
    webhook_id = await create_webhook(anna, name="Anna's own")
    event_id = make_event(endpoint_id)
    rule_id = await create_rule(anna, name="Annas own")
    for path in (
        f"/endpoints/{endpoint_id}",
        f"/endpoints/{endpoint_id}/edit",
        f"/webhooks/{webhook_id}",
        f"/webhooks/{webhook_id}/edit",
        f"/rules/{rule_id}/edit",
        f"/queue/{event_id}/payload",
        f"/log/{event_id}",
        f"/log/{event_id}/body",
    ):
        assert "Anna" not in (await ben.get(path, 404)).text
    for path in (
        f"/endpoints/{endpoint_id}/delete",
        f"/endpoints/{endpoint_id}/switch",
        f"/endpoints/{endpoint_id}/rotate",
        f"/endpoints/{endpoint_id}/test",
        f"/webhooks/{webhook_id}/delete",
        f"/webhooks/{webhook_id}/test",
        f"/webhooks/{webhook_id}/recover",
        f"/webhooks/{webhook_id}/deliveries/{event_id}/retry",
        f"/rules/{rule_id}/delete",
        f"/queue/{event_id}/approve",
        f"/queue/{event_id}/override",
        f"/queue/{event_id}/reprocess",
    ):
        answer = await ben.post(path, isPerson="1", span="day", active="0")
        assert answer.status_code == 404, path
    for path in ("/", "/endpoints", "/queue", "/log", "/webhooks", "/rules", "/settings"):
        assert "Anna" not in (await ben.get(path)).text
    await anna.get(f"/endpoints/{endpoint_id}")


async def test_only_an_admin_sees_everybodys_rows(
    anna: Browser, ben: Browser, admin: Browser
) -> None:
    await create_endpoint(anna, name="Anna's shop")
    answer = await ben.post("/settings/everybody", everybody="1")
    assert answer.status_code == 403
    ben.client.cookies.set("switchhook_everybody", "1", domain="127.0.0.1", path="/console")
    assert "Anna&#39;s shop" not in (await ben.get("/endpoints")).text
    assert "Anna&#39;s shop" not in (await admin.get("/endpoints")).text
    await admin.post("/settings/everybody", everybody="1")
    page = (await admin.get("/endpoints")).text
    assert "Anna&#39;s shop" in page
    assert "another user" in page


async def test_a_live_part_is_sent_again_only_once_it_has_changed(
    anna: Browser, make_event: MakeEvent
) -> None:
    endpoint_id = await create_endpoint(anna)
    path = f"/queue?endpoint={endpoint_id}"
    page = (await anna.get(path)).text
    version = page.split('data-version="')[1].split('"')[0]
    script = {"HX-Request": "true", LIVE_VERSION: version}
    assert (await anna.client.get(f"/console{path}", headers=script)).status_code == 204
    event_id = make_event(endpoint_id)
    answer = await anna.client.get(f"/console{path}", headers=script)
    assert answer.status_code == 200
    assert answer.headers[LIVE_VERSION] != version
    assert event_id in answer.text
    assert "<html" not in answer.text
    elsewhere = await anna.client.get("/console/rules", headers=script)
    assert '<template data-badge="0">' not in elsewhere.text


async def test_words_after_a_change_are_said_once(anna: Browser) -> None:
    endpoint_id = await create_endpoint(anna, name="Ümlaut <b>")
    await anna.post(f"/endpoints/{endpoint_id}/switch", active="0")
    first = await anna.get(f"/endpoints/{endpoint_id}")
    assert "Ümlaut &lt;b&gt; refuses webhooks from now on" in first.text
    assert "refuses webhooks" not in (await anna.get(f"/endpoints/{endpoint_id}")).text


async def test_a_newcomer_is_told_what_to_do_next(newcomer: Browser) -> None:
    for path, words in (
        ("/", "Create an endpoint"),
        ("/endpoints", "Create an endpoint"),
        ("/queue", "Nothing waits for you"),
        ("/log", "Nothing is through yet"),
        ("/webhooks", "Create a webhook"),
        ("/rules", "Create a rule"),
    ):
        assert words in words_of(await newcomer.get(path))
