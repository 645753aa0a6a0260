"""Endpoints on pages: made, changed, switched, deleted; their secrets shown once."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from uuid_utils.compat import uuid7

from functions.console.pages.endpoints import REFUSALS_SHOWN
from functions.console.visits import LIVE_VERSION
from tests.database.factories import insert
from tests.functions.console.conftest import (
    ENDPOINT,
    PUBLIC_URL,
    Browser,
    Connection,
    create_endpoint,
    id_in,
    words_of,
)
from tests.running_stack import User


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


async def test_what_an_endpoint_refused_is_shown_with_the_reason(
    anna: Browser, ben: Browser, database: Connection, users: tuple[User, ...]
) -> None:
    endpoint_id = await create_endpoint(anna)
    path = f"/endpoints/{endpoint_id}"
    page = await anna.get(path)
    assert "turns up here with the reason" in words_of(page)
    script = {"HX-Request": "true", LIVE_VERSION: version_of(page)}
    await anna.get(path, 204, **script)
    for number in range(REFUSALS_SHOWN + 1):
        refuse(database, endpoint_id, users[0], f"<b>The signature is of {number}</b>")

    live = await anna.get(path, 200, **script)
    assert "&lt;b&gt;The signature is of 20&lt;/b&gt;" in live.text
    assert "x-shop" in live.text
    assert live.text.count('id="refusal-') == REFUSALS_SHOWN
    assert f"The last {REFUSALS_SHOWN} that were not taken" in words_of(live)
    assert "The signature" not in (await ben.get(path, 404)).text


def version_of(page: httpx.Response) -> str:
    return page.text.split('data-version="')[1].split('"')[0]


def refuse(database: Connection, endpoint_id: str, owner: User, reason: str) -> None:
    insert(
        database,
        "public.webhook_refusals",
        id=uuid7(),
        endpoint_id=endpoint_id,
        user_id=owner.id,
        status=401,
        code="invalid_signature",
        reason=reason,
        method="POST",
        headers={"x-shop": "<i>corner</i>"},
        created_at=datetime.now(UTC),
    )
