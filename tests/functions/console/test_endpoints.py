"""Endpoints on pages: made, changed, switched, deleted; their secrets shown once."""

from __future__ import annotations

import pytest

from tests.functions.console.conftest import (
    ENDPOINT,
    PUBLIC_URL,
    Browser,
    create_endpoint,
    id_in,
    words_of,
)


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
