"""What pages show and do, as HTML: forms, refusals in words, other people's rows, live parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from functions.console.visits import LIVE_VERSION
from tests.functions.console.conftest import (
    ENDPOINT,
    PUBLIC_URL,
    RULE,
    WEBHOOK,
    Browser,
    Connection,
    create_endpoint,
    create_webhook,
    id_in,
    words_of,
)
from tests.running_stack import User

MakeEvent = Callable[..., str]
SCRIPT = "<script>alert(1)</script>{{ 7 * 7 }}\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def make_event(database: Connection, users: tuple[User, ...]) -> MakeEvent:
    """Puts an event of Anna's into the queue."""

    def make(endpoint_id: str, **columns: Any) -> str:
        event_id = uuid7()
        row: dict[str, Any] = {
            "id": event_id,
            "endpoint_id": endpoint_id,
            "user_id": users[0].id,
            "event_type": "order.completed",
            "payload": {"data": {"id": 1001, "total": 12.5}},
            "headers": {"content-type": "application/json"},
            "scheme": "none",
            "dedupe_key": f"id:{event_id}",
            "stage": "review",
            "entity_table": "order",
            "is_person": False,
            "ai_confidence": 0.55,
            "classified_by": "wordllama",
        } | columns
        values = [Jsonb(value) if isinstance(value, dict) else value for value in row.values()]
        names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
        database.execute(
            f"insert into public.webhook_events ({names}) values ({marks})",  # noqa: S608
            values,
        )
        return str(event_id)

    return make


def failed(**columns: Any) -> dict[str, Any]:
    return {"status": "failed", "stage": "rules", "error_message": "It broke"} | columns


async def test_a_secret_is_shown_once(anna: Browser) -> None:
    answer = await anna.post("/endpoints/new", page="/endpoints/new", **ENDPOINT)
    assert "This is shown once" in words_of(answer)
    secret = answer.text.split('id="secret-text"')[1].split(">")[1].split("<")[0]
    assert len(secret) == 64
    endpoint_id = id_in(answer, "endpoints")
    page = await anna.get(f"/endpoints/{endpoint_id}")
    assert secret not in page.text
    assert f"{PUBLIC_URL}/functions/v1/webhook-ingest/" in page.text

    answer = await anna.post(f"/endpoints/{endpoint_id}/rotate", overlapSeconds="3600")
    assert "stays valid until" in words_of(answer)
    assert secret not in answer.text


async def test_the_sources_own_secret_is_taken_and_not_shown(anna: Browser) -> None:
    endpoint_id = await create_endpoint(anna, scheme="stripe")
    answer = await anna.post(
        f"/endpoints/{endpoint_id}/rotate", overlapSeconds="0", secret="whsec_of_stripe"
    )
    assert answer.status_code == 303
    assert "whsec_of_stripe" not in (await anna.get(f"/endpoints/{endpoint_id}")).text


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "name"),
        ("scheme", "wax_seal", "scheme: must be one of"),
        ("slug", "Not A Slug", "slug"),
        ("confidenceThreshold", "2", "confidenceThreshold"),
        ("rateLimitPerMinute", "many", "rateLimitPerMinute"),
        ("fieldMaps", "{", "fieldMaps: this is not JSON (line 1, column 2)"),
        ("fieldMaps", '{"order": {"total": "]"}}', "fieldMaps.order"),
        ("defaultEntityTable", "spaceship", "There is no entity type spaceship"),
    ],
)
async def test_what_is_wrong_with_an_endpoint_is_told_and_nothing_typed_is_lost(
    anna: Browser, field: str, value: str, words: str
) -> None:
    fields = ENDPOINT | {"description": "Typed by hand"} | {field: value}
    answer = await anna.post("/endpoints/new", page="/endpoints/new", **fields)
    assert answer.status_code == 400
    assert words in words_of(answer)
    assert "Typed by hand" in answer.text


