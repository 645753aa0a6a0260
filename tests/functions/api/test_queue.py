"""The queue over HTTP, on a real database."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.functions.api.conftest import Account, Connection, MakeEvent, data_of, refused

NOBODY_S = "00000000-0000-4000-8000-000000000000"


async def queue_of(account: Account, endpoint: dict[str, Any], **query: Any) -> Any:
    params = {"endpointId": endpoint["id"], **query}
    return await data_of(account.client.get("/api/queue", params=params))


def ids(page: dict[str, Any]) -> list[str]:
    return [item["id"] for item in page["items"]]


def event(database: Connection, event_id: str) -> dict[str, Any]:
    row = database.execute(
        "select * from public.webhook_events where id = %s", [event_id]
    ).fetchone()
    assert row is not None
    return row


@pytest.fixture
async def endpoint(anna: Account) -> dict[str, Any]:
    return await anna.create_endpoint(name="Shop")


async def test_an_event_that_waits_is_shown_without_what_was_sent(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    event_id = make_event(endpoint)
    page = await queue_of(anna, endpoint)
    (item,) = page["items"]
    reference = {name: endpoint[name] for name in ("id", "_id", "name", "slug")}
    assert item.pop("createdAt").endswith("Z")
    assert item == {
        "id": event_id,
        "_id": event_id,
        "endpoint": reference,
        "eventType": "order.completed",
        "externalId": "1001",
        "entityTable": "order",
        "isPerson": False,
        "confidence": 0.55,
        "classifiedBy": "wordllama",
        "status": "pending",
        "stage": "review",
        "attempts": 0,
        "errorMessage": None,
        "personId": None,
        "entityId": None,
        "processedAt": None,
    }
    assert (page["count"], page["nextCursor"]) == (1, None)


async def test_the_details_hold_payload_and_headers(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    payload = {"data": {"big": 2**70, "deep": [[{"x": None}]], "text": 'Zoë "\\'}}
    event_id = make_event(endpoint, payload=payload)
    detail = await data_of(anna.client.get(f"/api/queue/{event_id}"))
    assert detail["payload"] == payload
    assert detail["headers"] == {"content-type": "application/json"}
    assert detail["scheme"] == "none"


async def test_the_queue_shows_review_unless_asked_for_more(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    review = make_event(endpoint)
    waiting = make_event(endpoint, stage="classify", entity_table=None, is_person=None)
    failed = make_event(endpoint, stage="rules", status="failed", error_message="Down")
    make_event(endpoint, stage="done", status="processed", processed_at="2026-01-01")
    assert ids(await queue_of(anna, endpoint)) == [review]
    assert ids(await queue_of(anna, endpoint, stage="classify")) == [waiting]
    assert ids(await queue_of(anna, endpoint, status="failed")) == [failed]
    assert ids(await queue_of(anna, endpoint, status="pending")) == [waiting, review]
    assert ids(await queue_of(anna, endpoint, status="pending", stage="rules")) == []


async def test_the_queue_is_filtered_by_entity_type(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    order, person = make_event(endpoint), make_event(endpoint, entity_table="person")
    assert ids(await queue_of(anna, endpoint, entityTable="order")) == [order]
    assert ids(await queue_of(anna, endpoint, entityTable="person")) == [person]


async def test_the_queue_comes_newest_first_in_pages_and_counts_all(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    made = [make_event(endpoint) for _ in range(5)]
    first = await queue_of(anna, endpoint, limit=2)
    second = await queue_of(anna, endpoint, limit=2, cursor=first["nextCursor"])
    third = await queue_of(anna, endpoint, limit=2, cursor=second["nextCursor"])
    assert ids(first) + ids(second) + ids(third) == made[::-1]
    assert third["nextCursor"] is None
    assert [page["count"] for page in (first, second, third)] == [5, 5, 5]


@pytest.mark.parametrize(
    "query",
    ["stage=done", "status=processed", "endpointId=x", "entityTable=No", "limit=1e3", "stage="],
)
async def test_a_bad_filter_is_refused(query: str, anna: Account) -> None:
    words = await refused(anna.client.get(f"/api/queue?{query}"), 400, "invalid_request")
    assert words.startswith(query.partition("=")[0])


async def test_a_person_knows_better_than_the_classifier(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    url = f"/api/queue/{make_event(endpoint)}"
    changed = await data_of(anna.client.patch(url, json={"entityTable": "person"}))
    assert (changed["entityTable"], changed["isPerson"]) == ("person", False)
    changed = await data_of(anna.client.patch(url, json={"isPerson": True}))
    assert (changed["entityTable"], changed["isPerson"]) == ("person", True)
    assert changed["classifiedBy"] == f"user:{anna.user.id}"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "give entityTable, isPerson or both"),
        ({"entityTable": None}, "give entityTable, isPerson or both"),
        ({"entityTable": "spaceship"}, "There is no such entity type"),
        ({"entityTable": "Order"}, "entityTable"),
        ({"isPerson": "yes"}, "isPerson"),
        ({"stage": "rules"}, "stage"),
    ],
)
async def test_a_bad_override_is_refused(
    body: dict[str, Any],
    told: str,
    anna: Account,
    endpoint: dict[str, Any],
    make_event: MakeEvent,
) -> None:
    url = f"/api/queue/{make_event(endpoint)}"
    assert told in await refused(anna.client.patch(url, json=body), 400, "invalid_request")


async def test_an_approved_event_goes_on_to_be_prepared(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    event_id = make_event(endpoint)
    approved = await data_of(anna.client.post(f"/api/queue/{event_id}/approve"))
    assert (approved["id"], approved["stage"], approved["status"]) == (
        event_id,
        "prepare",
        "pending",
    )
    again = anna.client.post(f"/api/queue/{event_id}/approve")
    assert "does not wait for review" in await refused(again, 409, "invalid_state")


async def test_an_event_without_a_type_cannot_be_approved(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    event_id = make_event(endpoint, entity_table=None)
    response = anna.client.post(f"/api/queue/{event_id}/approve")
    assert "no entity type" in await refused(response, 409, "invalid_state")


async def test_many_are_approved_at_once_and_the_rest_says_why(
    anna: Account, ben: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    ready = [make_event(endpoint), make_event(endpoint)]
    untyped = make_event(endpoint, entity_table=None)
    gone = make_event(endpoint, stage="prepare")
    foreign = make_event(await ben.create_endpoint())
    body = {"ids": [*ready, *ready, untyped, gone, foreign, NOBODY_S]}
    answer = await data_of(anna.client.post("/api/queue/approve", json=body))
    assert sorted(answer["approved"]) == sorted(ready)
    assert {skipped["id"]: skipped["reason"] for skipped in answer["skipped"]} == {
        untyped: "no_entity_type",
        gone: "not_in_review",
        foreign: "not_found",
        NOBODY_S: "not_found",
    }


@pytest.mark.parametrize("action", ["approve", "reprocess"])
@pytest.mark.parametrize("chosen", [[], ["x"], None, [1], [NOBODY_S] * 1001])
async def test_a_bad_choice_of_events_is_refused(
    action: str, chosen: object, anna: Account
) -> None:
    response = anna.client.post(f"/api/queue/{action}", json={"ids": chosen})
    assert "ids" in await refused(response, 400, "invalid_request")


async def test_a_failed_event_begins_again_where_it_failed(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent, database: Connection
) -> None:
    event_id = make_event(
        endpoint, stage="rules", status="failed", error_message="Down", attempts=10
    )
    queued = await data_of(anna.client.post(f"/api/queue/{event_id}/reprocess"))
    assert (queued["stage"], queued["status"], queued["attempts"]) == ("rules", "pending", 0)
    assert queued["errorMessage"] is None
    assert event(database, event_id)["status"] == "pending"


async def test_a_processed_event_begins_where_one_says(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    event_id = make_event(endpoint, stage="done", status="processed", processed_at="2026-01-01")
    url = f"/api/queue/{event_id}/reprocess"
    queued = await data_of(anna.client.post(url, json={"stage": "classify"}))
    assert (queued["stage"], queued["processedAt"]) == ("classify", None)
    response = anna.client.post(url, json={})
    assert "still being processed" in await refused(response, 409, "invalid_state")


@pytest.mark.parametrize("stage", ["review", "done", "", 1])
async def test_an_event_cannot_begin_anywhere(
    stage: object, anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    url = f"/api/queue/{make_event(endpoint)}/reprocess"
    response = anna.client.post(url, json={"stage": stage})
    assert "stage" in await refused(response, 400, "invalid_request")


async def test_what_was_never_classified_begins_there(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    columns = {"stage": "classify", "status": "failed", "error_message": "Down"}
    event_id = make_event(endpoint, entity_table=None, **columns)
    url = f"/api/queue/{event_id}/reprocess"
    response = anna.client.post(url, json={"stage": "prepare"})
    assert "never classified" in await refused(response, 409, "invalid_state")
    assert (await data_of(anna.client.post(url)))["stage"] == "classify"


async def test_many_are_reprocessed_at_once(
    anna: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    failed = make_event(endpoint, stage="rules", status="failed", error_message="Down")
    done = make_event(endpoint, stage="done", status="processed", processed_at="2026-01-01")
    waiting = make_event(endpoint)
    body = {"ids": [failed, done, waiting], "stage": "prepare"}
    answer = await data_of(anna.client.post("/api/queue/reprocess", json=body))
    assert sorted(answer["queued"]) == sorted([failed, done])
    assert answer["skipped"] == [{"id": waiting, "reason": "not_finished"}]
    queued = await queue_of(anna, endpoint, stage="prepare")
    assert sorted(ids(queued)) == sorted([failed, done])


CALLS: dict[tuple[str, str], dict[str, Any] | None] = {
    ("GET", ""): None,
    ("PATCH", ""): {"isPerson": True},
    ("POST", "/approve"): None,
    ("POST", "/reprocess"): None,
}


@pytest.mark.parametrize("call", CALLS)
async def test_nobody_decides_about_the_events_of_another(
    call: tuple[str, str],
    ben: Account,
    endpoint: dict[str, Any],
    make_event: MakeEvent,
    database: Connection,
) -> None:
    method, path = call
    event_id = make_event(endpoint)
    before = event(database, event_id)
    for chosen in (event_id, NOBODY_S, str(uuid.uuid4())):
        url = f"/api/queue/{chosen}{path}"
        await refused(ben.client.request(method, url, json=CALLS[call]), 404, "not_found")
    assert event(database, event_id) == before


async def test_the_queue_of_another_is_not_shown(
    ben: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    make_event(endpoint)
    for owner in ("me", "all"):
        page = await queue_of(ben, endpoint, owner=owner)
        assert (page["items"], page["count"]) == ([], 0)


async def test_an_admin_decides_about_everybody_s_events(
    admin: Account, endpoint: dict[str, Any], make_event: MakeEvent
) -> None:
    event_id = make_event(endpoint)
    assert ids(await queue_of(admin, endpoint)) == []
    assert ids(await queue_of(admin, endpoint, owner="all")) == [event_id]
    await data_of(admin.client.patch(f"/api/queue/{event_id}", json={"isPerson": True}))
    approved = await data_of(admin.client.post(f"/api/queue/{event_id}/approve"))
    assert approved["stage"] == "prepare"
