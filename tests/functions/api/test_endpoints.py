"""Endpoints over HTTP, on a real database."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from fastapi import FastAPI

from functions.api.settings import ApiSettings
from shared.encryption import SecretBox
from shared.errors import InvalidState
from shared.management.session import Backend
from shared.signatures import SCHEMES
from tests.functions.api.conftest import (
    PUBLIC_URL,
    Account,
    Connection,
    all_of,
    created,
    data_of,
    refused,
)
from tests.shared.signatures.factories import SETTINGS


def stored_secrets(
    database: Connection, settings: ApiSettings, endpoint: dict[str, Any]
) -> list[str]:
    """The secrets that verify now, the newest first."""
    box = SecretBox.from_setting(settings.encryption_keys.get_secret_value())
    rows = database.execute(
        "select ciphertext from private.endpoint_secrets"
        " where endpoint_id = %s and (expires_at is null or expires_at > now())"
        " order by created_at desc",
        [endpoint["id"]],
    )
    return [box.decrypt(row["ciphertext"]) for row in rows]


async def test_a_new_endpoint_says_where_to_post_and_has_defaults(anna: Account) -> None:
    slug = uuid.uuid4().hex
    endpoint = await anna.create_endpoint(name="Shop", slug=slug, scheme="stripe")
    assert endpoint["url"] == f"{PUBLIC_URL}/functions/v1/webhook-ingest/{slug}"
    assert endpoint["_id"] == endpoint["id"]
    assert endpoint["createdBy"] == str(anna.user.id)
    assert endpoint["createdAt"].endswith("Z")
    expected: dict[str, Any] = {
        "name": "Shop",
        "description": None,
        "scheme": "stripe",
        "schemeSettings": {},
        "processingMode": "review",
        "confidenceThreshold": 0.7,
        "allowedObjectTypes": [],
        "defaultEntityTable": None,
        "fieldMaps": {},
        "rateLimitPerMinute": None,
        "dedupeWindowSeconds": 86400,
        "isActive": True,
    }
    assert {name: endpoint[name] for name in expected} == expected


async def test_all_that_can_be_decided_about_an_endpoint_is_kept(anna: Account) -> None:
    fields = {
        "name": "Zoë's Shop",
        "description": "Orders",
        "scheme": "hmac",
        "schemeSettings": {"header": "x-signature", "prefix": "sha256="},
        "processingMode": "automatic",
        "confidenceThreshold": 0.5,
        "allowedObjectTypes": ["order", "person"],
        "defaultEntityTable": "order",
        "fieldMaps": {"order": {"total": "data.amount"}},
        "rateLimitPerMinute": 600,
        "dedupeWindowSeconds": 60,
        "isActive": False,
    }
    endpoint = await anna.create_endpoint(**fields)
    read = await data_of(anna.client.get(f"/api/endpoints/{endpoint['id']}"))
    assert {name: read[name] for name in fields} == fields


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
async def test_a_secret_is_made_encrypted_and_shown_once(
    scheme: str, anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    endpoint = await anna.create_endpoint(
        scheme=scheme, schemeSettings=SETTINGS.get(scheme, {}), name=uuid.uuid4().hex
    )
    secrets = stored_secrets(database, api_settings, endpoint)
    if not SCHEMES[scheme].needs_secret:
        assert (endpoint["secret"], secrets) == (None, [])
        return
    assert secrets == [endpoint["secret"]]
    SCHEMES[scheme].check_secret(endpoint["secret"])
    one = await anna.client.get(f"/api/endpoints/{endpoint['id']}")
    many = await anna.client.get("/api/endpoints?limit=100")
    assert endpoint["id"] in many.text
    assert "secret" not in one.json()["data"]
    assert endpoint["secret"] not in one.text + many.text


async def test_a_given_secret_is_the_one_that_verifies(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    endpoint = await anna.create_endpoint(scheme="github", secret="It's a Secret to Everybody")
    assert endpoint["secret"] == "It's a Secret to Everybody"
    assert stored_secrets(database, api_settings, endpoint) == ["It's a Secret to Everybody"]


async def test_a_slug_is_made_of_the_name_and_stays_unique(anna: Account, ben: Account) -> None:
    word = uuid.uuid4().hex
    first = await anna.create_endpoint(name=f"Café  {word}!")
    second = await ben.create_endpoint(name=f"Café {word}")
    assert first["slug"] == f"cafe-{word}"
    assert second["slug"].startswith(f"cafe-{word}-")


@pytest.mark.parametrize("name", ["日本", "healthz", "x" * 200, "---"])
async def test_any_name_gives_a_slug(name: str, anna: Account) -> None:
    endpoint = await anna.create_endpoint(name=name)
    assert endpoint["slug"] not in {"", "healthz"}


async def test_a_slug_that_is_taken_is_a_conflict(anna: Account, ben: Account) -> None:
    slug = (await anna.create_endpoint())["slug"]
    other = await ben.create_endpoint()
    body = {"name": "Shop", "scheme": "none", "slug": slug}
    await refused(ben.client.post("/api/endpoints", json=body), 409, "conflict")
    url = f"/api/endpoints/{other['id']}"
    await refused(ben.client.patch(url, json={"slug": slug}), 409, "conflict")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"slug": "Not A Slug"}, "slug"),
        ({"slug": "-x"}, "slug"),
        ({"slug": "x" * 64}, "slug"),
        ({"slug": "healthz"}, "slug: this one is reserved"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"scheme": "md5"}, "scheme: must be one of"),
        ({"schemeSettings": {"tolerance": 1}}, "Settings for none: tolerance"),
        ({"scheme": "hmac"}, "Settings for hmac: header"),
        ({"secret": "x"}, "secret"),
        ({"scheme": "standard_webhooks", "secret": "not base64!"}, "secret"),
        ({"processingMode": "sometimes"}, "processingMode"),
        ({"confidenceThreshold": 1.5}, "confidenceThreshold"),
        ({"confidenceThreshold": "0.5"}, "confidenceThreshold"),
        ({"rateLimitPerMinute": 0}, "rateLimitPerMinute"),
        ({"rateLimitPerMinute": 1.5}, "rateLimitPerMinute"),
        ({"rateLimitPerMinute": True}, "rateLimitPerMinute"),
        ({"dedupeWindowSeconds": -1}, "dedupeWindowSeconds"),
        ({"isActive": "yes"}, "isActive"),
        ({"allowedObjectTypes": ["spaceship"]}, "There is no entity type spaceship"),
        ({"defaultEntityTable": "spaceship"}, "There is no entity type spaceship"),
        ({"fieldMaps": {"spaceship": {}}}, "There is no entity type spaceship"),
        (
            {"fieldMaps": {"order": {"totl": "data.amount"}}},
            "fieldMaps.order: there is no column totl",
        ),
        (
            {"fieldMaps": {"order": {"user_id": "data.id"}}},
            "fieldMaps.order: there is no column user",
        ),
        (
            {"allowedObjectTypes": ["person"], "defaultEntityTable": "order"},
            "defaultEntityTable: it must be one of allowedObjectTypes",
        ),
        ({"unknown": 1}, "unknown: Extra inputs are not permitted"),
        ({"is_active": True}, "is_active"),
    ],
)
async def test_a_bad_field_is_refused_by_name(
    fields: dict[str, Any], told: str, anna: Account
) -> None:
    body = {"name": "Shop", "scheme": "none"} | fields
    words = await refused(anna.client.post("/api/endpoints", json=body), 400, "invalid_request")
    assert told in words


async def test_a_field_map_that_does_not_work_is_refused_with_its_place(anna: Account) -> None:
    body = {"name": "Shop", "scheme": "none", "fieldMaps": {"order": {"total": "data."}}}
    response = anna.client.post("/api/endpoints", json=body)
    words = await refused(response, 400, "invalid_expression")
    assert words.startswith("fieldMaps.order: Field map, column total, character 6")


async def test_a_whole_number_may_have_a_point(anna: Account) -> None:
    endpoint = await anna.create_endpoint(rateLimitPerMinute=5.0, confidenceThreshold=1)
    assert (endpoint["rateLimitPerMinute"], endpoint["confidenceThreshold"]) == (5, 1.0)


async def test_a_refusal_never_repeats_a_secret(anna: Account) -> None:
    for secret in ("hunter2 ", "hunter2" * 1000, ["hunter2"], {"hunter2": 1}):
        body = {"name": "Shop", "scheme": "stripe", "secret": secret}
        answer = await anna.client.post("/api/endpoints", json=body)
        assert answer.status_code == 400
        assert "hunter2" not in answer.text


async def test_endpoints_are_listed_newest_first_in_pages(ben: Account) -> None:
    made = [(await ben.create_endpoint())["id"] for _ in range(5)]
    seen = [item["id"] for item in await all_of(ben, "/api/endpoints", limit=2)]
    assert seen[:5] == made[::-1]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "cursor=x",
        "cursor=WzFd",
        "cursor=%00",
        "owner=you",
        "typo=1",
    ],
)
async def test_a_bad_query_is_refused(query: str, anna: Account) -> None:
    words = await refused(anna.client.get(f"/api/endpoints?{query}"), 400, "invalid_request")
    assert words.startswith(query.partition("=")[0])


async def test_patch_changes_what_it_names_and_nothing_else(anna: Account) -> None:
    before = await anna.create_endpoint(description="Old", rateLimitPerMinute=5, scheme="stripe")
    url = f"/api/endpoints/{before['id']}"
    after = await data_of(anna.client.patch(url, json={"name": "New", "description": None}))
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"name", "description", "updatedAt", "secret"}
    assert (after["name"], after["description"], after["secret"]) == ("New", None, None)


async def test_an_empty_patch_changes_nothing(anna: Account) -> None:
    before = await anna.create_endpoint(rateLimitPerMinute=5)
    after = await data_of(anna.client.patch(f"/api/endpoints/{before['id']}", json={}))
    assert before | {"updatedAt": after["updatedAt"]} == after


@pytest.mark.parametrize("field", ["name", "scheme", "isActive", "confidenceThreshold"])
async def test_patch_does_not_take_null_for_what_must_be(field: str, anna: Account) -> None:
    endpoint = await anna.create_endpoint()
    url = f"/api/endpoints/{endpoint['id']}"
    words = await refused(anna.client.patch(url, json={field: None}), 400, "invalid_request")
    assert words.startswith(field)


async def test_put_replaces_all_but_the_address(anna: Account) -> None:
    before = await anna.create_endpoint(
        description="Old", rateLimitPerMinute=5, processingMode="automatic", scheme="stripe"
    )
    url = f"/api/endpoints/{before['id']}"
    after = await data_of(anna.client.put(url, json={"name": "New", "scheme": "stripe"}))
    assert (after["name"], after["description"]) == ("New", None)
    assert (after["rateLimitPerMinute"], after["processingMode"]) == (None, "review")
    assert (after["slug"], after["secret"]) == (before["slug"], None)


async def test_a_new_scheme_gets_a_new_secret_that_alone_verifies(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    before = await anna.create_endpoint(scheme="stripe")
    url = f"/api/endpoints/{before['id']}"
    made = await data_of(anna.client.patch(url, json={"scheme": "standard_webhooks"}))
    assert stored_secrets(database, api_settings, before) == [made["secret"]]
    body = {"scheme": "github", "secret": "chosen"}
    given = await data_of(anna.client.patch(url, json=body))
    assert given["secret"] == "chosen"
    assert stored_secrets(database, api_settings, before) == ["chosen"]


async def test_a_new_scheme_needs_settings_of_its_own(anna: Account) -> None:
    endpoint = await anna.create_endpoint(scheme="stripe", schemeSettings={"toleranceSeconds": 60})
    url = f"/api/endpoints/{endpoint['id']}"
    await refused(anna.client.patch(url, json={"scheme": "hmac"}), 400, "invalid_request")
    body = {"scheme": "hmac", "schemeSettings": {"header": "X-Sig"}}
    after = await data_of(anna.client.patch(url, json=body))
    assert after["schemeSettings"] == {"header": "x-sig"}
    after = await data_of(anna.client.patch(url, json={"scheme": "none"}))
    assert (after["schemeSettings"], after["secret"]) == ({}, None)


async def test_a_secret_alone_is_changed_by_rotation_only(anna: Account) -> None:
    endpoint = await anna.create_endpoint(scheme="github")
    url = f"/api/endpoints/{endpoint['id']}"
    response = anna.client.patch(url, json={"secret": "new one"})
    assert "rotate-secret" in await refused(response, 400, "invalid_request")


async def test_the_default_type_must_be_allowed_by_what_the_endpoint_has(anna: Account) -> None:
    endpoint = await anna.create_endpoint(allowedObjectTypes=["person"])
    url = f"/api/endpoints/{endpoint['id']}"
    body = {"defaultEntityTable": "order"}
    await refused(anna.client.patch(url, json=body), 400, "invalid_request")


async def test_an_endpoint_may_name_entity_types_of_its_owner_only(
    anna: Account, ben: Account
) -> None:
    name = f"deal_{uuid.uuid4().hex}"
    own = {"name": name, "description": "Deals", "targetTable": "orders"}
    await created(anna.client.post("/api/entity-types", json=own))
    await anna.create_endpoint(allowedObjectTypes=[name])
    body = {"name": "Shop", "scheme": "none", "allowedObjectTypes": [name]}
    await refused(ben.client.post("/api/endpoints", json=body), 400, "invalid_request")


async def test_a_change_may_name_entity_types_of_the_owner_only(
    anna: Account, admin: Account
) -> None:
    names = {}
    for account in (anna, admin):
        names[account.user.id] = name = f"deal_{uuid.uuid4().hex}"
        own = {"name": name, "description": "Deals", "targetTable": "orders"}
        await created(account.client.post("/api/entity-types", json=own))
    url = f"/api/endpoints/{(await anna.create_endpoint())['id']}"
    body = {"defaultEntityTable": names[admin.user.id]}
    await refused(admin.client.patch(url, json=body), 400, "invalid_request")
    body = {"defaultEntityTable": names[anna.user.id]}
    assert (await data_of(admin.client.patch(url, json=body)))["_id"]


async def test_a_change_meant_for_another_scheme_is_not_made(anna: Account, app: FastAPI) -> None:
    endpoint = await anna.create_endpoint(scheme="stripe")
    api: Backend = app.state.backend
    with pytest.raises(InvalidState):
        await api.database.as_user(anna.user.token).call(
            "update_webhook_endpoint",
            p_endpoint_id=endpoint["id"],
            p_scheme="github",
            p_changes='{"scheme_settings": {}, "name": "New"}',
            p_secret_ciphertext=None,
        )
    read = await data_of(anna.client.get(f"/api/endpoints/{endpoint['id']}"))
    assert read["name"] == endpoint["name"]


async def test_rotation_shows_the_new_secret_and_keeps_the_old_one_for_a_while(
    anna: Account, database: Connection, api_settings: ApiSettings
) -> None:
    endpoint = await anna.create_endpoint(scheme="stripe")
    url = f"/api/endpoints/{endpoint['id']}/rotate-secret"
    rotated = await data_of(anna.client.post(url))
    assert rotated["secret"] != endpoint["secret"]
    assert rotated["previousValidUntil"].endswith("Z")
    both = [rotated["secret"], endpoint["secret"]]
    assert stored_secrets(database, api_settings, endpoint) == both
    body = {"secret": "whsec_chosen", "overlapSeconds": 0}
    last = await data_of(anna.client.post(url, json=body))
    assert last["secret"] == "whsec_chosen"
    assert stored_secrets(database, api_settings, endpoint) == ["whsec_chosen"]


@pytest.mark.parametrize("seconds", [-1, 604_801, "1", 1.5])
async def test_the_overlap_is_bounded(seconds: object, anna: Account) -> None:
    endpoint = await anna.create_endpoint(scheme="stripe")
    url = f"/api/endpoints/{endpoint['id']}/rotate-secret"
    response = anna.client.post(url, json={"overlapSeconds": seconds})
    assert "overlapSeconds" in await refused(response, 400, "invalid_request")


async def test_what_takes_no_secret_cannot_rotate(anna: Account) -> None:
    endpoint = await anna.create_endpoint(scheme="none")
    url = f"/api/endpoints/{endpoint['id']}/rotate-secret"
    await refused(anna.client.post(url), 409, "invalid_state")


async def test_a_deleted_endpoint_is_gone(anna: Account) -> None:
    endpoint = await anna.create_endpoint()
    url = f"/api/endpoints/{endpoint['id']}"
    assert await data_of(anna.client.delete(url)) == {"id": endpoint["id"], "_id": endpoint["id"]}
    await refused(anna.client.get(url), 404, "not_found")
    await refused(anna.client.delete(url), 404, "not_found")


PATHS: tuple[tuple[str, str, dict[str, str] | None], ...] = (
    ("GET", "", None),
    ("PUT", "", {"name": "Mine", "scheme": "none"}),
    ("PATCH", "", {"name": "Mine"}),
    ("DELETE", "", None),
    ("POST", "/rotate-secret", {}),
    ("GET", "/sample-curl", None),
)


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
async def test_nobody_reaches_the_endpoint_of_another(
    method: str, path: str, body: object, anna: Account, ben: Account
) -> None:
    endpoint = await anna.create_endpoint(scheme="stripe")
    url = f"/api/endpoints/{endpoint['id']}"
    await refused(ben.client.request(method, url + path, json=body), 404, "not_found")
    assert await data_of(anna.client.get(url)) == {
        name: value for name, value in endpoint.items() if name != "secret"
    }


async def test_lists_show_what_is_ones_own_even_if_all_is_asked_for(
    anna: Account, ben: Account
) -> None:
    endpoint = await anna.create_endpoint()
    for url in ("/api/endpoints?limit=100", "/api/endpoints?limit=100&owner=all"):
        listed = await data_of(ben.client.get(url))
        assert endpoint["id"] not in {item["id"] for item in listed["items"]}


async def test_an_admin_sees_everybody_s_when_asking_and_may_change_it(
    anna: Account, admin: Account
) -> None:
    endpoint = await anna.create_endpoint(scheme="stripe")
    own = await data_of(admin.client.get("/api/endpoints?limit=100"))
    everybody_s = await data_of(admin.client.get("/api/endpoints?limit=100&owner=all"))
    assert endpoint["id"] not in {item["id"] for item in own["items"]}
    assert endpoint["id"] in {item["id"] for item in everybody_s["items"]}
    url = f"/api/endpoints/{endpoint['id']}"
    after = await data_of(admin.client.patch(url, json={"isActive": False}))
    assert (after["isActive"], after["createdBy"]) == (False, str(anna.user.id))
    assert (await data_of(admin.client.post(f"{url}/rotate-secret")))["secret"]