async def test_an_endpoint_is_changed_switched_and_deleted(anna: Browser) -> None:
    endpoint_id = await create_endpoint(anna, scheme="hmac", **{"setting.header": "X-Acme"})
    edit = f"/endpoints/{endpoint_id}/edit"
    assert 'value="x-acme"' in (await anna.get(edit)).text
    fields = ENDPOINT | {"scheme": "hmac", "schemeBefore": "hmac", "name": "Renamed"}
    answer = await anna.post(edit, page=edit, **fields, **{"setting.header": "X-Other"})
    assert answer.status_code == 303, words_of(answer)
    assert "Renamed" in words_of(await anna.get(f"/endpoints/{endpoint_id}"))
    await anna.post(f"/endpoints/{endpoint_id}/switch", active="0")
    assert "Switch on" in words_of(await anna.get(f"/endpoints/{endpoint_id}"))
    await anna.post(f"/endpoints/{endpoint_id}/delete")
    await anna.get(f"/endpoints/{endpoint_id}", 404)


async def test_an_event_is_corrected_approved_and_reprocessed(
    anna: Browser, make_event: MakeEvent
) -> None:
    endpoint_id = await create_endpoint(anna)
    event_id = make_event(endpoint_id)
    await anna.post(f"/queue/{event_id}/override", entityTable="invoice", isPerson="1")
    page = await anna.get(f"/queue?endpoint={endpoint_id}&type=invoice")
    assert f'id="event-{event_id}"' in page.text
    assert "set by hand" in page.text
    answer = await anna.post(f"/queue/{event_id}/approve")
    assert answer.status_code == 303
    assert f'id="event-{event_id}"' not in (await anna.get(f"/queue?endpoint={endpoint_id}")).text

    broken = make_event(endpoint_id, **failed())
    assert "It broke" in words_of(await anna.get(f"/log/{broken}"))
    await anna.post(f"/queue/{broken}/reprocess", back="log")
    assert "Next: rules" in words_of(await anna.get(f"/log/{broken}"))


async def test_all_that_wait_are_processed_in_bites_and_what_cannot_is_left(
    anna: Browser, make_event: MakeEvent
) -> None:
    endpoint_id = await create_endpoint(anna)
    for _ in range(103):
        make_event(endpoint_id)
    untyped = make_event(endpoint_id, entity_table=None)
    told: list[dict[str, Any]] = []
    while not told or told[-1]["left"]:
        answer = await anna.post(
            "/queue/approve-next", page="/queue", endpoint=endpoint_id, script="1"
        )
        told.append(answer.json())
    assert [one["approved"] for one in told] == [100, 3]
    answer = await anna.post("/queue/approve", page="/queue", id=[untyped], script="1")
    assert answer.json()["skipped"] == ["The event has no entity type yet: set one first"]


async def test_the_log_is_filtered_and_searched(anna: Browser, make_event: MakeEvent) -> None:
    endpoint_id = await create_endpoint(anna)
    needle = make_event(endpoint_id, **failed(payload={"note": "a Needle in 100% of_hay"}))
    other = make_event(endpoint_id, **failed(event_type="customers/create", entity_table="person"))

    async def found(query: str) -> set[str]:
        page = (await anna.get(f"/log?endpoint={endpoint_id}&{query}")).text
        return {one for one in (needle, other) if f'id="event-{one}"' in page}

    assert await found("") == {needle, other}
    assert await found("text=nEEDLE") == {needle}
    assert await found("text=100%25+of_hay") == {needle}
    assert await found("text=1000%25") == set()
    assert await found("text=customers/create") == {other}
    assert await found("type=person&status=failed") == {other}
    assert await found("status=processed") == set()
    assert await found("span=hour") == {needle, other}
    assert "Nothing found" in words_of(await anna.get("/log?text=nowhere-to-be-found"))
    await anna.get("/log?status=lost", 400)


async def test_lists_go_on_where_the_page_before_ended(
    anna: Browser, make_event: MakeEvent
) -> None:
    endpoint_id = await create_endpoint(anna)
    ids = {make_event(endpoint_id, **failed(external_id="needle")) for _ in range(53)}
    for query in ("", "&text=needle"):
        seen: list[str] = []
        path = f"/log?endpoint={endpoint_id}{query}"
        while path:
            page = (await anna.get(path)).text
            seen += [part.split('"')[0] for part in page.split('<tr id="event-')[1:]]
            link = [
                part.split('"')[0]
                for part in page.split('href="/console')
                if "Next page" in part.split("</a>")[0]
            ]
            path = link[0].replace("&amp;", "&") if link else ""
        assert len(seen) == 53
        assert set(seen) == ids
    await anna.get("/log?cursor=nonsense", 400)


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


