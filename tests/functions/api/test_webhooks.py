"""Webhooks over HTTP, on a real database."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

import pytest

from functions.api.settings import ApiSettings
from shared.encryption import SecretBox
from shared.management.webhook_checks import shown_url
from tests.functions.api.conftest import Account, Connection, all_of, data_of, refused

SLACK_URL = "https://hooks.slack.com/services/T00000000/B00000000/XXXXcanaryXXXX"
SHOWN_SLACK_URL = "https://hooks.slack.com/services/T00000000/B00000000/***"


def stored(
    database: Connection, settings: ApiSettings, webhook: dict[str, Any], purpose: str
) -> dict[str, str]:
    """Secrets that are valid now by name, the newest last."""
    box = SecretBox.from_setting(settings.encryption_keys.get_secret_value())
    rows = database.execute(
        "select name, ciphertext from private.webhook_secrets"
        " where webhook_id = %s and purpose = %s and (expires_at is null or expires_at > now())"
        " order by created_at",
        [webhook["id"], purpose],
    ).fetchall()
    names = [row["name"] or str(place) for place, row in enumerate(rows)]
    return {name: box.decrypt(row["ciphertext"]) for name, row in zip(names, rows, strict=True)}


def path(webhook: dict[str, Any]) -> str:
    return f"/api/webhooks/{webhook['id']}"


async def patched(account: Account, webhook: dict[str, Any], **changes: Any) -> dict[str, Any]:
    after: dict[str, Any] = await data_of(account.client.patch(path(webhook), json=changes))
    return after


async def test_a_new_webhook_has_defaults(anna: Account) -> None:
    webhook = await anna.create_webhook()
    expected: dict[str, Any] = {
        "name": "Receiver",
        "url": "https://hooks.example.com/in",
        "description": None,
        "events": ["message.new"],
        "active": True,
        "kind": "http",
        "signatureProfile": "standard",
        "signatureSettings": {},
        "bodyStyle": "compact",
        "headers": {},
        "filter": "",
        "timeoutSeconds": 15,
        "rateLimitPerMinute": None,
        "slack": {},
        "disabledReason": None,
        "createdBy": str(anna.user.id),
    }
    assert {name: webhook[name] for name in expected} == expected
    assert webhook.keys() - expected.keys() == {"id", "_id", "createdAt", "updatedAt", "secret"}


async def test_all_that_can_be_decided_about_a_webhook_is_kept(anna: Account) -> None:
    fields: dict[str, Any] = {
        "name": "Zoë's CRM",
        "url": "https://crm.example.com/in?tenant=1",
        "description": "Tickets",
        "events": ["ticket.*", "*", "message_received"],
        "active": False,
        "signatureProfile": "custom",
        "signatureSettings": {
            "signatureHeader": "X-Crm-Signature",
            "prefix": "v1=",
            "hash": "sha512",
        },
        "bodyStyle": "spaced",
        "filter": "event.data.ticket.priority == 'high'",
        "timeoutSeconds": 30,
        "rateLimitPerMinute": 600,
    }
    webhook = await anna.create_webhook(**fields, headers={"X-Tenant": "a"})
    read = await data_of(anna.client.get(path(webhook)))
    assert {name: read[name] for name in fields} == fields
    assert read["headers"] == {"X-Tenant": "***"}


async def test_a_secret_is_made_encrypted_and_shown_once(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    webhook = await anna.create_webhook()
    assert stored(database, api_settings, webhook, "signing") == {"0": webhook["secret"]}
    one = await anna.client.get(path(webhook))
    many = await anna.client.get("/api/webhooks?limit=100")
    assert webhook["id"] in many.text
    assert webhook["secret"] not in one.text + many.text


async def test_a_given_secret_is_the_one_that_signs(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    webhook = await anna.create_webhook(secret="It's a secret to everybody")
    assert webhook["secret"] == "It's a secret to everybody"
    assert stored(database, api_settings, webhook, "signing") == {"0": webhook["secret"]}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"url": ""}, "url"),
        ({"url": "not a url"}, "url: "),
        ({"url": "http://hooks.example.com/in"}, "url: The URL must begin with https://"),
        ({"url": "https://10.0.0.1/in"}, "url: "),
        ({"url": "https://localhost.localdomain/in"}, "url: "),
        ({"url": "https://hooks.example.com:22/in"}, "url: "),
        ({"url": "https://user:pw@hooks.example.com/"}, "url: "),
        ({"url": f"https://hooks.example.com/{'x' * 2048}"}, "url"),
        ({"url": 5}, "url"),
        ({"events": []}, "events"),
        ({"events": ["not an event"]}, "events.0"),
        ({"events": ["a..b"]}, "events.0"),
        ({"events": ["*.created"]}, "events.0"),
        ({"events": ["a.*.b"]}, "events.0"),
        ({"events": [".*"]}, "events.0"),
        ({"events": ["x" * 129]}, "events.0"),
        ({"events": [f"e{n}" for n in range(101)]}, "events"),
        ({"events": "message.new"}, "events"),
        ({"active": "yes"}, "active"),
        ({"description": "x" * 2001}, "description"),
        ({"secret": ""}, "secret"),
        ({"secret": " padded "}, "secret"),
        ({"secret": "x" * 5000}, "secret"),
        ({"kind": "smtp"}, "kind"),
        ({"signatureProfile": "md5"}, "signatureProfile"),
        ({"signatureSettings": {"prefix": "x"}}, "signatureSettings: "),
        ({"signatureProfile": "custom"}, "signatureSettings: "),
        (
            {"signatureProfile": "custom", "signatureSettings": {"signatureHeader": "Host"}},
            "signatureSettings: ",
        ),
        ({"bodyStyle": "xml"}, "bodyStyle"),
        ({"headers": {"Host": "evil.example.com"}}, "headers: "),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers: "),
        ({"headers": {"X A": "a"}}, "headers: "),
        ({"headers": {"Webhook-Signature": "v1,x"}}, "headers: "),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers: "),
        ({"headers": {"X-A": None}}, "headers.X-A"),
        ({"headers": {"X-A": 5}}, "headers.X-A"),
        ({"headers": {"X-A": "***"}}, "headers.X-A: *** keeps a stored value, and there is none"),
        (
            {
                "signatureProfile": "custom",
                "signatureSettings": {"signatureHeader": "X-Sig"},
                "headers": {"x-sig": "a"},
            },
            "headers.x-sig: the signature profile sets this header",
        ),
        ({"filter": "x" * 2001}, "filter"),
        ({"timeoutSeconds": 0}, "timeoutSeconds"),
        ({"timeoutSeconds": 31}, "timeoutSeconds"),
        ({"timeoutSeconds": 1.5}, "timeoutSeconds"),
        ({"timeoutSeconds": None}, "timeoutSeconds"),
        ({"rateLimitPerMinute": 0}, "rateLimitPerMinute"),
        ({"rateLimitPerMinute": True}, "rateLimitPerMinute"),
        ({"slack": {"channel": "#ops"}}, "slack: it is for kind slack only"),
        ({"kind": "slack", "slack": {"channel": "a b"}}, "slack.channel"),
        ({"kind": "slack", "slack": {"linkTemplate": "javascript:1"}}, "slack.linkTemplate"),
        ({"kind": "slack", "url": SHOWN_SLACK_URL}, "url: Give it whole"),
        ({"unknown": 1}, "unknown: Extra inputs are not permitted"),
        ({"created_by": str(uuid.uuid4())}, "created_by"),
        ({"disabledReason": "x"}, "disabledReason"),
    ],
)
async def test_a_bad_field_is_refused_by_name(
    fields: dict[str, Any], told: str, anna: Account
) -> None:
    body = {"name": "A", "url": "https://hooks.example.com/in", "events": ["a.b"]} | fields
    words = await refused(anna.client.post("/api/webhooks", json=body), 400, "invalid_request")
    assert words.startswith(told)
    webhook = await anna.create_webhook()
    await refused(anna.client.patch(path(webhook), json=fields), 400, "invalid_request")


@pytest.mark.parametrize("missing", ["name", "url", "events"])
async def test_what_a_webhook_cannot_do_without_is_asked_for(missing: str, anna: Account) -> None:
    body = {"name": "A", "url": "https://hooks.example.com/in", "events": ["a.b"]}
    del body[missing]
    words = await refused(anna.client.post("/api/webhooks", json=body), 400, "invalid_request")
    assert words == f"{missing}: Field required"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("event.data.total >", "filter: "),
        ("person.name == 'Ada'", "filter: There is no person; use event (character 1)"),
        ("event.payload.a == 1", "filter: event has no field payload"),
        ("event.data.total + 1", "filter: A condition is true or false"),
    ],
)
async def test_a_filter_that_does_not_work_is_refused_with_its_place(
    text: str, told: str, anna: Account
) -> None:
    webhook = await anna.create_webhook()
    response = anna.client.patch(path(webhook), json={"filter": text})
    assert (await refused(response, 400, "invalid_expression")).startswith(told)


async def test_a_refusal_never_repeats_a_secret(anna: Account) -> None:
    for fields in (
        {"secret": "canary "},
        {"secret": ["canary"]},
        {"headers": {"X-A": "canary\n"}},
        {"headers": {"X-A": ["canary"]}},
        {"kind": "slack", "url": "http://hooks.slack.com/services/canary"},
        {"kind": "slack", "url": ["canary"]},
    ):
        body = {"name": "A", "url": "https://hooks.example.com/", "events": ["a"]} | fields
        answer = await anna.client.post("/api/webhooks", json=body)
        assert answer.status_code == 400
        assert "canary" not in answer.text


async def test_a_subscription_named_twice_is_one(anna: Account) -> None:
    webhook = await anna.create_webhook(events=["a.b", "a.*", "a.b"])
    assert webhook["events"] == ["a.b", "a.*"]


async def test_webhooks_are_listed_newest_first_in_pages(ben: Account) -> None:
    made = [(await ben.create_webhook())["id"] for _ in range(5)]
    seen = [item["id"] for item in await all_of(ben, "/api/webhooks", limit=2)]
    assert seen[:5] == made[::-1]


@pytest.mark.parametrize("method", ["put", "patch"])
async def test_a_change_changes_what_it_names_and_nothing_else(
    method: str, anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    before = await anna.create_webhook(
        description="Old", rateLimitPerMinute=5, headers={"X-A": "a"}, signatureProfile="chatbots"
    )
    change = {"name": "New", "description": None}
    after = await data_of(getattr(anna.client, method)(path(before), json=change))
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"name", "description", "updatedAt"}
    assert stored(database, api_settings, before, "header") == {"X-A": "a"}
    assert stored(database, api_settings, before, "signing") == {"0": before["secret"]}


async def test_an_empty_change_changes_nothing(anna: Account) -> None:
    before = await anna.create_webhook()
    after = await patched(anna, before)
    assert after == {name: value for name, value in before.items() if name != "secret"}


@pytest.mark.parametrize("field", ["name", "url", "events", "active", "kind", "headers", "filter"])
async def test_null_is_not_taken_for_what_must_be(field: str, anna: Account) -> None:
    webhook = await anna.create_webhook()
    response = anna.client.patch(path(webhook), json={field: None})
    assert (await refused(response, 400, "invalid_request")).startswith(field)


async def test_a_secret_is_not_changed_in_passing(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    webhook = await anna.create_webhook()
    response = anna.client.put(path(webhook), json={"secret": "another"})
    words = await refused(response, 400, "invalid_request")
    assert words == "secret: it is changed by regenerate-secret"
    assert stored(database, api_settings, webhook, "signing") == {"0": webhook["secret"]}


async def test_switching_a_webhook_on_again_clears_why_it_was_off(
    anna: Account, database: Connection
) -> None:
    webhook = await anna.create_webhook()
    database.execute(
        "update public.webhooks set active = false, disabled_reason = 'Gone' where id = %s",
        [webhook["id"]],
    )
    off = await data_of(anna.client.get(path(webhook)))
    assert (off["active"], off["disabledReason"]) == (False, "Gone")
    on = await patched(anna, webhook, active=True)
    assert (on["active"], on["disabledReason"]) == (True, None)


async def test_header_values_are_kept_replaced_and_dropped(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    webhook = await anna.create_webhook(headers={"X-Kept": "a", "X-New": "b", "X-Gone": "c"})
    after = await patched(anna, webhook, headers={"x-kept": "***", "X-New": "d", "X-More": "e"})
    assert after["headers"] == {"X-Kept": "***", "X-More": "***", "X-New": "***"}
    assert stored(database, api_settings, webhook, "header") == {
        "X-Kept": "a",
        "X-New": "d",
        "X-More": "e",
    }
    await patched(anna, webhook, headers={})
    assert stored(database, api_settings, webhook, "header") == {}


async def test_a_header_may_not_become_the_signatures(anna: Account) -> None:
    webhook = await anna.create_webhook(headers={"X-Sig": "a"})
    change = {"signatureProfile": "custom", "signatureSettings": {"signatureHeader": "X-Sig"}}
    words = await refused(anna.client.patch(path(webhook), json=change), 400, "invalid_request")
    assert words == "headers.X-Sig: the signature profile sets this header"


async def test_a_new_profile_starts_without_the_settings_of_the_old_one(anna: Account) -> None:
    settings = {"signatureHeader": "X-Sig"}
    webhook = await anna.create_webhook(signatureProfile="custom", signatureSettings=settings)
    assert (await patched(anna, webhook, name="A"))["signatureSettings"] == settings
    after = await patched(anna, webhook, signatureProfile="whatscrm")
    assert after["signatureSettings"] == {}


async def test_the_address_of_a_slack_webhook_is_a_secret(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    slack = {"channel": "#ops", "linkTemplate": "https://example.com/{ticket.id}"}
    webhook = await anna.create_webhook(kind="slack", url=SLACK_URL, slack=slack)
    assert (webhook["url"], webhook["slack"]) == (SHOWN_SLACK_URL, slack)
    assert stored(database, api_settings, webhook, "url") == {"0": SLACK_URL}
    row = database.execute(
        "select to_jsonb(w) as row from public.webhooks w where id = %s", [webhook["id"]]
    ).fetchone()
    assert "canary" not in json.dumps(row)


async def test_a_slack_address_sent_back_as_shown_stays(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    webhook = await anna.create_webhook(kind="slack", url=SLACK_URL)
    after = await patched(anna, webhook, url=webhook["url"], kind="slack", name="B")
    assert (after["url"], after["name"]) == (SHOWN_SLACK_URL, "B")
    assert stored(database, api_settings, webhook, "url") == {"0": SLACK_URL}
    other = "https://hooks.slack.com/services/T00000000/B00000000/***other"
    await refused(anna.client.patch(path(webhook), json={"url": other}), 400, "invalid_request")
    moved = await patched(anna, webhook, url=SLACK_URL.replace("canary", "second"))
    assert moved["url"] == SHOWN_SLACK_URL
    assert "second" in stored(database, api_settings, webhook, "url")["0"]


async def test_a_webhook_that_becomes_slacks_hides_its_address(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    webhook = await anna.create_webhook(url=SLACK_URL)
    after = await patched(anna, webhook, kind="slack")
    assert after["url"] == SHOWN_SLACK_URL
    assert stored(database, api_settings, webhook, "url") == {"0": SLACK_URL}


async def test_a_webhook_that_is_slacks_no_more_needs_an_address(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    webhook = await anna.create_webhook(kind="slack", url=SLACK_URL, slack={"channel": "#a"})
    for change in ({"kind": "http"}, {"kind": "http", "url": SHOWN_SLACK_URL}):
        response = anna.client.patch(path(webhook), json=change)
        words = await refused(response, 400, "invalid_request")
        assert words == "url: give it with the new kind; the stored one is a secret"
    after = await patched(anna, webhook, kind="http", url="https://hooks.example.com/new")
    assert (after["url"], after["slack"]) == ("https://hooks.example.com/new", {})
    assert stored(database, api_settings, webhook, "url") == {}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (SLACK_URL, SHOWN_SLACK_URL),
        ("https://mm.example.com/hooks/abc/", "https://mm.example.com/hooks/***/"),
        (
            "https://discord.com/api/webhooks/12/token/slack",
            "https://discord.com/api/webhooks/12/***/slack",
        ),
        ("https://chat.example.com/in?token=abc", "https://chat.example.com/***?***"),
        ("https://chat.example.com/", "https://chat.example.com/"),
        ("https://chat.example.com/?token=abc", "https://chat.example.com/?***"),
    ],
)
def test_what_is_shown_of_a_secret_address_tells_where_it_leads(url: str, shown: str) -> None:
    assert shown_url(url) == shown


async def test_both_secrets_sign_for_a_day_after_one_is_regenerated(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    webhook = await anna.create_webhook()
    answer = await data_of(anna.client.post(f"{path(webhook)}/regenerate-secret"))
    secrets = list(stored(database, api_settings, webhook, "signing").values())
    assert secrets == [webhook["secret"], answer["secret"]]
    row = database.execute(
        "select expires_at - now() between interval '23 hours' and interval '24 hours' as is_a_day"
        " from private.webhook_secrets where webhook_id = %s and expires_at is not null",
        [webhook["id"]],
    ).fetchall()
    assert row == [{"is_a_day": True}]
    assert answer["previousValidUntil"].endswith("Z")


async def test_a_secret_may_be_replaced_at_once_by_a_given_one(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    webhook = await anna.create_webhook()
    body = {"secret": "my own", "overlapSeconds": 0}
    answer = await data_of(anna.client.post(f"{path(webhook)}/regenerate-secret", json=body))
    assert answer["secret"] == "my own"
    assert stored(database, api_settings, webhook, "signing") == {"0": "my own"}


@pytest.mark.parametrize(
    "body", [{"overlapSeconds": -1}, {"overlapSeconds": 604_801}, {"secret": ""}, {"x": 1}]
)
async def test_a_bad_rotation_is_refused_by_field(body: dict[str, Any], anna: Account) -> None:
    webhook = await anna.create_webhook()
    response = anna.client.post(f"{path(webhook)}/regenerate-secret", json=body)
    assert (await refused(response, 400, "invalid_request")).startswith(next(iter(body)))


async def test_a_webhook_is_deleted_with_its_secrets(anna: Account, database: Connection) -> None:
    webhook = await anna.create_webhook()
    assert await data_of(anna.client.delete(path(webhook))) == {
        "id": webhook["id"],
        "_id": webhook["id"],
    }
    await refused(anna.client.delete(path(webhook)), 404, "not_found")
    query = "select from private.webhook_secrets where webhook_id = %s"
    assert database.execute(query, [webhook["id"]]).fetchall() == []


CALLS = [
    ("GET", "", None),
    ("PUT", "", {"name": "Mine"}),
    ("PATCH", "", {"name": "Mine"}),
    ("DELETE", "", None),
    ("POST", "/regenerate-secret", None),
    ("POST", "/test", None),
    ("GET", "/logs", None),
    ("GET", "/stats", None),
    ("POST", "/recover", {"since": "2026-01-01T00:00:00Z"}),
    ("GET", "/deliveries", None),
]


@pytest.mark.parametrize(("method", "rest", "body"), CALLS)
async def test_another_users_webhook_is_not_found(
    method: str, rest: str, body: Any, anna: Account, ben: Account
) -> None:
    webhook = await anna.create_webhook()
    for found in (path(webhook), f"/api/webhooks/{uuid.uuid4()}"):
        response = ben.client.request(method, f"{found}{rest}", json=body)
        words = await refused(response, 404, "not_found")
        assert words in {"There is no such webhook", "No such webhook"}
    assert (await data_of(anna.client.get(path(webhook))))["name"] == "Receiver"
    assert webhook["id"] not in (await ben.client.get("/api/webhooks?owner=all&limit=100")).text


async def test_an_admin_sees_and_changes_everybodys(anna: Account, admin: Account) -> None:
    webhook = await anna.create_webhook()
    assert webhook["id"] not in (await admin.client.get("/api/webhooks?limit=100")).text
    everybodys = await all_of(admin, "/api/webhooks", owner="all", limit=100)
    assert webhook["id"] in {one["id"] for one in everybodys}
    after = await patched(admin, webhook, name="Checked")
    assert (after["name"], after["createdBy"]) == ("Checked", str(anna.user.id))


async def test_secrets_are_in_no_log_and_no_answer_but_the_two_that_tell_them(
    anna: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    webhook = await anna.create_webhook(
        kind="slack", url=SLACK_URL, headers={"Authorization": "Bearer canary"}, secret="canary-1"
    )
    rest = [f"{path(webhook)}{end}" for end in ("", "/logs", "/stats", "/deliveries")]
    answers = [await anna.client.get(url) for url in ("/api/webhooks?limit=100", *rest)]
    answers.append(await anna.client.patch(path(webhook), json={"name": "B"}))
    answers.append(await anna.client.put(path(webhook), json={"url": SLACK_URL}))
    rotated = await anna.client.post(
        f"{path(webhook)}/regenerate-secret", json={"secret": "canary-2"}
    )
    answers.append(await anna.client.delete(path(webhook)))
    assert all(answer.is_success for answer in answers)
    assert not [answer.text for answer in answers if "canary" in answer.text]
    assert rotated.json()["data"]["secret"] == "canary-2"
    logged = [vars(record) for record in caplog.records]
    # What told the secrets is in the log, and so are calls to the database.
    requests = {(line["method"], line["path"]) for line in logged if line["msg"] == "request"}
    assert {("POST", "/api/webhooks"), ("POST", f"{path(webhook)}/regenerate-secret")} <= requests
    assert "/rest/v1/webhooks" in caplog.text
    assert "canary" not in caplog.text
    assert not [line for line in logged if "canary" in repr(line)]
