"""What vendors ask of ingest beyond one signed JSON object: set-up requests, arrays, forms, addresses."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

from functions.ingest.app import create_app
from functions.ingest.ingest import batch_outcome
from functions.ingest.settings import IngestSettings
from shared import errors
from shared.batches import MAX_ITEMS
from shared.signatures import SCHEMES as ALL_SCHEMES
from tests.functions.conftest import Connection, Endpoint, MakeEndpoint
from tests.functions.test_ingest import assert_refused, post, post_sent, stored
from tests.samples import HEADER_TYPES, SCHEMES, sample_names
from tests.shared.signatures.factories import FORM, PAYLOADS, Sent, payload

# --- Set-up requests -----------------------------------------------------------------------------


async def shake(client: httpx.AsyncClient, endpoint: Endpoint, body: dict[str, Any]) -> Any:
    """The answer to a set-up request that went well."""
    response = await post(client, endpoint, json.dumps(body).encode())
    assert response.status_code == 200, response.text
    return response.json()


async def test_slacks_challenge_is_handed_back(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("slack")
    asked = {"type": "url_verification", "token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9"}
    assert await shake(ingest, endpoint, asked) == {"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9"}
    assert stored(database, endpoint) == []


async def test_discords_pings_are_answered(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("discord")
    ping = {"id": "1", "application_id": "1", "type": 1, "token": "t", "version": 1}
    assert await shake(ingest, endpoint, ping) == {"type": 1}
    answer = await post(ingest, endpoint, b'{"version":1,"application_id":"1","type":0}')
    assert (answer.status_code, answer.content) == (204, b"")
    assert stored(database, endpoint) == []


async def test_discords_ping_with_a_bad_signature_is_401(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    """Discord sends such ones on purpose, and takes an address away that answers otherwise."""
    endpoint = make_endpoint("discord")
    bad = {"X-Signature-Ed25519": "00" * 64}
    answer = await post(ingest, endpoint, b'{"type":1}', **bad)
    assert_refused(answer, 401, "invalid_signature")


async def test_zooms_validation_gets_its_code(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("zoom")
    asked = {
        "event": "endpoint.url_validation",
        "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"},
    }
    code = hmac.new(endpoint.secret.encode(), b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256)
    assert await shake(ingest, endpoint, asked) == {
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        "encryptedToken": code.hexdigest(),
    }
    assert stored(database, endpoint) == []


@pytest.mark.parametrize(
    ("scheme", "body", "headers"),
    [
        ("github", json.loads(payload("github", "ping")), {"X-GitHub-Event": "ping"}),
        ("intercom", {"type": "notification_event", "topic": "ping", "id": None}, {}),
    ],
)
async def test_a_signed_ping_is_answered_and_not_stored(
    scheme: str,
    body: dict[str, Any],
    headers: dict[str, str],
    ingest: httpx.AsyncClient,
    database: Connection,
    make_endpoint: MakeEndpoint,
) -> None:
    endpoint = make_endpoint(scheme)
    answer = await post(ingest, endpoint, json.dumps(body).encode(), **headers)
    assert (answer.status_code, answer.json()["data"]) == (200, {"state": "pong"})
    assert stored(database, endpoint) == []


async def test_woocommerces_form_ping_is_answered_and_not_stored(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("woocommerce")
    answer = await ingest.post(endpoint.path, content=b"webhook_id=12", headers=FORM)
    assert (answer.status_code, answer.json()["status"]) == (200, "success")
    other = await ingest.post(endpoint.path, content=b"order_id=12", headers=FORM)
    assert_refused(other, 415, "unsupported_media_type")
    assert stored(database, endpoint) == []


ASKED = {
    "hub.mode": "subscribe",
    "hub.verify_token": "a-token-of-ours",
    "hub.challenge": "1158201444",
}
MARKUP = "<script>alert(1)</script>"


async def test_metas_challenge_is_handed_back_as_plain_text(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    answer = await ingest.get(make_endpoint("meta").path, params=ASKED)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "changes",
    [{"hub.verify_token": "guessed"}, {"hub.verify_token": ""}, {"hub.challenge": MARKUP}],
)
async def test_a_challenge_from_whoever_does_not_know_the_token_is_403(
    changes: dict[str, str], ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    answer = await ingest.get(make_endpoint("meta").path, params=ASKED | changes)
    assert_refused(answer, 403, "forbidden")
    assert "script" not in answer.text


async def test_a_challenge_for_another_scheme_is_403(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    answer = await ingest.get(make_endpoint("github").path, params=ASKED)
    assert_refused(answer, 403, "forbidden")


@pytest.mark.parametrize("slug", ["nobody", MARKUP, "%3Cb%3E"])
async def test_a_challenge_for_an_unknown_address_is_404_and_reflects_nothing(
    slug: str, ingest: httpx.AsyncClient
) -> None:
    asked = ASKED | {"hub.challenge": MARKUP}
    answer = await ingest.get(f"/functions/v1/ingest/{slug}", params=asked)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert "<" not in answer.text


@pytest.mark.parametrize(
    "asked",
    [
        {"type": "url_verification", "challenge": MARKUP},
        {"event": "endpoint.url_validation", "payload": {"plainToken": MARKUP}},
        {"type": 1, "id": MARKUP},
    ],
)
async def test_a_posted_challenge_for_an_unknown_address_is_404_and_reflects_nothing(
    asked: dict[str, Any], ingest: httpx.AsyncClient
) -> None:
    answer = await ingest.post("/functions/v1/ingest/nobody", json=asked)
    assert_refused(answer, 404, "unknown_endpoint")
    assert answer.headers["content-type"] == "application/json"
    assert "<" not in answer.text


async def test_a_new_verify_token_holds_although_the_endpoint_is_cached(
    ingest_settings: IngestSettings, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("meta")
    app = create_app(ingest_settings.model_copy(update={"endpoint_cache_seconds": 60}))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://ingest") as client,
    ):
        assert (await client.get(endpoint.path, params=ASKED)).status_code == 200
        database.execute(
            "update public.webhook_endpoints set scheme_settings = %s where id = %s",
            [json.dumps({"verifyToken": "newer"}), endpoint.id],
        )
        asked = ASKED | {"hub.verify_token": "newer"}
        deadline = time.monotonic() + 30
        while (answer := await client.get(endpoint.path, params=asked)).status_code != 200:
            assert time.monotonic() < deadline
        assert answer.text == "1158201444"


async def test_a_switched_off_endpoint_answers_no_challenge(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    answer = await ingest.get(make_endpoint("meta", is_active=False).path, params=ASKED)
    assert_refused(answer, 403, "endpoint_inactive")


# --- Arrays --------------------------------------------------------------------------------------

ARRAYS = [
    ("hubspot", "contact.creation", ["contact.creation", "contact.propertyChange"]),
    ("sendgrid", "delivered", ["processed", "delivered"]),
    ("twilio", "messaging.message.sent", ["com.twilio.messaging.message.sent"]),
]


@pytest.mark.parametrize(("scheme", "name", "types"), ARRAYS)
async def test_each_item_of_an_array_becomes_an_event_and_the_request_gets_one_answer(
    scheme: str,
    name: str,
    types: list[str],
    ingest: httpx.AsyncClient,
    database: Connection,
    make_endpoint: MakeEndpoint,
) -> None:
    endpoint, body = make_endpoint(scheme), payload(scheme, name)
    answer = await post(ingest, endpoint, body)
    assert answer.status_code == 202, answer.text
    data = answer.json()["data"]
    rows = stored(database, endpoint)
    assert [row["event_type"] for row in rows] == types
    assert [row["payload"] for row in rows] == json.loads(body)
    assert all(row["body"] in body and json.loads(row["body"]) == row["payload"] for row in rows)
    events = [{"id": str(row["id"]), "state": "accepted"} for row in rows]
    assert data == {"state": "accepted", "events": events}


async def test_items_that_were_stored_before_are_duplicates(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("hubspot")
    items = json.loads(payload("hubspot", "contact.creation"))
    first = (await post(ingest, endpoint, json.dumps(items[:1]).encode())).json()["data"]
    again = [item | {"attemptNumber": 1} for item in items]
    both = (await post(ingest, endpoint, json.dumps(again).encode())).json()["data"]
    assert both["state"] == "accepted"
    assert [event["state"] for event in both["events"]] == ["duplicate", "accepted"]
    assert both["events"][0]["id"] == first["events"][0]["id"]
    third = (await post(ingest, endpoint, json.dumps(again).encode())).json()["data"]
    assert third["state"] == "duplicate"
    assert len(stored(database, endpoint)) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[", "not valid JSON"),
        (b"[1]", "Item 1: The body must be a JSON object"),
        (b'[{"eventId":1},[]]', "Item 2"),
        (b'[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]", "nested deeper"),
        (b'[{"a":' + b"9" * 5000 + b"}]", "not valid JSON"),
        (b'[{"a":' + b"9" * 129 + b"}]", "Item 1: A number has over"),
        (b'[{"a":"\xff"}]', "UTF-8"),
    ],
)
async def test_a_bad_array_is_400_and_nothing_of_it_is_stored(
    body: bytes,
    words: str,
    ingest: httpx.AsyncClient,
    database: Connection,
    make_endpoint: MakeEndpoint,
) -> None:
    endpoint = make_endpoint("hubspot")
    answer = await post(ingest, endpoint, body)
    assert_refused(answer, 400, "invalid_json")
    assert words in answer.json()["error"]
    assert stored(database, endpoint) == []


async def test_an_array_of_too_many_items_is_413(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("hubspot")
    answer = await post(ingest, endpoint, b"[" + b"{}," * MAX_ITEMS + b"{}]")
    assert_refused(answer, 413, "payload_too_large")
    assert stored(database, endpoint) == []


async def test_an_array_of_more_than_one_group_is_stored_whole(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("sendgrid")
    items = [{"event": "open", "sg_event_id": f"e{number}"} for number in range(1200)]
    answer = await post(ingest, endpoint, json.dumps(items).encode())
    assert len(answer.json()["data"]["events"]) == 1200
    assert len(stored(database, endpoint)) == 1200


async def test_an_empty_array_is_accepted(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    answer = await post(ingest, make_endpoint("sendgrid"), b" [ ] ")
    assert (answer.status_code, answer.json()["data"]) == (202, {"state": "accepted", "events": []})


async def test_an_array_over_the_rate_limit_is_sent_again_without_harm(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("sendgrid", rate_limit_per_minute=2)
    body = json.dumps([{"event": "open", "sg_event_id": f"e{n}"} for n in range(3)]).encode()
    answer = await post(ingest, endpoint, body)
    assert_refused(answer, 429, "rate_limited")
    assert int(answer.headers["retry-after"]) > 0
    assert len(stored(database, endpoint)) == 2
    database.execute(
        "update public.webhook_endpoints set rate_limit_per_minute = null where id = %s",
        [endpoint.id],
    )
    events = (await post(ingest, endpoint, body)).json()["data"]["events"]
    assert [event["state"] for event in events] == ["duplicate", "duplicate", "accepted"]


ACCEPTED = {"id": "1", "state": "accepted"}
LIMITED = {"id": "2", "state": "rate_limited", "retry_after": 7}
REJECTED = {"id": "3", "state": "rejected"}


def test_of_several_failures_the_one_that_passes_by_itself_is_told() -> None:
    with pytest.raises(errors.RateLimited) as refusal:
        batch_outcome([REJECTED, LIMITED, ACCEPTED, REJECTED])
    assert refusal.value.retry_after == 7
    with pytest.raises(errors.DatabaseUnavailable):
        batch_outcome([ACCEPTED, errors.DatabaseUnavailable(retry_after=5), REJECTED])
    with pytest.raises(errors.InvalidRequest):
        batch_outcome([ACCEPTED, REJECTED])
    with pytest.raises(ZeroDivisionError):
        batch_outcome([LIMITED, ZeroDivisionError(), REJECTED])


async def test_an_item_that_cannot_be_stored_fails_the_request_and_no_other_item(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("sendgrid")
    database.execute(
        "alter table public.webhook_events add constraint no_poison"
        " check (event_type <> 'poison') not valid"
    )
    try:
        items = [{"event": name, "sg_event_id": name} for name in ("open", "poison", "click")]
        answer = await post(ingest, endpoint, json.dumps(items).encode())
    finally:
        database.execute("alter table public.webhook_events drop constraint no_poison")
    assert_refused(answer, 400, "invalid_request")
    assert [row["event_type"] for row in stored(database, endpoint)] == ["open", "click"]


async def test_other_vendors_send_no_arrays(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    answer = await post(ingest, make_endpoint("github"), b'[{"a":1}]')
    assert_refused(answer, 400, "invalid_json")


# --- Forms ---------------------------------------------------------------------------------------


async def test_a_form_becomes_an_object_and_its_bytes_are_kept(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("twilio")
    form = (PAYLOADS / "twilio" / "message.received.form").read_bytes()
    answer = await post(ingest, endpoint, form, **FORM)
    assert answer.status_code == 202, answer.text
    (row,) = stored(database, endpoint)
    assert row["body"] == form
    assert row["event_type"] == "message.received"
    assert row["payload"]["Body"] == "Where is my order #1001? Zoë"
    assert row["payload"]["ToCity"] == ""


async def test_repeated_fields_become_lists_and_nul_is_replaced(
    ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("twilio")
    answer = await post(ingest, endpoint, b"a=1&a=2&a=3&b=x%00y", **FORM)
    assert answer.status_code == 202, answer.text
    (row,) = stored(database, endpoint)
    assert row["payload"] == {"a": ["1", "2", "3"], "b": "x\ufffdy"}


@pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data; boundary=x"])
async def test_a_body_that_is_neither_json_nor_a_form_is_415(
    media_type: str, ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    answer = await post(ingest, make_endpoint("twilio"), b"a=1", **{"Content-Type": media_type})
    assert_refused(answer, 415, "unsupported_media_type")


# --- Addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["hubspot", "square", "twilio"])
async def test_the_signed_address_is_functions_url_and_the_path_whatever_host_says(
    scheme: str, ingest_settings: IngestSettings, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint(scheme, scheme_settings={})
    public = "https://hooks.example.org/base"
    app = create_app(ingest_settings.model_copy(update={"functions_url": f"{public}/"}))
    ours = replace(endpoint, settings={"publicUrl": f"{public}{endpoint.path}"})
    theirs = replace(endpoint, settings={"publicUrl": f"http://evil.example{endpoint.path}"})
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client,
    ):
        forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
        answer = await post(client, ours, b'{"id":1}', Host="evil.example", **forwarded)
        assert answer.status_code == 202, answer.text
        answer = await post(client, theirs, b'{"id":2}', Host="evil.example", **forwarded)
        assert_refused(answer, 401, "invalid_signature")


async def test_the_query_that_came_is_part_of_a_signed_address(
    ingest: httpx.AsyncClient, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("square")
    sent = endpoint.sent(b'{"id":1}')
    answer = await post_sent(ingest, endpoint, replace(sent, query="shop=2"))
    assert_refused(answer, 401, "invalid_signature")


# --- Copies --------------------------------------------------------------------------------------


def retried(endpoint: Endpoint, body: bytes, facts: dict[str, str]) -> list[Sent]:
    """A delivery and its retry a second later, signed anew as vendors do."""
    now = time.time()
    if endpoint.scheme == "mailgun":  # whose id of the delivery is part of the signature
        return [endpoint.sent(body, now)] * 2
    again = body.replace(b'"attemptNumber": 0', b'"attemptNumber": 1')
    return [endpoint.sent(body, now - 1, **facts), endpoint.sent(again, now, **facts)]


@pytest.mark.parametrize("name", [name for name in sample_names() if name != "github/ping"])
async def test_a_retry_of_any_vendor_is_a_duplicate(
    name: str, ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    vendor, _, event = name.partition("/")
    endpoint = make_endpoint(SCHEMES.get(vendor, vendor))
    body = (PAYLOADS / f"{name}.json").read_bytes()
    facts = {"event_type": HEADER_TYPES.get(vendor, event), "delivery_id": "delivery-1"}
    states = []
    for sent in retried(endpoint, body, facts):
        answer = await post_sent(ingest, endpoint, sent)
        assert answer.status_code == 202, answer.text
        states.append(answer.json()["data"]["state"])
    assert states == ["accepted", "duplicate"]
    content = json.loads(body)
    assert len(stored(database, endpoint)) == (len(content) if isinstance(content, list) else 1)


BY_HEADER = ["github", "gitlab", "linear", "shopify", "standard_webhooks", "zendesk"]


@pytest.mark.parametrize("scheme", BY_HEADER)
async def test_an_equal_body_under_another_id_is_another_delivery(
    scheme: str, ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint(scheme)
    for number in (1, 2):
        sent = endpoint.sent(b'{"equal":true}', delivery_id=f"delivery-{number}")
        assert (await post_sent(ingest, endpoint, sent)).json()["data"]["state"] == "accepted"
    assert len(stored(database, endpoint)) == 2


BY_BODY: dict[str, dict[str, Any]] = {
    "intercom": {"id": "notif_1"},
    "paddle": {"event_id": "evt_1"},
    "paypal": {"id": "WH-1"},
    "slack": {"event_id": "Ev1"},
    "square": {"event_id": "e1"},
    "stripe": {"id": "evt_1"},
    "typeform": {"event_id": "e1"},
}


@pytest.mark.parametrize("scheme", BY_BODY)
async def test_another_body_under_the_same_id_is_a_copy(
    scheme: str, ingest: httpx.AsyncClient, database: Connection, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint(scheme)
    states = []
    for number in (1, 2):
        body = json.dumps(BY_BODY[scheme] | {"attempt": number}).encode()
        states.append((await post(ingest, endpoint, body)).json()["data"]["state"])
    assert states == ["accepted", "duplicate"]
    assert len(stored(database, endpoint)) == 1


def test_of_every_scheme_it_is_known_by_what_copies_are_told() -> None:
    by_convention = {"basic", "bearer", "chatbots", "hmac", "none", "webhook_signature"}
    by_the_whole_body = {"calendly", "discord", "woocommerce", "zoom"}
    per_item_or_message = {"hubspot", "mailgun", "meta", "sendgrid", "twilio"}
    known = {*BY_HEADER, *BY_BODY, *by_convention, *by_the_whole_body, *per_item_or_message}
    assert known == set(ALL_SCHEMES)