async def test_a_rule_keeps_its_actions_ids_and_order(anna: Browser) -> None:
    second = {"actions.1.type": "send_notification", "actions.1.send_notification.title": "Look"}
    answer = await anna.post("/rules/new", page="/rules/new", **RULE, **second)
    assert answer.status_code == 303, words_of(answer)
    rule_id = id_in(await anna.get("/rules"), "rules")
    edit = f"/rules/{rule_id}/edit"
    page = (await anna.get(edit)).text
    ids = [part.split('"')[0] for part in page.split('.id" value="')[1:] if part[0] != '"']
    assert len(ids) == 2
    moved = {
        "actions.1.id": ids[1],
        "actions.1.type": "send_notification",
        "actions.1.send_notification.title": "Look",
        "actions.0.id": ids[0],
        "actions.0.type": "tag",
        "actions.0.tag.tags": "big",
    }
    rest = {name: value for name, value in RULE.items() if not name.startswith("actions")}
    await anna.post(edit, page=edit, **rest, **moved)
    page = (await anna.get(edit)).text
    now = [part.split('"')[0] for part in page.split('.id" value="')[1:] if part[0] != '"']
    assert now == [ids[1], ids[0]]
    await anna.post(f"/rules/{rule_id}/delete")
    await anna.get(edit, 404)


async def test_what_is_wrong_with_a_rule_is_told_while_it_is_written_and_when_it_is_saved(
    anna: Browser,
) -> None:
    answer = await anna.post("/rules/check", condition="event.data.total >")
    assert "bad-text" in answer.text
    answer = await anna.post("/rules/check", condition="event.data.total > 1")
    assert "This can be saved" in words_of(answer)
    answer = await anna.post("/rules/check", kind="filter", filter="person.name == 'a'")
    assert "bad-text" in answer.text
    answer = await anna.post("/rules/new", page="/rules/new", **RULE | {"condition": "1 +"})
    assert answer.status_code == 400
    assert "condition: " in words_of(answer)
    wrong = RULE | {"actions.0.type": "assign_role", "actions.0.tag.tags": "x"}
    answer = await anna.post("/rules/new", page="/rules/new", **wrong)
    assert "actions.0.actionConfig: role" in words_of(answer)


async def test_types_are_registered_changed_and_deleted(anna: Browser) -> None:
    fields = {
        "name": "lead",
        "description": "A lead",
        "targetTable": "people",
        "matchColumns": "email",
        "fieldMap": '{"email": "lower(data.email)"}',
    }
    new = "/settings/entity-types/new"
    answer = await anna.post(new, page=new, **fields)
    assert answer.status_code == 303, words_of(answer)
    answer = await anna.post(new, page=new, **fields | {"targetTable": "webhook_events"})
    assert answer.status_code == 400
    page = await anna.get("/settings")
    lead = page.text.split(">lead<")[0].rsplit("entity-types/", 1)[1][:36]
    await anna.post(f"/settings/entity-types/{lead}/delete")
    await anna.get(f"/settings/entity-types/{lead}", 404)

    await anna.post("/settings/event-types", name="order.packed", example='{"id": 1}')
    assert "order.packed" in words_of(await anna.get("/settings"))
    answer = await anna.post("/settings/event-types", name="order packed")
    assert answer.status_code == 400
    await anna.post("/settings/event-types/order.packed/delete")
    await anna.get("/settings/event-types/order.packed", 404)


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
    await anna.post("/rules/new", page="/rules/new", **RULE | {"name": "Anna's own"})
    rule_id = id_in(await anna.get("/rules"), "rules")
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
    assert "Anna&#39;s shop" in (await admin.get("/endpoints")).text


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
