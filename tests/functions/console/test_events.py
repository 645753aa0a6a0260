"""The queue and the log on pages: corrected, approved, processed, found, reprocessed."""

from __future__ import annotations

from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest

from functions.console.pages import log
from shared.management.events import first_id_at
from tests.functions.console.conftest import (
    Browser,
    MakeEvent,
    create_endpoint,
    failed,
    words_of,
)


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


async def test_only_those_that_will_be_processed_are_counted_for_it(
    anna: Browser, make_event: MakeEvent
) -> None:
    endpoint_id = await create_endpoint(anna)
    path = f"/queue?endpoint={endpoint_id}"
    for _ in range(2):
        make_event(endpoint_id, entity_table=None)
    page = await anna.get(path)
    assert "2 waiting, 2 without a type" in words_of(page)
    assert 'id="approve-all"' not in page.text

    async def told(query: str = "") -> tuple[str, str]:
        page = await anna.get(path + query)
        offered = page.text.partition('id="approve-all"')[2]
        return offered.partition('data-count="')[2].partition('"')[0], words_of(page)

    for _ in range(3):
        make_event(endpoint_id)
    count, words = await told()
    assert count == "3"
    assert "Process all 3 " in words
    assert "5 waiting, 2 without a type" in words

    # More than one page has.
    for _ in range(60):
        make_event(endpoint_id)
    make_event(endpoint_id, entity_table="invoice")
    count, words = await told()
    assert count == "64"
    assert "66 waiting, 2 without a type" in words
    count, words = await told("&type=invoice")
    assert (count, "without a type" in words) == ("1", False)


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
    assert await found("from=2026-01-01T00:00&to=2026-01-02T00:00:00Z") == set()
    assert await found("from=2026-01-01T00:00:00%2B02:00") == {needle, other}
    assert await found("to=2026-01-01T00:00:00") == set()
    assert "Nothing found" in words_of(await anna.get("/log?text=nowhere-to-be-found"))
    await anna.get("/log?status=lost", 400)
    for wrong in ("yesterday", "2026-13-01T00:00", "0001-01-01T00:00%2B14:00"):
        await anna.get(f"/log?from={wrong}", 400)


async def test_a_whole_second_is_in_the_time_that_it_ends(
    anna: Browser, make_event: MakeEvent
) -> None:
    endpoint_id = await create_endpoint(anna)
    at = datetime(2026, 1, 3, 12, 0, 5, 400_000, tzinfo=UTC)
    make_event(endpoint_id, **failed(id=first_id_at(at), created_at=at))

    async def is_found(until: str) -> bool:
        page = await anna.get(f"/log?endpoint={endpoint_id}&to={until}")
        return "Nothing found" not in words_of(page)

    assert not await is_found("2026-01-03T12:00:04")
    assert await is_found("2026-01-03T12:00:05")
    assert await is_found("2026-01-03T12:00:05.000Z")
    assert not await is_found("2026-01-03T12:00:05.4Z")
    assert await is_found("9999-12-31T23:59:59Z")


async def test_a_search_is_gone_on_with_until_every_event_was_looked_at(
    anna: Browser, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "FIRST_LOOK", 2)
    monkeypatch.setattr(log, "FURTHER_LOOK", 2)
    endpoint_id = await create_endpoint(anna)
    needle = make_event(endpoint_id, **failed(payload={"note": "needle"}))
    for _ in range(4):
        make_event(endpoint_id, **failed())
    page = await anna.get(f"/log?endpoint={endpoint_id}&text=needle")
    seen = []
    while "hx-get" in page.text.partition('id="look"')[2].partition(">")[0]:
        assert "Looked back to" in words_of(page)
        seen.append(needle in page.text)
        path = page.text.partition('hx-get="/console/log/further?')[2].partition('"')[0]
        page = await anna.get(f"/log/further?{unescape(path)}")
    assert seen == [False, False]
    assert f'id="event-{needle}"' in page.text
    assert "every event was looked at" in words_of(page)
    await anna.get("/log/further?cursor=nonsense", 400)


async def test_a_live_log_that_has_to_look_further_holds_still(
    anna: Browser, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_id = await create_endpoint(anna)
    for _ in range(3):
        make_event(endpoint_id, **failed())
    path = f"/log?endpoint={endpoint_id}"
    asked = {"X-Live-Version": "none", "HX-Request": "true"}
    assert 'hx-trigger="every 4s' in (await anna.get(path)).text
    await anna.get(path, 200, **asked)
    monkeypatch.setattr(log, "FIRST_LOOK", 2)
    await anna.get(path, 286, **asked)
    assert 'hx-trigger="every 4s' not in (await anna.get(path)).text


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
